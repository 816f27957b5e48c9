"""The tensors of a layer of a fused step: its numbers, and what the kernels leave for one another within a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prunescope.mask import BoolArray
from prunescope.model import LAYER_FIELDS, PARAMETERS, FloatArray
from prunescope.training.torch.compact import Connections, chosen, spread

Arrays = list[FloatArray]  # of a layer, in the order of LAYER_FIELDS or PARAMETERS


@dataclass(frozen=True, eq=False)
class Feed:
    """The images of the steps to come, at fixed addresses.

    ``images``: [M, n0], uint8 or float32. ``indices`` and ``labels``: int64 [S, B], those of S steps. ``position``:
    int64 [], the next step of them.
    """

    images: Tensor
    indices: Tensor
    labels: Tensor
    position: Tensor


@dataclass(frozen=True)
class Rule:
    """The rule of the descent: ``number`` 0 for SGD, 1 for momentum, 2 for Adam."""

    number: int
    rate: float
    momentum: float


class FusedLayer:
    """A layer, of m rows and n columns of which the first ``varying`` take part in products (compact.Connections).

    Parameters are ``weight`` [m, n], ``bias`` [m], ``gamma`` and ``beta`` [n]; ``average`` and ``variances`` [n] are the
    moving ones. ``moments``: for each that the optimiser has, four tensors like the parameters. ``mask``: uint8 [m, n],
    or None where nothing is pruned; ``kept``: float32 [m], 1 for a kept bias. ``live``: float32 [n], 1 for inputs that
    vary. ``shift`` [n] is taken off the inputs before they are stored: their moving average of the step before.
    """

    def __init__(
        self, place: Connections, arrays: Arrays, live: BoolArray, slots: int, device: torch.device
    ) -> None:
        self.place, self.varying = place, place.varying
        self.device = device
        self._fields = self.compact(arrays)
        self.weight, self.bias, self.gamma, self.beta, self.average, self.variances = self._fields
        self.moments = [[torch.zeros_like(x) for x in self.parameters] for _ in range(slots)]
        self.live = torch.from_numpy(chosen(live.astype(np.float32), place.columns)).to(device)
        self.live[self.varying :] = 0
        self.mask: Tensor | None = None
        self.kept = torch.ones_like(self.bias)
        self.shift = torch.zeros_like(self.gamma)

    def prune(self, mask: BoolArray, bias: BoolArray) -> None:
        """Set what is kept: bool [n_out, n_in] and [n_out]."""
        kept = self.place.matrix(mask.view(np.uint8))
        real = np.outer(self.place.rows >= 0, self.place.columns >= 0)
        if not kept[real].all():
            self.mask = torch.tensor(kept, device=self.device)
        self.kept = torch.from_numpy(chosen(bias.astype(np.float32), self.place.rows)).to(self.device)

    @property
    def parameters(self) -> list[Tensor]:
        """Weight, bias, γ and β."""
        return self._fields[: len(PARAMETERS)]

    @property
    def fields(self) -> list[Tensor]:
        """The tensors of LAYER_FIELDS."""
        return self._fields

    @property
    def lasting(self) -> list[Tensor]:
        """All tensors that a step changes for the next one."""
        return [*self._fields, self.shift, *(x for slot in self.moments for x in slot)]

    @property
    def height(self) -> int:
        """The number m of rows."""
        return len(self.bias)

    @property
    def width(self) -> int:
        """The number n of columns."""
        return len(self.gamma)

    def prepare(self, batch: int, tiles: Tiles, operand: torch.dtype, sums: int) -> None:
        """Make the tensors that one step's kernels leave for one another, for batches of ``batch`` images.

        ``sums``: how many partial sums of the output's gradient there are.
        """
        height, width, varying = self.height, self.width, self.varying

        def numbers(*shape: int) -> Tensor:
            return torch.zeros(shape, device=self.device)

        def operands(*shape: int) -> Tensor:
            return torch.zeros(shape, device=self.device, dtype=operand)

        rows = tiles.of_batch(batch)
        self.inputs = operands(batch, varying)
        self.means, self.squares = numbers(rows, varying), numbers(rows, varying)
        self.scale, self.inverse, self.centre = (numbers(width) for _ in range(3))
        self.floor = operands(width)
        self.folded, self.total = operands(height, varying), numbers(height)
        self.gradient = operands(batch, height)
        self.by_gamma, self.by_beta = (numbers(tiles.of_weights(height), width) for _ in range(2))
        self.sums = numbers(sums, height)

    def spread(self, tensors: list[Tensor], into: Arrays) -> None:
        """Write compact tensors, in the order of LAYER_FIELDS or fewer, to their places in whole arrays."""
        rows, columns = self.place.rows, self.place.columns
        self.place.spread_matrix(tensors[0].cpu().numpy(), into[0])
        for tensor, array, indices in zip(
            tensors[1:], into[1:], (rows, columns, columns, columns, columns), strict=False
        ):
            if array.size:
                spread(tensor.cpu().numpy(), indices, array)

    def put(self, arrays: Arrays, slot: int | None = None) -> None:
        """Set the fields, or a moment of the parameters, from whole arrays."""
        own = self._fields if slot is None else self.moments[slot]
        for tensor, array in zip(own, self._compact(arrays), strict=True):
            tensor.copy_(torch.from_numpy(array))

    def compact(self, arrays: Arrays) -> list[Tensor]:
        """Return the entries of whole arrays, in the order of LAYER_FIELDS, as tensors on the device."""
        return [torch.tensor(x, device=self.device) for x in self._compact(arrays)]

    def _compact(self, arrays: Arrays) -> Arrays:
        rows, columns = self.place.rows, self.place.columns
        vectors = zip(arrays[1:], (rows, columns, columns, columns, columns), strict=False)
        return [self.place.matrix(arrays[0]), *(chosen(array, indices) for array, indices in vectors)]


@dataclass(frozen=True)
class Tiles:
    """How many rows the tiles have of which the kernels leave partial sums; None for all rows."""

    activations: int | None
    weights: int | None

    def of_batch(self, batch: int) -> int:
        """Return the number of tiles of a batch."""
        return 1 if self.activations is None else -(-batch // self.activations)

    def of_weights(self, height: int) -> int:
        """Return the number of tiles of a matrix of weights."""
        return 1 if self.weights is None else -(-height // self.weights)


assert LAYER_FIELDS[: len(PARAMETERS)] == PARAMETERS
