"""Spearman's rank correlation of two numbers of each thing, such as a layer or a token, against any order of the things."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments

# A rank correlation of fewer things says nothing.
FEWEST = 3


def rank_correlation(one: NDArray[Any], other: NDArray[Any]) -> Scalar:
    """Return Spearman's correlation of two numbers of each thing, [things], ties at their mean rank.

    Over all permutations of n things its mean is 0 and its sd exactly 1/√(n - 1). nan for fewer than three things, and
    where one of the two numbers does not vary.
    """
    if len(one) < FEWEST:
        return Scalar()
    ranks = [_ranks(values) - (len(one) + 1) / 2 for values in (one, other)]
    scale = math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))
    if not scale:
        return Scalar()
    return Scalar.exactly(float(ranks[0] @ ranks[1]) / scale, Moments(0.0, 1 / math.sqrt(len(one) - 1)))


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the ranks 1 … n of values, the mean of their ranks for those that are equal to 12 digits."""
    # Densities that a formula gives to equal layers may differ in their last digits.
    scale = float(np.abs(values).max()) or 1.0
    _, place, count = np.unique(np.round(values / scale, 12), return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]
