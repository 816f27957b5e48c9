"""Weights at random places: the null of the kurtosis for a sparse layer, from the kept weights alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import Mask
from prunescope.observables.kurtosis import Floats, excess_kurtosis

# Below this density drawing places and multiplying by the kept weights is the faster way (benchmarks/README.md).
SPARSE_BELOW = 0.05
# Images that are multiplied at once, so that their inputs stay in a second-level cache, and nodes that are measured at
# once for the same reason.
TILE, GROUP = 64, 64


@dataclass(frozen=True, eq=False)
class Scattered:
    """The weights of a layer [n_out, n_in] at random places, node after node, inputs ascending.

    ``fan_in``: int64 [n_out]; ``inputs``: int64 [M], the input of each weight; ``values`` [M].
    """

    n_in: int
    fan_in: NDArray[np.int64]
    inputs: NDArray[np.int64]
    values: NDArray[Any]

    @property
    def nodes(self) -> NDArray[np.int64]:
        """The node of each weight, int64 [M]."""
        return np.repeat(np.arange(len(self.fan_in)), self.fan_in)

    def dense(self) -> NDArray[Any]:
        """Return the weights as an array [n_out, n_in], 0 where there is none."""
        weights = np.zeros((len(self.fan_in), self.n_in), self.values.dtype)
        weights[self.nodes, self.inputs] = self.values
        return weights

    def kurtosis(self, tiles: list[NDArray[Any]]) -> Floats:
        """Return the excess kurtosis of each node's preactivation over images as ``in_tiles`` returns them, float64 [n_out]."""
        from scipy.sparse import csr_array  # slow to import

        ends = np.concatenate([[0], np.cumsum(self.fan_in)])
        weights = csr_array((self.values, self.inputs, ends), shape=(len(self.fan_in), self.n_in))
        samples = np.concatenate([weights @ tile for tile in tiles], axis=1)
        groups = (samples[first : first + GROUP].T for first in range(0, len(samples), GROUP))
        return np.concatenate([excess_kurtosis(group) for group in groups])


def scattered(kept: NDArray[Any], mask: Mask, rng: np.random.Generator) -> Scattered:
    """Move each node's kept weights to random places, all of them equally likely.

    ``kept`` [M]: those of all nodes, in the order of the mask's entries.
    """
    fan_in = mask.fan_in
    first = np.repeat(np.arange(mask.n_out) * mask.n_in, fan_in)
    place = first + rng.integers(mask.n_in, size=len(first))
    # Draws that collide are repeated. All places are treated alike, so that every choice and order is equally likely.
    while True:
        order = np.argsort(place, kind="stable")
        ascending = place[order]
        again = order[1:][ascending[1:] == ascending[:-1]]
        if not len(again):
            return Scattered(mask.n_in, fan_in, ascending - first, kept[order])
        place[again] = first[again] + rng.integers(mask.n_in, size=len(again))


def in_tiles(inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """Return inputs [images, n_in] as arrays [n_in, up to TILE] of images."""
    return [np.ascontiguousarray(inputs[start : start + TILE].T) for start in range(0, len(inputs), TILE)]
