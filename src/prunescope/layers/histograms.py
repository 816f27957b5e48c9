"""Histograms of the fan-in and fan-out of a layer beside those that random pruning at its density would leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.observables.connectivity import binomial_fan_in

# Bars of which fewer units than this are expected, and that hold none, are cut off on both sides.
FEWEST = 0.05


@dataclass(frozen=True, eq=False)
class CountHistogram:
    """Numbers of units (or inputs) by their number of kept weights.

    Bar k holds ``start`` + k · ``width`` weights and up to ``width`` - 1 more. ``lines``: float64, how many units;
    ``expected``: how many under random pruning, the binomial null; ``mean``: of the kept weights of a unit.
    """

    start: int
    width: int
    lines: NDArray[np.float64]
    expected: NDArray[np.float64]
    mean: float

    @property
    def starts(self) -> NDArray[np.int64]:
        """The smallest number of kept weights in each bar."""
        return self.start + self.width * np.arange(len(self.lines), dtype=np.int64)


def count_histogram(counts: NDArray[np.int64], places: int, bars: int = 32) -> CountHistogram:
    """Return the histogram of numbers of kept weights, each out of as many ``places``, with at most ``bars`` bars.

    docs/science.md, "Fan-in and fan-out".
    """
    mean = float(counts.mean())
    seen = np.bincount(counts, minlength=places + 1).astype(np.float64)
    expected = len(counts) * binomial_fan_in(places, min(1.0, mean / places))
    some = np.flatnonzero((seen > 0) | (expected > FEWEST))
    low, high = int(some[0]), int(some[-1])
    width = max(1, -(-(high + 1 - low) // bars))
    low -= low % width
    starts = np.arange(low, high + 1, width)
    return CountHistogram(
        low,
        width,
        np.add.reduceat(seen[: high + 1], starts),
        np.add.reduceat(expected[: high + 1], starts),
        mean,
    )
