"""Blocks of a mask: how many are all kept or all pruned, against chance at the same fan-ins.

A block is a rectangle of consecutive rows and columns. The first begins with the first entry; where the size does not
divide, the entries after the last whole block belong to none. docs/science.md, "Groups and blocks".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import whole
from prunescope.mask import BoolArray, Mask
from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments
from prunescope.observables.shares import share_against

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

# Blocks, height in outputs and width in inputs, that are measured of every mask.
BLOCKS = ((1, 4), (4, 1), (4, 4), (8, 8), (16, 16), (32, 32))
# So many entries are counted at once, so that they stay in a second-level cache.
COUNTED_AT_ONCE = 1 << 19


def block_share(mask: Any, height: int, width: int) -> Scalar:
    """Return the share of blocks of ``height`` outputs by ``width`` inputs that are all kept or all pruned.

    mask: [n_out, n_in]. The null keeps each row's number of weights, in closed form. nan where not one block fits.
    docs/science.md, "Groups and blocks".
    """
    mask, height, width = Mask.of(mask), whole("height", height, 1), whole("width", width, 1)
    if height > mask.n_out or width > mask.n_in:
        return Scalar()
    histogram = block_histogram(mask.array, height, width)
    total = int(histogram.sum())
    if not total:
        return Scalar()
    value = float((histogram[0] + histogram[-1]) / total)
    return share_against(value, block_null(mask.fan_in, mask.n_in, height, width), total)


def block_histogram(array: BoolArray, height: int, width: int) -> Counts:
    """Count the blocks of an array [n_out, n_in] that keep 0 … height·width weights, int64."""
    down, across = len(array) // height, array.shape[1] // width
    size = height * width
    histogram = np.zeros(size + 1, np.int64)
    if down and across:
        at_once = max(1, COUNTED_AT_ONCE // (height * array.shape[1]))
        for start in range(0, down, at_once):
            rows = array[start * height : min(start + at_once, down) * height, : across * width]
            histogram += _counted(_block_counts(rows.view(np.uint8), height, width), size)
    return histogram


def _block_counts(entries: NDArray[np.uint8], height: int, width: int) -> NDArray[Any]:
    """Return the sum of each block of whole blocks, in the smallest type that holds it."""
    kind = np.min_scalar_type(height * width)
    # A sum of slices is several times faster than one over an axis of a few entries.
    down = entries[::height].astype(kind)
    for row in range(1, height):
        down += entries[row::height]
    both = down[:, ::width].copy()
    for column in range(1, width):
        both += down[:, column::width]
    return both


def _counted(counts: NDArray[Any], size: int) -> Counts:
    if size <= 16:
        return np.array([np.count_nonzero(counts == k) for k in range(size + 1)])
    return np.bincount(counts.ravel(), minlength=size + 1)


def block_null(fan_in: Counts, places: int, height: int, width: int) -> Moments:
    """Return the moments of the share of blocks all kept or all pruned, each row's kept weights at uniform positions.

    Probabilities are logarithms, relative to the largest: that all of 32 by 32 weights are kept is hardly a float64.
    """
    bands, per_band = len(fan_in) // height, places // width
    used = fan_in[: bands * height]
    kept, kept_pair = _log_all(used, places, height, width)
    pruned, pruned_pair = _log_all(places - used, places, height, width)
    likely = np.logaddexp(kept, pruned)  # ln of the probability of a block of each band
    scale = float(likely.max())
    if scale == -math.inf:
        return Moments(0.0, 0.0)
    alone = np.exp(likely - scale) * -np.expm1(np.minimum(0, likely))
    together = np.zeros(bands)
    if per_band > 1:
        # Two blocks of a band are both kept, both pruned, or one of each, the more often for the places that are left.
        step = np.arange(width, dtype=np.float64)
        apart = -height * np.log1p(-width / (places - step)).sum()
        pairs = _excess(2 * kept - scale, kept_pair) + _excess(2 * pruned - scale, pruned_pair)
        together = (per_band - 1) * (pairs + 2 * _excess(kept + pruned - scale, np.full(bands, apart)))
    variance = sum_of_variances(float(alone.sum()), float(together.sum())) / per_band
    sd = math.exp((scale + math.log(variance)) / 2) / bands if variance else 0.0
    return Moments(float(np.exp(likely).mean()), sd)


def sum_of_variances(alone: float, together: float) -> float:
    """Return alone + together, 0 where the two cancel but for rounding, as of a number that is fixed."""
    total = alone + together
    return total if total > 1e-12 * alone else 0.0


def _excess(product: Floats, ratio: Floats) -> Floats:
    """Return exp(product + ratio) - exp(product), exact where ``ratio`` is small and without overflow where not."""
    small = np.exp(product) * np.expm1(np.minimum(ratio, 1))
    return np.where(ratio < 1, small, np.exp(product + ratio) - np.exp(product))


def _log_all(counts: Counts, places: int, height: int, width: int) -> tuple[Floats, Floats]:
    """Return for each band of ``height`` rows ln p that a block keeps all, and ln of two blocks' probability over p²."""
    c = counts[:, np.newaxis].astype(np.float64)
    step = np.arange(width, dtype=np.float64)
    rows = np.where(c >= width, np.log(np.maximum(c - step, 1) / (places - step)), -np.inf).sum(1)
    pairs = np.full(counts.size, -np.inf)
    if places >= 2 * width:
        two = c[:, 0] >= 2 * width
        lost = width * (places - c[two]) / ((c[two] - step) * (places - width - step))
        pairs[two] = np.log1p(-lost).sum(1)
    in_bands = (-1, height)
    return rows.reshape(in_bands).sum(1), pairs.reshape(in_bands).sum(1)
