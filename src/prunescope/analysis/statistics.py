"""This module computes means over seeds and their 95 % intervals, for tables, pages, figures and claims.

All intervals are by Student's t (docs/science.md, "Intervals"). Differences within a seed (two levels, two layers, a
number and its null) are paired: the interval is that of the mean of the differences. Two experiments are compared by
Welch's interval, unless they were run on the same data with at least PAIRED_SEEDS seeds in common, whose differences
are then paired: runs of one seed share their initial weights and, where set and batch are the same, every batch. One
value has no interval. Values that agree to the last digit have none either, since their spread says nothing about the
next seed. Sources: Student 1908; Welch 1947.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

CONFIDENCE = 0.95
# With fewer shared seeds a paired interval rests on so few degrees of freedom that Welch's is the narrower one.
PAIRED_SEEDS = 5
SMALLEST, LARGEST = 1e-100, 1e100  # Squares of numbers beyond would become 0 or infinite.


@dataclass(frozen=True)
class Spread:
    """The spread of n values: their mean, sample standard deviation and the 95 % interval of the mean.

    ``low``, ``high``: the ends of the interval. ``alike``: whether two or more values are all equal, so that there is
    no interval. ``freedom``: the degrees of freedom of the interval. Numbers that need more values are None.
    """

    n: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    alike: bool = False
    freedom: float | None = None

    def widened(self, by: float) -> Spread:
        """Return the same spread with ``by`` added to the half-width of its interval."""
        if self.low is None or self.high is None:
            return self
        return Spread(self.n, self.mean, self.sd, self.low - by, self.high + by, self.alike, self.freedom)


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of ``values``; the sample sd and the interval need two of them."""
    n = len(values)
    if n < 2:
        return Spread(n, float(values[0]) if n else None)
    if not all(map(math.isfinite, values)):
        return Spread(n, sum(map(float, values)))  # not a number, or infinite, as the mean is
    if (scale := _scale(values)) != 1:
        return _times(spread([value / scale for value in values]), scale)
    mean, sd = fmean(values), stdev(values)
    if len(set(values)) == 1:
        return Spread(n, float(values[0]), 0.0, alike=True)
    half = quantile(n - 1) * sd / math.sqrt(n)
    return Spread(n, mean, sd, mean - half, mean + half, freedom=n - 1)


def paired(values: Mapping[int, float], baseline: Mapping[int, float]) -> Spread:
    """Return the spread of the differences ``values`` - ``baseline``, both by seed, over the seeds that both have."""
    return spread([values[seed] - baseline[seed] for seed in sorted(values.keys() & baseline.keys())])


def welch(values: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Return the spread of the difference of two means, ``values`` - ``baseline``, with unequal variances (Welch 1947).

    ``n`` is the number of the smaller group, ``sd`` that of a difference of one value of each. sd and interval need two
    values of both.
    """
    n = min(len(values), len(baseline))
    if n == 0:
        return Spread(0)
    if not all(map(math.isfinite, (*values, *baseline))):
        return Spread(n, sum(map(float, values)) - sum(map(float, baseline)))
    if (scale := _scale((*values, *baseline))) != 1:
        parts = ([value / scale for value in numbers] for numbers in (values, baseline))
        return _times(welch(*parts), scale)
    mean = fmean(values) - fmean(baseline)
    if n < 2:
        return Spread(n, mean)
    variances = [(stdev(numbers) ** 2, len(numbers)) for numbers in (values, baseline)]
    error = sum(variance / count for variance, count in variances)
    sd = math.sqrt(sum(variance for variance, _ in variances))
    if error == 0:
        return Spread(n, mean, sd, alike=True)
    freedom = error**2 / sum((variance / count) ** 2 / (count - 1) for variance, count in variances)
    half = quantile(freedom) * math.sqrt(error)
    return Spread(n, mean, sd, mean - half, mean + half, freedom=freedom)


def _scale(values: Sequence[float]) -> float:
    """Return a power of two that brings ``values`` to where their squares are numbers; 1 for almost all values."""
    largest = max(map(abs, values))
    if largest == 0 or SMALLEST <= largest <= LARGEST:
        return 1.0
    return math.ldexp(1.0, min(max(math.frexp(largest)[1], -1021), 1023))  # exact, and its own scale is 1


def _times(of: Spread, scale: float) -> Spread:
    """Return a spread of values that are ``scale`` times as large."""
    mean, sd, low, high = (
        None if value is None else scale * value for value in (of.mean, of.sd, of.low, of.high)
    )
    return Spread(of.n, mean, sd, low, high, of.alike, of.freedom)


@dataclass(frozen=True)
class Difference:
    """A difference of two groups: its spread, and whether it is paired by seed.

    ``seeds``: the seeds of a paired difference. ``left_out``: the seeds of either group that it does not use.
    """

    spread: Spread
    paired: bool
    seeds: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()


def difference(values: Mapping[int, float], baseline: Mapping[int, float], *, same_data: bool) -> Difference:
    """Return the difference ``values`` - ``baseline`` of two groups, both by seed.

    It is paired where both were run on the same data and share at least PAIRED_SEEDS seeds, else Welch's.
    """
    shared = sorted(values.keys() & baseline.keys())
    if same_data and len(shared) >= PAIRED_SEEDS:
        left_out = sorted((values.keys() | baseline.keys()) - set(shared))
        return Difference(paired(values, baseline), True, tuple(shared), tuple(left_out))
    return Difference(welch(list(values.values()), list(baseline.values())), False)


def quantile(freedom: float) -> float:
    """Return the half-width of a 95 % interval in standard errors, at ``freedom`` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def band(profiles: np.ndarray, sds: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return mean - and + ``sds`` sample sds over the first axis of ``profiles`` [shuffles, …]."""
    mean, sd = mean_and_sd(profiles)
    return mean - sds * sd, mean + sds * sd


def mean_and_sd(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sample sd over the first axis of ``values`` [n, …]; the sd of one value is nan."""
    mean = values.mean(axis=0)
    return mean, values.std(axis=0, ddof=1) if len(values) > 1 else np.full_like(mean, np.nan)
