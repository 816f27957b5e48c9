"""Distributions of the number of kept weights on one line of a mask, and what they say of many lines together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.observables.null_moments import Moments

# A distribution is computed as far as this many sds and this many counts from its mean: by Bernstein's inequality
# less than 1e-25 lies beyond.
REACH_IN_SDS, REACH = 12, 40


@dataclass(frozen=True, eq=False)
class CountDistribution:
    """The distribution of a line's count: ``probability[k]`` is that of ``first`` + k, float64."""

    first: int
    probability: NDArray[np.float64]

    @property
    def values(self) -> NDArray[np.float64]:
        """The counts that have a probability."""
        return self.first + np.arange(self.probability.size, dtype=np.float64)

    @property
    def mean(self) -> float:
        """The mean count."""
        return float(self.values @ self.probability)

    @property
    def variance(self) -> float:
        """The variance of the count."""
        return float(np.square(self.values - self.mean) @ self.probability)

    def quantile(self, share: float) -> int:
        """Return the smallest count with at least this share of the distribution at or below it."""
        # Rounding must not turn a probability of exactly the share into less.
        reached = np.cumsum(self.probability) >= share - 1e-12
        return self.first + int(np.argmax(reached))

    def share_beyond(self, count: int, lines: int) -> Moments:
        """Return the moments of the share of ``lines`` whose count is above ``count``, where their sum is fixed.

        The mean is exact. The variance is that of independent lines less what the fixed sum takes away, to leading
        order in 1/lines (Holst 1979).
        """
        above = self.values > count
        p = float(self.probability[above].sum())
        deviation = self.values - self.mean
        common = float(deviation[above] @ self.probability[above])
        variance = self.variance
        explained = common**2 / variance if variance > 0 else 0.0
        return Moments(p, math.sqrt(max(0.0, p * (1 - p) - explained) / lines))

    def largest_of(self, lines: int) -> Moments:
        """Return the moments of the largest count of ``lines`` whose sum is fixed.

        The representation of Levin (1981) for independent lines given their sum, in which the probability of a sum
        is taken as that of a normal variable.
        """
        variance = self.variance
        if lines < 2 or variance <= 0:
            return Moments(self.mean, 0.0)
        deviation = self.values - self.mean
        # Given their sum lines vary less than they would alone: this is what they would have alone.
        alone = self.probability * np.exp(np.minimum(1, np.square(deviation) / (2 * lines * variance)))
        alone /= alone.sum()
        below = np.cumsum(alone)
        possible = (deviation >= 0) & (below > 0)  # the largest is at least the mean
        log = np.where(possible, lines * np.log(np.where(possible, np.minimum(1, below), 1)), -np.inf)
        of_sum = _log_of_sum(lines, deviation, alone)
        log += of_sum - of_sum[-1]
        at_most = np.maximum.accumulate(np.exp(np.minimum(0, log)))
        chance = np.diff(at_most, prepend=0)
        chance[-1] += 1 - at_most[-1]
        mean = float(deviation @ chance)
        return Moments(self.mean + mean, math.sqrt(max(0.0, float(np.square(deviation - mean) @ chance))))


def _log_of_sum(
    lines: int, deviation: NDArray[np.float64], probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ln of the normal density at 0 of the sum of ``lines`` deviations up to each, but for a constant."""
    cumulated = np.maximum(np.cumsum(probability), 1e-300)
    shift = np.cumsum(deviation * probability) / cumulated
    spread = np.cumsum(np.square(deviation) * probability) / cumulated - np.square(shift)
    possible = spread > 1e-12
    spread = np.where(possible, spread, 1)
    return np.where(possible, -0.5 * np.log(spread) - lines * np.square(shift) / (2 * spread), -np.inf)


def hypergeometric(size: int, kept: int, places: int) -> CountDistribution:
    """Return the distribution of how many of ``kept`` weights, anywhere among ``size``, lie on ``places`` of them."""
    from scipy.special import gammaln  # slow to import

    share = kept / size
    mean, variance = places * share, places * share * (1 - share)
    lowest, highest = max(0, places - (size - kept)), min(places, kept)
    first, last = _window(mean, variance, lowest, highest)
    k = np.arange(first, last + 1, dtype=np.float64)

    def choose(n: float, r: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gammaln(n + 1) - gammaln(r + 1) - gammaln(n - r + 1))

    log = choose(places, k) + choose(size - places, kept - k)
    probability = np.exp(log - log.max())
    return CountDistribution(first, probability / probability.sum())


def independent(shares: NDArray[np.float64]) -> CountDistribution:
    """Return the distribution of a sum of independent numbers that are 1 with the probabilities ``shares``, else 0.

    From its characteristic function at as many frequencies as there are counts in reach of the mean.
    """
    values, counts = np.unique(shares, return_counts=True)
    always = int(counts[values >= 1].sum())
    some = (values > 0) & (values < 1)
    values, counts = values[some], counts[some].astype(np.float64)
    mean, variance = float(counts @ values), float(counts @ (values * (1 - values)))
    first, last = _window(mean, variance, 0, int(counts.sum()))
    length = last - first + 1
    turn = np.exp(-2j * np.pi / length * np.arange(length // 2 + 1)) - 1
    log = np.zeros(turn.size, np.complex128)
    with np.errstate(divide="ignore"):  # log 0, at half a turn and a probability of a half
        for start in range(0, values.size, 64):
            part = slice(start, start + 64)
            log += counts[part] @ np.log1p(values[part, np.newaxis] * turn)
    probability = np.roll(np.fft.irfft(np.exp(log), length), -(first % length))
    probability = np.maximum(probability, 0)
    return CountDistribution(first + always, probability / probability.sum())


def _window(mean: float, variance: float, lowest: int, highest: int) -> tuple[int, int]:
    """Return the first and the last count of those that are in reach of the mean."""
    reach = REACH_IN_SDS * math.sqrt(variance) + REACH
    return max(lowest, math.floor(mean - reach)), min(highest, math.ceil(mean + reach))
