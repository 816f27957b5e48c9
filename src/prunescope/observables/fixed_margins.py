"""Random masks that keep the fan-in of every unit and the fan-out of every input: their odds, and draws of them.

This is the configuration null of the bipartite graph of inputs and units (docs/science.md, "Masks with both margins").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import BoolArray, Mask
from prunescope.observables.trades import KeptPlaces, same_margins
from prunescope.randomness import generator

Floats = NDArray[np.float64]

# Rounds of trades between two draws. Each leaves an entry in its unit with probability of about one half.
TRADES = 10
# The log-odds of rows and columns that are all 0 or all 1. Those that are so only within what is left once the others
# are set aside have half as much, and so on, so that what was decided first decides an entry.
DECIDED, LEAST_DECIDED = 1600.0, 100.0
# Steps of the fit, and the largest error of a margin at which it ends.
STEPS, TOLERANCE = 300, 1e-6


@dataclass(frozen=True, eq=False)
class MarginOdds:
    """The log-odds of the entries of random masks with given margins: that of entry (j, i) is rows[j] + columns[i].

    Of all masks of independent entries these have the given margins in expectation and are the most random otherwise;
    ``rows`` [n_out], ``columns`` [n_in]. ``free_rows`` and ``free_columns`` mark those that are not decided.
    """

    rows: Floats
    columns: Floats

    @property
    def free_rows(self) -> BoolArray:
        """Which rows are neither all 0 nor all 1."""
        return np.abs(self.rows) < LEAST_DECIDED

    @property
    def free_columns(self) -> BoolArray:
        """Which columns are neither all 0 nor all 1."""
        return np.abs(self.columns) < LEAST_DECIDED

    def probabilities(self, part: slice) -> Floats:
        """Return the probabilities of the entries of some rows, [rows, n_in]."""
        return _sigmoid(self.rows[part, np.newaxis] + self.columns)


def margin_odds(fan_in: NDArray[np.int64], fan_out: NDArray[np.int64]) -> MarginOdds:
    """Return the log-odds of random masks with these fan-ins [n_out] and fan-outs [n_in] (both with the same sum)."""
    rows, columns = _decided(fan_in, fan_out)
    free_rows, free_columns = rows == 0, columns == 0
    if free_rows.any() and free_columns.any():
        full_rows, full_columns = int((rows > 0).sum()), int((columns > 0).sum())
        left, left_out = fan_in[free_rows] - full_columns, fan_out[free_columns] - full_rows
        rows[free_rows], columns[free_columns] = _fitted(left, left_out)
    return MarginOdds(rows, columns)


def _decided(fan_in: NDArray[np.int64], fan_out: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the log-odds of rows and columns that can only be all 0 or all 1, and 0 for the others."""
    odds = np.zeros(len(fan_in)), np.zeros(len(fan_out))
    counts = fan_in, fan_out
    strength, changed = DECIDED, True
    while changed and strength >= LEAST_DECIDED:
        changed = False
        for side in (0, 1):
            free = odds[side] == 0
            across = odds[1 - side]
            left = counts[side] - (across > 0).sum()
            empty, full = free & (left <= 0), free & (left >= (across == 0).sum())
            odds[side][empty], odds[side][full & ~empty] = -strength, strength
            if (empty | full).any():
                changed = True
                strength /= 2
    return odds


def _fitted(fan_in: NDArray[np.int64], fan_out: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return log-odds of rows and columns by Newton steps on either in turn; equal margins have equal log-odds."""
    r, row_of, row_count = np.unique(fan_in, return_inverse=True, return_counts=True)
    c, column_of, column_count = np.unique(fan_out, return_inverse=True, return_counts=True)
    share = fan_in.sum() / (len(fan_in) * len(fan_out))
    rows = _logit(r / len(fan_out))
    columns = _logit(c / len(fan_in)) - _logit(share)
    for _ in range(STEPS):
        p = _sigmoid(rows[:, np.newaxis] + columns)
        rows += _newton(r - p @ column_count, (p * (1 - p)) @ column_count)
        p = _sigmoid(rows[:, np.newaxis] + columns)
        columns += _newton(c - row_count @ p, row_count @ (p * (1 - p)))
        if np.abs(r - _sigmoid(rows[:, np.newaxis] + columns) @ column_count).max() < TOLERANCE:
            break
    return rows[row_of], columns[column_of]


def _newton(error: Floats, slope: Floats) -> Floats:
    """Return a step that is not too long where the slope is small."""
    step: Floats = np.clip(error / np.maximum(slope, 1e-9), -1, 1)
    return step


def _logit(share: Floats | float) -> Floats:
    inside = np.clip(share, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _sigmoid(odds: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(odds), dtype=np.float64)


def draws_at_margins(mask: Mask, count: int, purpose: str) -> Iterator[Mask]:
    """Yield ``count`` random masks with the fan-ins and fan-outs of a mask, a function of its content and the purpose.

    They are states of a Markov chain whose stationary distribution is uniform over all such masks (``same_margins``).
    """
    rng = generator(0, f"{purpose} of {mask.digest}")
    # The margins of what is pruned say the same, and where there is less of it, it moves faster.
    inverted = 2 * mask.kept > mask.array.size
    kept = KeptPlaces.of(~mask.array if inverted else mask.array)
    for drawn in same_margins(kept, rng, count, TRADES):
        yield Mask.owning(~drawn.array if inverted else drawn.array)
