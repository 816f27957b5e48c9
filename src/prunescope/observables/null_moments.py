"""Means and variances of numbers of random masks in closed form, from exact sums of integers (docs/science.md, "z").

They rest on two facts. If k of n points are drawn without repetition, any r given points are all drawn with the
probability k⁽ʳ⁾/n⁽ʳ⁾, where x⁽ʳ⁾ = x(x-1)…(x-r+1). And k⁽ᵃ⁾k⁽ᵇ⁾ is a sum of k⁽ᶜ⁾ again, so that every moment of a number
of pairs is a sum over units of such products of their fan-ins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import ImageShape
from prunescope.observables.locality import rings

# A sum over units of Σ_r a_r C_j⁽ʳ⁾, as the coefficients a_r by r.
Polynomial = Mapping[int, Fraction]
# Ratios of numbers of pairs have no sd where fewer pairs than this are expected: often there would be none at all.
FEWEST_PAIRS = 5


@dataclass(frozen=True)
class Moments:
    """The mean and the standard deviation of a number under its null; nan where it is not defined."""

    mean: float = math.nan
    sd: float = math.nan


def fan_in_ratio_null(n_out: int, n_in: int, kept: int) -> Moments:
    """Return the moments of ``fan_in_variance_ratio`` when the kept weights lie anywhere in the layer.

    n_out, n_in: size of the layer; kept: its number of kept weights. Exact. nan for an empty or a dense layer.
    """
    size = n_out * n_in
    if not 0 < kept < size:
        return Moments()
    one = {r: Fraction(math.perm(n_in, r)) * _drawn(r, kept, size) for r in (2, 3, 4)}
    two = Fraction(math.perm(n_in, 2) ** 2) * _drawn(4, kept, size)
    pairs = n_out * one[2]
    variance = n_out * (one[4] + 4 * one[3] + 2 * one[2]) + n_out * (n_out - 1) * two - pairs**2
    binomial = Fraction(kept, n_out) * (1 - Fraction(kept, size))
    mean = Fraction((n_out - 1) * n_in, size - 1)
    return Moments(float(mean), math.sqrt(variance) / float(n_out * binomial))


def participation_null(fan_in: NDArray[np.int64]) -> Moments:
    """Return the moments of the mean ``scaled_participation`` of units [n_out] whose weights are independent normals.

    Exact: the weights of a unit, divided by their norm, are uniform on a sphere. nan where no unit has a connection.
    """
    c = fan_in[fan_in > 0].astype(np.float64)
    if c.size == 0:
        return Moments()
    variance = 24 * c**2 * (c - 1) / ((c + 2) ** 2 * (c + 4) * (c + 6))
    return Moments(float((3 * c / (c + 2)).mean()), math.sqrt(variance.sum()) / c.size)


def locality_null(fan_in: Any, shape: ImageShape, reach: int) -> Moments:
    """Return the moments of ``locality_index`` when each unit's connections lie at uniform positions.

    fan_in: int [n_out]; shape: (C, H, W); reach: the largest |d|∞ of near pairs. The mean is exactly 1. With one
    channel the number of pairs is fixed and the sd is exact. With several it varies, and the sd is that to second
    order in its relative spread; it is nan where fewer than five same-channel pairs are expected.
    """
    channels, height, width = shape
    points, size = height * width, channels * height * width
    sums = _falling_sums(fan_in, 6)
    degree = np.outer(_within(height, reach), _within(width, reach)) - 1
    near = int(degree.sum())
    pairs = channels * _share(2, points, size) * sums[2]  # expected same-channel pairs of all units, ordered
    if not near or not pairs:
        return Moments()
    own = _pair_variance(points, near, int(np.square(degree).sum()))
    # Within a channel that holds k of a unit's inputs, near pairs have the variance Σ_r own_r k⁽ʳ⁾.
    spread = channels * _value({r: own[r] * _share(r, points, size) for r in own}, sums)
    count = {2: Fraction(1)}
    relative_square = _covariance(count, shape, sums) / pairs**2
    if channels > 1 and pairs < 2 * FEWEST_PAIRS:
        return Moments(1.0)
    correction = Fraction(1)
    if spread:
        correction += 3 * relative_square - 2 * _covariance(own, shape, sums) / (spread * pairs)
    expected = Fraction(near, math.perm(points, 2))
    return Moments(1.0, math.sqrt(max(Fraction(0), spread * correction)) / float(pairs * expected))


def radial_null_sd(fan_in: Any, shape: ImageShape) -> NDArray[np.float64]:
    """Return the sd of ``radial_profile`` of S_sc over ``uniform_null`` for masks at uniform positions; its mean is 1.

    fan_in: int [n_out], of several masks one after another where their pairs are summed; shape: (C, H, W). Returns
    float64 [rings], indexed by the ring; nan where nothing is expected. Exact.
    """
    channels, height, width = shape
    size = channels * height * width
    sums = _falling_sums(fan_in, 4)
    result = np.full(len(_ring_degrees(height, width)), np.nan)
    for ring, (pairs, squares) in enumerate(_ring_degrees(height, width)):
        expected = channels * pairs * _drawn_sum(2, sums, size)
        if expected:
            variance = _value(_pair_variance(size, channels * pairs, channels * squares), sums)
            result[ring] = math.sqrt(variance) / float(expected)
    return result


def pair_variance_sum(drawn: Any, points: int, partners: int) -> float:
    """Return the variance of the number of ordered pairs of drawn points that are partners, summed over units.

    drawn: int [units], how many of ``points`` points each unit draws without repetition; partners: the number of points
    with which each point forms a pair, the same for all. Exact.
    """
    one = _pair_variance(points, points * partners, points * partners**2)
    return float(_value(one, _falling_sums(drawn, 4)))


def _pair_variance(points: int, pairs: int, squares: int) -> dict[int, Fraction]:
    """Return the variance of the number of pairs of a given kind among k of ``points`` points, Σ_r a_r k⁽ʳ⁾.

    pairs: the number of ordered pairs of the kind among all points; squares: the sum over points of the square of the
    number of points with which each forms such a pair. Two pairs have both points, one or none in common.
    """
    mean = _over(pairs, math.perm(points, 2)) ** 2
    return {
        2: _over(2 * pairs, math.perm(points, 2)) - 2 * mean,
        3: _over(4 * (squares - pairs), math.perm(points, 3)) - 4 * mean,
        4: _over(pairs**2 - 4 * squares + 2 * pairs, math.perm(points, 4)) - mean,
    }


def _covariance(first: Polynomial, shape: ImageShape, sums: list[int]) -> Fraction:
    """Return the covariance of Σ_jc Σ_r a_r k⁽ʳ⁾ with the number of same-channel pairs Σ_jc k⁽²⁾, summed over units.

    k is the number of inputs of unit j in channel c, and a_r are the coefficients ``first``.
    """
    channels, height, width = shape
    points, size = height * width, channels * height * width
    total = Fraction(0)
    for r, factor in first.items():
        product = {r: Fraction(r * (r - 1)), r + 1: Fraction(2 * r), r + 2: Fraction(1)}  # k⁽ʳ⁾k⁽²⁾
        within = {s: product[s] * _share(s, points, size) for s in product}
        across = _over(math.perm(points, r) * math.perm(points, 2), math.perm(size, r + 2))
        apart = channels**2 * _share(r, points, size) * _share(2, points, size)
        total += factor * channels * _value(within, sums)
        total += factor * channels * (channels - 1) * across * sums[r + 2]
        total -= factor * apart * _value(product, sums)
    return total


def _falling_sums(fan_in: Any, order: int) -> list[int]:
    """Return Σ_j C_j⁽ʳ⁾ for r = 0 … ``order``."""
    values, counts = np.unique(np.asarray(fan_in, dtype=np.int64), return_counts=True)
    pairs = [(int(value), int(count)) for value, count in zip(values, counts, strict=True)]
    return [sum(count * math.perm(value, r) for value, count in pairs) for r in range(order + 1)]


def _value(polynomial: Polynomial, sums: list[int]) -> Fraction:
    return sum((factor * sums[r] for r, factor in polynomial.items()), Fraction(0))


def _drawn(r: int, kept: int, size: int) -> Fraction:
    """Return the probability that ``kept`` of ``size`` points, drawn without repetition, hold r given ones."""
    return _over(math.perm(kept, r), math.perm(size, r))


def _drawn_sum(r: int, sums: list[int], size: int) -> Fraction:
    return _over(sums[r], math.perm(size, r))


def _share(r: int, points: int, size: int) -> Fraction:
    """Return E k⁽ʳ⁾ / C⁽ʳ⁾ of the number k of C drawn points that lie among ``points`` of ``size``."""
    return _over(math.perm(points, r), math.perm(size, r))


def _over(numerator: int, denominator: int) -> Fraction:
    """Return the quotient, 0 where there are too few points for either."""
    return Fraction(numerator, denominator) if denominator else Fraction(0)


def _within(size: int, reach: int) -> NDArray[np.int64]:
    """Count the places of a line of this size that lie at most ``reach`` from each place."""
    place = np.arange(size)
    return np.minimum(place + reach, size - 1) - np.maximum(place - reach, 0) + 1


@lru_cache(maxsize=8)
def _ring_degrees(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return for each ring the ordered pairs of pixels in it, and the sum of squares of each pixel's number of them."""
    dy, dx = np.mgrid[-(height - 1) : height, -(width - 1) : width]
    ring = rings(*dy.shape)
    # The pixels that have another one at d fill a rectangle; the sums of the marks at its corners fill it in.
    top, bottom = np.maximum(0, -dy), height - np.maximum(0, dy)
    left, right = np.maximum(0, -dx), width - np.maximum(0, dx)
    corners = ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1))
    order = np.argsort(ring, axis=None)
    starts = np.searchsorted(ring.ravel()[order], np.arange(ring.max() + 2))
    result = [(0, 0)]  # a pixel makes no pair with itself
    # One ring after the other, since those of a large image would not fit into memory together.
    for start, end in pairwise(starts[1:]):
        inside = order[start:end]
        marks = np.zeros((height + 1, width + 1), np.int64)
        for y, x, sign in corners:
            np.add.at(marks, (y.ravel()[inside], x.ravel()[inside]), sign)
        degree = marks.cumsum(axis=0).cumsum(axis=1)
        result.append((int(degree.sum()), int(np.square(degree).sum())))
    return tuple(result)
