"""Train masked networks in plain PyTorch, as common lottery-ticket code does.

Batch norm is a module before every linear map, the forward pass multiplies weight ⊙ mask (as
``torch.nn.utils.prune`` and open_lth do), and autograd and ``torch.optim.SGD`` do the rest. Nothing here is
slower than it has to be.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.data import Batch, Images
from prunescope.mask import BoolArray
from prunescope.model import Layer, Model, Ticket
from prunescope.training.engine import Score

EPSILON = 1e-10
AVERAGE_DECAY = 0.99
EVALUATED_AT_ONCE = 1000


class MaskedLinear(nn.Module):
    """A layer of batch norm and a linear map whose pruned weights are multiplied by 0; dense without masks."""

    weight_mask: Tensor | None
    bias_mask: Tensor | None

    def __init__(
        self, layer: Layer, mask: BoolArray | None = None, bias_mask: BoolArray | None = None
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(layer.weight.shape[1], eps=EPSILON, momentum=1 - AVERAGE_DECAY)
        self.weight = nn.Parameter(torch.tensor(layer.weight))
        self.bias = nn.Parameter(torch.tensor(layer.bias))
        with torch.no_grad():
            self.norm.weight.copy_(torch.tensor(layer.gamma))
            self.norm.bias.copy_(torch.tensor(layer.beta))
        self.register_buffer("weight_mask", _factor(mask))
        self.register_buffer("bias_mask", _factor(bias_mask))

    def forward(self, x: Tensor) -> Tensor:
        """Map activations [B, n_in] to preactivations [B, n_out]."""
        weight = self.weight if self.weight_mask is None else self.weight * self.weight_mask
        bias = self.bias if self.bias_mask is None else self.bias * self.bias_mask
        return functional.linear(self.norm(x), weight, bias)

    def take_averages(self, layer: Layer) -> None:
        """Replace the moving averages by those of ``layer``."""
        self.norm.running_mean = torch.tensor(layer.mean)
        self.norm.running_var = torch.tensor(layer.variance)

    def numbers(self) -> Layer:
        """Return the parameters and moving averages; pruned entries have their stored values, not 0."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        tensors = (self.weight, self.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var)
        return Layer(*(tensor.detach().numpy().copy() for tensor in tensors))


def _factor(mask: BoolArray | None) -> Tensor | None:
    return None if mask is None else torch.tensor(mask, dtype=torch.float32)


def _network(model: Model, ticket: Ticket) -> nn.Sequential:
    """Make the module, with new moving averages."""
    hidden = zip(model.layers[:-1], ticket.masks, ticket.biases, strict=True)
    modules: list[nn.Module] = []
    for layer, mask, bias in hidden:
        pruned_bias = None if bias.all() else bias  # a mask of ones would be a product for nothing
        modules += [MaskedLinear(layer, mask.array, pruned_bias), nn.ReLU()]
    return nn.Sequential(*modules, MaskedLinear(model.layers[-1]))


class PlainTrainer:
    """Trains a plain PyTorch module; has the methods of an engine that timing needs."""

    name = "plain"

    def __init__(self, mean: np.ndarray, rate: float) -> None:
        self._mean = torch.tensor(mean, dtype=torch.float32)
        self._rate = rate
        self._images: tuple[np.ndarray, Tensor] | None = None
        self._losses: list[Tensor] = []

    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level with this model and ticket."""
        self._ticket = ticket
        self._network = _network(model, ticket)
        self._optimizer = torch.optim.SGD(self._network.parameters(), lr=self._rate)
        self._losses = []

    def step(self, batch: Batch) -> None:
        """Make one update on a batch."""
        if self._images is None or self._images[0] is not batch.pixels:
            self._images = (batch.pixels, torch.from_numpy(batch.pixels))
        # index_select: the same rows as images[indices], twenty times faster for uint8 in torch 2.13
        images = self._images[1].index_select(0, torch.from_numpy(batch.indices))
        loss = functional.cross_entropy(self._network(self._inputs(images)), torch.from_numpy(batch.labels))
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._losses.append(loss.detach())

    @torch.no_grad()
    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        """Score a set of images with the moving averages, or those of ``model``, a block of images at a time."""
        network = self._network
        if model is not None:
            network = _network(model, self._ticket)
            modules = [module for module in network if isinstance(module, MaskedLinear)]
            for module, layer in zip(modules, model.layers, strict=True):
                module.take_averages(layer)
        network.eval()
        totals = torch.zeros(3, dtype=torch.float64)
        blocks = zip(
            torch.from_numpy(images.pixels).split(EVALUATED_AT_ONCE),
            torch.from_numpy(images.labels).split(EVALUATED_AT_ONCE),
            strict=True,
        )
        for pixels, labels in blocks:
            logits = network(self._inputs(pixels))
            first = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
            loss = functional.cross_entropy(logits, labels, reduction="sum")
            totals += torch.stack([first[:, 0].sum(), first.sum(), loss]).double()
        network.train()
        return Score.of_totals(len(images), totals.tolist())

    def _inputs(self, pixels: Tensor) -> Tensor:
        return (pixels.float() - self._mean) / 255

    def take_loss(self) -> float:
        """Return the mean training loss of the steps since the last call."""
        mean = float(torch.stack(self._losses).double().mean()) if self._losses else float("nan")
        self._losses = []
        return mean

    def model(self) -> Model:
        """Return a copy of the parameters and moving averages."""
        layers = [module for module in self._network if isinstance(module, MaskedLinear)]
        return Model(tuple(layer.numbers() for layer in layers))
