"""Measure the machine's limits, and count the work that any implementation of a step has to do."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch

from prunescope.bench.sizes import Sizes
from prunescope.bench.timing import Timing, Turn, seconds_of
from prunescope.model import Ticket


@dataclass(frozen=True)
class Work:
    """The floating-point operations and bytes of one step."""

    flops: int
    bytes: int

    def seconds(self, flops_per_second: float, bytes_per_second: float) -> float:
        """Return the time that the work takes at these rates, products and memory one after the other."""
        return self.flops / flops_per_second + self.bytes / bytes_per_second


def step_work(ticket: Ticket, layers: tuple[int, ...], batch: int) -> Work:
    """Count the work of one training step on the kept weights.

    Operations: a multiplication and an addition for each image, kept weight and product: forward and weight
    gradient in the first layer, these and the input gradient in the others, the dense output layer included.
    Bytes: the batch's uint8 images read once, every layer's float32 outputs [B, n] written and read once, the
    kept float32 weights read and their gradients written once. ``layers`` is (n0, …, nL).
    """
    kept = [mask.kept for mask in ticket.masks]
    dense = [n_out * n_in for n_in, n_out in pairwise(layers)]
    kept += dense[len(kept) :]
    products = 2 * kept[0] + 3 * sum(kept[1:])
    moved = batch * layers[0] + 2 * 4 * batch * sum(layers[1:]) + 2 * 4 * sum(kept)
    return Work(2 * batch * products, moved)


class MachineProbes:
    """Two probes of the machine: a dense float32 product and a copy, by torch with all threads.

    Each has a turn in every alternation. The product is the first layer's, [B, n0] x [n0, n1]; the arrays
    copied are larger than any cache, and a copied float counts 8 bytes, 4 read and 4 written.
    """

    def __init__(self, sizes: Sizes) -> None:
        rows, n_in, columns = sizes.batch, prod(sizes.shape), sizes.hidden[0]
        self._left, self._right = torch.randn(rows, n_in), torch.randn(n_in, columns)
        self._product = torch.empty(rows, columns)
        self._source = torch.ones(sizes.copied_floats)
        self._target = torch.zeros(sizes.copied_floats)
        self._flops = 2 * rows * n_in * columns
        self._bytes = 8 * sizes.copied_floats

    @property
    def turns(self) -> dict[str, Turn]:
        """Return the probes' turns for ``alternate``, by the names that ``rates`` takes."""
        return {
            "matmul": lambda _: seconds_of(lambda: torch.matmul(self._left, self._right, out=self._product)),
            "copy": lambda _: seconds_of(lambda: self._target.copy_(self._source)),
        }

    def rates(self, matmul: Timing, copy: Timing) -> tuple[float, float]:
        """Return operations and bytes a second, from the median times of the product and the copy."""
        return self._flops / matmul.seconds, self._bytes / copy.seconds


def machine_limits(rounds: list[tuple[Timing, Timing]], probes: MachineProbes) -> dict[str, float]:
    """Return the machine's rates over the (matmul, copy) timings of all rounds together."""
    matmul, copy = (
        Timing(tuple(s for timing in column for s in timing.rounds)) for column in zip(*rounds, strict=True)
    )
    flops, moved = probes.rates(matmul, copy)
    return {"matmul_gflops": flops / 1e9, "copy_gb_per_second": moved / 1e9, "rounds": len(matmul.rounds)}
