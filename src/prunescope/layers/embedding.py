"""What is measured of embeddings beside their margins: whether a token's number tells how much of it is kept."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from prunescope.layers.fitted import Arrays
from prunescope.layers.kinds import LayerMask
from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments


def embedding_fit(layer: LayerMask) -> tuple[dict[str, Scalar], Arrays]:
    """Return the scalars of a table of embeddings, rows of tokens and columns of dimensions.

    Kept rows and columns are the fan-ins and fan-outs that every layer has.
    """
    return {"token_order": rank_correlation(layer.mask.fan_in)}, {}


def rank_correlation(counts: NDArray[np.int64]) -> Scalar:
    """Return Spearman's rank correlation of counts with their places, against any order of them.

    Equal counts share the mean of their ranks. Under the null the mean is 0 and the sd 1/√(n - 1), exactly.
    """
    number = counts.size
    distinct, where, times = np.unique(counts, return_inverse=True, return_counts=True)
    if distinct.size < 2:
        return Scalar()
    ranks = (np.cumsum(times) - (times - 1) / 2)[where.ravel()]
    places = np.arange(number, dtype=np.float64)
    value = float(np.corrcoef(places, ranks)[0, 1])
    return Scalar.exactly(value, Moments(0.0, 1 / math.sqrt(number - 1)))
