"""Train masked networks in plain PyTorch with the images on the device, one step after another or compiled.

The network is that of ``bench.plain``. Indices of a block of steps are copied to the device at once and labels are
there, so that the host does nothing in a step but launch it. Nothing here is slower than it has to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.bench.device.precisions import float32_products
from prunescope.bench.plain import MaskedLinear
from prunescope.bench.problem import RATE
from prunescope.data import Batch
from prunescope.model import Model, Ticket


@dataclass(frozen=True, eq=False)
class ResidentSet:
    """A training set on a device: uint8 images [M, n0], labels [M] and the mean image [n0]."""

    images: Tensor
    labels: Tensor
    mean: Tensor

    def with_labels(self, labels: np.ndarray) -> ResidentSet:
        """Return the same images with other labels."""
        return ResidentSet(self.images, torch.from_numpy(labels).to(self.images.device), self.mean)


def resident_set(pixels: np.ndarray, mean: np.ndarray, device: torch.device) -> ResidentSet:
    """Copy a set to a device; its labels come later."""
    images = torch.from_numpy(pixels).to(device)
    return ResidentSet(
        images, torch.zeros(0, dtype=torch.int64, device=device), torch.tensor(mean).to(device)
    )


class GatheredLoss(nn.Module):
    """The loss of a network on the images of a batch, which it gathers from a set on the device.

    The set's tensors are buffers, because a compiled module reads those where they lie and copies other inputs.
    """

    images: Tensor
    labels: Tensor
    mean: Tensor

    def __init__(self, network: nn.Sequential, data: ResidentSet, rounded: bool) -> None:
        super().__init__()
        self.network, self._rounded = network, rounded
        for name, tensor in vars(data).items():
            self.register_buffer(name, tensor)

    def forward(self, chosen: Tensor) -> Tensor:
        """Return the mean cross-entropy of the images ``chosen`` [B]; with ``rounded``, products are in bfloat16."""
        inputs = (self.images.index_select(0, chosen).float() - self.mean) / 255
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self._rounded):
            logits = self.network(inputs)
        return functional.cross_entropy(logits.float(), self.labels.index_select(0, chosen))


class ResidentPlain:
    """Trains a plain PyTorch module in one precision; ``mode`` is that of torch.compile, or None for none.

    A level begins in place, so that what was compiled for the first is used for all.
    """

    name = "plain"

    def __init__(self, data: ResidentSet, precision: str, mode: str | None = None) -> None:
        self._data, self._precision, self._mode = data, precision, mode
        self._loss: GatheredLoss | None = None
        self._sum = torch.zeros((), device=data.images.device)
        self._count = 0

    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level with this model and ticket."""
        network = _network(model, ticket)
        if self._loss is not None:
            self._loss.network.load_state_dict(network.state_dict())
        else:
            device = self._data.images.device
            self._loss = GatheredLoss(network.to(device), self._data, self._precision == "bf16")
            self._optimizer = torch.optim.SGD(self._loss.parameters(), lr=RATE)
            self._loss_of: Callable[[Tensor], Tensor] = self._loss
            self._descend: Callable[[], object] = self._optimizer.step
            if self._mode is not None:
                self._loss_of = torch.compile(self._loss, mode=self._mode)
                self._descend = torch.compile(self._optimizer.step)
        self.take_loss()

    def steps(self, batches: Sequence[Batch]) -> None:
        """Make one update on each batch."""
        rows = torch.from_numpy(np.stack([batch.indices for batch in batches])).to(self._data.images.device)
        with float32_products(self._precision):
            for chosen in rows:
                self._step(chosen)

    def take_loss(self) -> float:
        """Return the mean training loss of the steps since the last call."""
        mean = float(self._sum) / self._count if self._count else float("nan")
        self._sum.zero_()
        self._count = 0
        return mean

    def _step(self, chosen: Tensor) -> None:
        if self._mode is not None:
            torch.compiler.cudagraph_mark_step_begin()
        loss = self._loss_of(chosen)
        loss.backward()
        self._descend()
        self._optimizer.zero_grad()
        self._sum += loss.detach()
        self._count += 1


def _network(model: Model, ticket: Ticket) -> nn.Sequential:
    modules: list[nn.Module] = []
    for layer, mask, bias in zip(model.layers[:-1], ticket.masks, ticket.biases, strict=True):
        modules += [MaskedLinear(layer, mask.array, None if bias.all() else bias), nn.ReLU()]
    return nn.Sequential(*modules, MaskedLinear(model.layers[-1]))
