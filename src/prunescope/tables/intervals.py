"""Means over seeds with bootstrap intervals.

The interval is the expanded percentile interval of Hesterberg (2015, What Teachers Should Know About the
Bootstrap, Section 5.2): the percentile bootstrap with its tails moved out to what Student's t says for so few values,
since the plain one is too narrow by about sqrt((n-1)/n) and z in place of t. For three values it is the least and the
greatest of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.randomness import generator

LEVEL = 0.95
RESAMPLES = 10_000


@dataclass(frozen=True)
class Spread:
    """n values: their mean, sample standard deviation, and 95 % interval of the mean; None for too few values."""

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None


def spread(values: Sequence[float]) -> Spread:
    """Mean, sd and interval of ``values``; sd and interval need two."""
    n = len(values)
    if n < 2:
        return Spread(n, float(values[0]) if n else None, None, None, None)
    array = np.asarray(values, np.float64)
    low, high = _interval(_means(array, "values"), n)
    return Spread(n, float(array.mean()), float(array.std(ddof=1)), low, high)


def difference(values: Sequence[float], baseline: Sequence[float]) -> Spread:
    """The mean of ``values`` less that of ``baseline``, which are not paired; n is the smaller of their numbers.

    sd is that of a difference of one value each; the interval needs two of both.
    """
    n = min(len(values), len(baseline))
    if n == 0:
        return Spread(0, None, None, None, None)
    one, other = np.asarray(values, np.float64), np.asarray(baseline, np.float64)
    mean = float(one.mean() - other.mean())
    if n < 2:
        return Spread(n, mean, None, None, None)
    low, high = _interval(_means(one, "values") - _means(other, "baseline"), n)
    return Spread(n, mean, math.sqrt(one.var(ddof=1) + other.var(ddof=1)), low, high)


def _means(values: NDArray[np.float64], purpose: str) -> NDArray[np.float64]:
    """Means of RESAMPLES resamples; a function of the values alone."""
    drawn = generator(0, f"bootstrap of {purpose}", len(values)).integers(
        0, len(values), (RESAMPLES, len(values))
    )
    return np.asarray(values[drawn].mean(axis=1))


def _interval(means: NDArray[np.float64], n: int) -> tuple[float, float]:
    from scipy.stats import norm, t

    tail = norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf((1 + LEVEL) / 2, n - 1))
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)
