"""Probes compute gradients and statistics of the coming step's batch, in true float32, whichever engine trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from prunescope.data import Dataset
from prunescope.mask import BoolArray
from prunescope.model import FloatArray, Model, Ticket, initial
from prunescope.training.levels import Setting

if TYPE_CHECKING:
    from torch import Tensor

    from prunescope.network.forward import Statistics, TorchLayer


@dataclass(frozen=True)
class Probe:
    """Measures a network on the batch that comes after the first ``step`` updates of ``level``.

    The methods are pure functions of their arguments: the level draws the same batch afterwards.
    """

    setting: Setting
    level: int

    @property
    def norm(self) -> str:
        """The field ``network.norm``: where batch norm stands, "before", "after" or "none"."""
        return self.setting.experiment.network.norm

    @property
    def initial(self) -> Model:
        """The run's parameters before training."""
        return initial(self.setting.sizes, self.norm, self.setting.seed)

    @property
    def live_pixels(self) -> BoolArray:
        """Which pixels vary with the image, bool [n0]."""
        return self._dataset.live_pixels

    def gradients(self, model: Model, ticket: Ticket, step: int) -> list[FloatArray]:
        """Return the gradient of the batch's loss for each hidden layer's weights [n_out, n_in], pruned ones included.

        The loss is the mean cross-entropy of ``model`` under ``ticket`` with training-mode batch norm.
        """
        import torch

        from prunescope.network.precision import matrix_units

        with matrix_units(False):
            layers, logits, labels, _ = self._forward(model, ticket, step, gradients=True)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            weights = [layer.weight for layer in layers[:-1]]
            return [g.cpu().numpy() for g in torch.autograd.grad(loss, weights)]

    def statistics(self, model: Model, ticket: Ticket, step: int) -> list[tuple[FloatArray, FloatArray]]:
        """Return the mean and the biased variance over the batch of what each norm normalises."""
        from prunescope.network.precision import matrix_units

        with matrix_units(False):
            *_, statistics = self._forward(model, ticket, step, gradients=False)
        return [(mean.cpu().numpy(), variance.cpu().numpy()) for mean, variance in statistics]

    @property
    def _dataset(self) -> Dataset:
        assert self.setting.dataset is not None
        return self.setting.dataset

    def _forward(
        self, model: Model, ticket: Ticket, step: int, gradients: bool
    ) -> tuple[list[TorchLayer], Tensor, Tensor, Statistics]:
        import torch

        from prunescope.network.forward import forward, network_inputs, torch_layers

        train, data = self.setting.experiment.train, self._dataset
        device = torch.device(self.setting.experiment.run.device)
        batch = data.draw(self.setting.seed, self.level, step, train.batch, train.sampling)
        rows = torch.from_numpy(np.asarray(batch.pixels[batch.indices])).to(device)
        inputs = network_inputs(rows, torch.tensor(data.mean, device=device))
        layers = torch_layers(model, ticket, self.live_pixels, device)
        for layer in layers[:-1]:
            layer.weight.requires_grad_(gradients)
        with torch.set_grad_enabled(gradients):
            logits, statistics = forward(layers, inputs, self.norm, None)
        return layers, logits, torch.from_numpy(batch.labels).to(device), statistics
