"""How unequally kept weights are spread over groups of equal size: kernel positions, heads, gates.

Two nulls, both in closed form: weights at uniform positions, and whole rows or columns dealt to the groups at random
(docs/science.md, "Equal groups").
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments, pair_variance_sum
from prunescope.observables.shares import share_against


def placed_variances(drawn: NDArray[np.int64], groups: int, slots: int) -> NDArray[np.float64]:
    """Return the expected Σ_g (h_g - C/G)² / (G - 1) of each unit, of which C weights lie anywhere in G groups.

    drawn: int [units], C; groups: G; slots: the places of each group. Returns float64 [units].
    """
    size = groups * slots
    kept = drawn.astype(np.float64)
    return kept * (size - kept) / max(1, size - 1) / groups


def spread_scalar(counts: NDArray[np.int64], slots: int) -> Scalar:
    """Return the variance over groups of their kept weights, divided by that of weights at uniform positions.

    counts: int [units, groups], kept weights of each unit in each group; slots: the places of a unit in a group. Under
    the null each unit keeps its number of weights, anywhere in its groups. 1 is chance; mean and sd are exact. nan where
    no unit could keep its weights elsewhere.
    """
    groups = counts.shape[1]
    drawn = counts.sum(axis=1)
    variance = placed_variances(drawn, groups, slots)
    expected = float(variance.sum()) * (groups - 1)
    if expected <= 0:
        return Scalar()
    total = counts.sum(axis=0)
    value = float(np.square(total - total.mean()).sum()) / expected
    return Scalar.exactly(
        value, Moments(1.0, math.sqrt(_spread_variance(drawn, variance, groups, slots)) / expected)
    )


def spread_within_scalar(counts: NDArray[np.int64], slots: int) -> Scalar:
    """Return the variance over groups within each unit, summed over units, divided by that of uniform positions.

    counts, slots: as for ``spread_scalar``, and so is the null. Deviations of different units do not cancel here: the
    units are parts of a layer, whose groups do not belong together. docs/science.md, "Equal groups".
    """
    groups = counts.shape[1]
    drawn = counts.sum(axis=1)
    expected = float(placed_variances(drawn, groups, slots).sum()) * (groups - 1)
    if expected <= 0:
        return Scalar()
    value = float(np.square(counts - drawn[:, np.newaxis] / groups).sum()) / expected
    own = max(0.0, pair_variance_sum(drawn, groups * slots, slots - 1))
    return Scalar.exactly(value, Moments(1.0, math.sqrt(own) / expected))


def _spread_variance(
    drawn: NDArray[np.int64], variance: NDArray[np.float64], groups: int, slots: int
) -> float:
    """Return the variance of Σ_g (N_g - N/G)²: of each unit's own part, and of the products of any two units."""
    own = pair_variance_sum(drawn, groups * slots, slots - 1)
    return max(0.0, own) + cross_variance(variance, groups)


def cross_variance(variance: NDArray[np.float64], groups: int) -> float:
    """Return the variance of Σ_{j≠k} d_j · d_k for independent vectors whose entries are exchangeable and sum to 0.

    variance: [units], E|d_j|² / (groups - 1); groups: the length of the vectors.
    """
    return 2.0 * (groups - 1) * float(variance.sum() ** 2 - np.square(variance).sum())


def share_scalar(counts: NDArray[np.int64], slots: int, group: int) -> Scalar:
    """Return the kept weights of one group over those that it has by chance, under the null of ``spread_scalar``."""
    groups, total = counts.shape[1], int(counts.sum())
    if total == 0:
        return Scalar()
    variance = float(placed_variances(counts.sum(axis=1), groups, slots).sum()) * (1 - 1 / groups)
    expected = total / groups
    return Scalar.exactly(
        float(counts[:, group].sum()) / expected, Moments(1.0, math.sqrt(variance) / expected)
    )


def dealt_scalar(lines: NDArray[np.int64]) -> Scalar:
    """Return the variance over groups of their kept weights, divided by that where lines are dealt to groups at random.

    lines: int [parts, groups, size], the kept weights of each row or column; lines are dealt anew within each part. 1 is
    chance; mean and sd are exact (moments of permutations). nan where all lines of every part keep equally many.
    """
    parts, groups, size = lines.shape
    number = groups * size
    if number < 2 or groups < 2:
        return Scalar()
    centred = lines.reshape(parts, number) - lines.reshape(parts, number).mean(axis=1, keepdims=True)
    second, fourth = (np.power(centred, power).sum(axis=1) for power in (2, 4))
    found = float(np.square(centred.reshape(lines.shape).sum(axis=2)).sum())
    # Σ_g (Σ x)² is Σ x² and the sum over the ordered pairs of lines that share a group.
    pairs, degree = number * (size - 1), size - 1
    expected = float(second.sum()) * (1 - pairs / math.perm(number, 2))
    variance = (
        2 * pairs * (second**2 - fourth) / math.perm(number, 2)
        + _share(4 * (number * degree**2 - pairs) * (2 * fourth - second**2), number, 3)
        + _share((pairs**2 - 4 * number * degree**2 + 2 * pairs) * (3 * second**2 - 6 * fourth), number, 4)
        - (pairs * second / math.perm(number, 2)) ** 2
    )
    if expected <= 1e-9:
        return Scalar()
    return Scalar.exactly(
        found / expected, Moments(1.0, math.sqrt(max(0.0, float(variance.sum()))) / expected)
    )


def _share(total: NDArray[np.float64], number: int, order: int) -> NDArray[np.float64]:
    """Return a sum over ordered tuples of different lines as its mean; 0 where there are too few lines."""
    return total / math.perm(number, order) if number >= order else np.zeros_like(total)


def dead_groups(counts: NDArray[np.int64], slots: int) -> Scalar:
    """Return the share of groups without a kept weight, against each unit's weights anywhere in its groups.

    counts: int [units, groups]; a group of a unit is one thing. Mean and sd are exact, the sd at least one group.
    """
    units, groups = counts.shape
    size = groups * slots
    mean = variance = 0.0
    for kept in counts.sum(axis=1):
        alone, both = (_empty(int(kept), size, k * slots) for k in (1, 2))
        mean += groups * alone
        variance += groups * alone * (1 - alone) + groups * (groups - 1) * (both - alone**2)
    null = Moments(mean / (units * groups), math.sqrt(max(0.0, variance)) / (units * groups))
    return share_against(float((counts == 0).mean()), null, units * groups)


def _empty(kept: int, size: int, places: int) -> float:
    """Return the probability that none of ``kept`` weights among ``size`` places lies in ``places`` given ones."""
    if size - kept < places:
        return 0.0
    log = math.lgamma(size - kept + 1) - math.lgamma(size - kept - places + 1)
    return math.exp(min(0.0, log - math.lgamma(size + 1) + math.lgamma(size - places + 1)))
