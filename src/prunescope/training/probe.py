"""Probe: what the coming step's batch says of a network, in float32 torch, whichever engine trains it."""

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
    """Looks at a network with the batch that follows the first ``step`` updates of ``level``.

    A pure function of its arguments: drawing the batch here does not keep the level from drawing it.
    """

    setting: Setting
    level: int

    @property
    def norm(self) -> str:
        """``network.norm``."""
        return self.setting.experiment.network.norm

    @property
    def initial(self) -> Model:
        """The run's parameters before training."""
        return initial(self.setting.sizes, self.norm, self.setting.seed)

    @property
    def live_pixels(self) -> BoolArray:
        """Which pixels vary, [n0]."""
        return self._dataset.live_pixels

    def gradients(self, model: Model, ticket: Ticket, step: int) -> list[FloatArray]:
        """The batch's gradient towards each hidden weight, pruned ones included, [n_out, n_in].

        The loss is the mean cross-entropy of ``model`` under ``ticket`` with training-mode batch norm.
        """
        import torch

        layers, logits, labels, _ = self._forward(model, ticket, step, gradients=True)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        weights = [layer.weight for layer in layers[:-1]]
        return [g.cpu().numpy() for g in torch.autograd.grad(loss, weights)]

    def statistics(self, model: Model, ticket: Ticket, step: int) -> list[tuple[FloatArray, FloatArray]]:
        """Mean and biased variance over the batch of what each norm normalises."""
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
