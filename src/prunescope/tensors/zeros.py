"""The zeros rule: whether the zeros of a tensor are pruned weights, or come from chance, rounding or the start."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

# What zeros are. "dense": too few; "empty": all entries; "padding": one row of an embedding; "rounding": as many as
# rounding leaves.
Zeros = Literal["pruned", "dense", "empty", "padding", "rounding"]

# At least two zeros, and one in so many entries: fewer change no number that is measured.
FEWEST, RAREST = 2, 1000
# Where entries share a grid of values, zeros must be so many times as many as rounding to it leaves, and more by this share.
MARGIN, SHARE = 2.0, 0.02
# Entries of a row that may have a grid of their own, as blocks of quantized weights have; and at most so many are sampled.
BLOCK = 32
SAMPLE = 1 << 18


class ZeroCensus:
    """Counts of the zeros of a tensor, part after part, with a sample of its rows."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.zeros = 0
        self.zero_rows = 0
        self._step = max(1, -(-size // SAMPLE))
        self._top = 0
        self._rows: list[NDArray[np.float64]] = []

    def add(self, part: NDArray[np.generic], kept: NDArray[np.bool_]) -> None:
        """Count the next rows of the tensor; ``kept``: which of their entries are not 0."""
        in_row = kept.sum(axis=1)
        self.zeros += int(kept.size - in_row.sum())
        self.zero_rows += int((in_row == 0).sum())
        # Every so many rows of the tensor, and of one that is very wide its beginning.
        chosen = part[-self._top % self._step :: self._step, :SAMPLE]
        self._top += len(part)
        sizes = np.abs(chosen if np.iscomplexobj(chosen) else chosen.astype(np.float64))
        self._rows.append(np.where(np.isnan(sizes), np.inf, sizes))

    def verdict(self, *, is_embedding: bool = False) -> Zeros:
        """Return what the zeros are.

        They are pruned weights unless there are too few of them, unless the whole tensor is 0, unless they are one whole
        row of an embedding, and unless rounding to a grid of values leaves as many (``zeros_by_rounding``).
        """
        if self.zeros == self.size:
            return "empty"
        if self.zeros < FEWEST or self.zeros * RAREST < self.size:
            return "dense"
        sample = np.concatenate(self._rows)
        if is_embedding and self.zero_rows == 1 and self.zeros * self._top == self.size:
            return "padding"
        expected = zeros_by_rounding(sample)
        zeros = int((sample == 0).sum())
        if expected * 10 > zeros:  # there is a grid
            return "pruned" if zeros > MARGIN * expected + SHARE * sample.size else "rounding"
        return "pruned"


def zeros_by_rounding(magnitudes: NDArray[np.float64]) -> float:
    """Return how many zeros rounding to the nearest value of a grid leaves, by the values next to 0.

    ``magnitudes``: [rows, entries of a row]. A grid may be that of the type, of the tensor, of each row or of each block
    of 32 entries in a row: the largest expectation counts. With the smallest magnitudes m1 < m2 < m3 in c1, c2 and c3
    entries, entries up to m1 / 2 were rounded to 0, and those up to (m1 + m2) / 2 to m1. At the density of the latter,
    there are c1·m1/m2 of the former; where the density rises towards 0, more of them by that rise. A value that occurs
    once is of no grid, so that c1 - 1 is taken for c1. It is infinite where a grid has no second magnitude: all
    entries are then 0 or of one size, as ternary weights are.
    """
    rows = _expected(magnitudes.reshape(1, -1)), _expected(magnitudes)
    width = magnitudes.shape[1]
    if width < 2 * BLOCK:
        return max(rows)
    blocks = magnitudes[:, : width - width % BLOCK].reshape(-1, BLOCK)
    return max(*rows, _expected(blocks))


def _expected(groups: NDArray[np.float64]) -> float:
    """Return how many zeros rounding leaves in groups of entries, each of which has a grid of its own."""
    levels, counts = [], []
    rest = np.where(groups == 0, np.inf, groups)
    for _ in range(3):
        smallest = rest.min(axis=1, keepdims=True)
        same = (rest == smallest) & np.isfinite(smallest)
        levels.append(smallest[:, 0])
        counts.append(same.sum(axis=1))
        rest[same] = np.inf
    (m1, m2, m3), (c1, c2, _) = levels, counts
    shared = np.maximum(c1 - 1, 0)
    # Levels that a group does not have are infinite, and float64 holds weights whose multiples it does not hold.
    with np.errstate(all="ignore"):
        density = float(np.nansum(c1 * 2 * m1 / m2)), float(np.nansum(c2 * 2 * m1 / (m3 - m1)))
        expected = shared * m1 / m2
    rise = max(1.0, density[0] / density[1]) if density[1] > 0 else 1.0
    # Where a group has one magnitude, the others tell; where the whole has one, nothing does.
    alone = np.inf if len(groups) == 1 else shared
    return float(np.nansum(np.where(c2 > 0, expected * rise, np.where(shared > 0, alone, 0.0))))
