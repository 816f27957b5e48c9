"""S(d): how often two inputs of one node lie at displacement d, and what chance would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import ImageShape, Mask
from prunescope.observables.pair_counts import count_pairs, transformed_pairs


@dataclass(frozen=True, eq=False)
class Locality:
    """S_sc and S_dc: ordered pairs i ≠ i' of inputs of one node, by displacement, summed over nodes.

    Both arrays are [2H-1, 2W-1], indexed [dy+H-1, dx+W-1] with d = (x'-x, y'-y): int64 when they
    count a mask's pairs, float64 when they hold a null's expectation. ``same`` is 0 at d = 0.
    """

    same: NDArray[Any]
    different: NDArray[Any]


def locality(mask: Any, shape: ImageShape, *, nodes: Any = None) -> Locality:
    """S_sc(d) and S_dc(d) of a first-layer mask: exact, over all displacements.

    mask: [n_out, C·H·W]; shape: (C, H, W), of a series (C, 1, W); nodes: indices or a bool selection
    of the rows to sum over, default all. Returns int64 counts of ordered pairs. Raises ValueError unless
    C·H·W = n_in. Paper Section 3, Fig. 2.
    """
    mask = Mask.of(mask)
    chosen = np.arange(mask.n_out)
    if nodes is not None:
        rows = np.atleast_1d(nodes)
        chosen = chosen[rows if rows.dtype == np.bool_ else rows.astype(np.int64)]
    mask.images(shape)  # refuses a shape that does not fit
    return Locality(*count_pairs(mask.array[chosen], shape))


def uniform_null(fan_in: Any, shape: ImageShape) -> Locality:
    """E S(d) when each node's connections lie anywhere with equal probability.

    fan_in: int [n_out]; shape: (C, H, W). Returns float64 expectations, whose sum is the number of
    ordered pairs ΣC_j(C_j-1). SCIENCE §3.
    """
    channels, height, width = shape
    n_in = channels * height * width
    overlap = np.outer(_overlap(height), _overlap(width)) * _pair_density(fan_in, n_in)
    same = channels * overlap
    same[height - 1, width - 1] = 0.0
    return Locality(same, channels * (channels - 1) * overlap)


def inhomogeneous_null(mask: Any, shape: ImageShape) -> Locality:
    """E S(d) when connections favour the pixels that many nodes keep, independently of each other.

    A pair i ≠ i' weighs q_i·q_i' with q ∝ C_out,0, and all pairs together give ΣC_j(C_j-1). It takes
    the bias towards the centre out of g(d). mask: [n_out, C·H·W]; shape: (C, H, W). Returns
    float64 expectations. Raises ValueError unless C·H·W = n_in. SCIENCE §3.
    """
    mask = Mask.of(mask)
    fan_out = mask.images(shape).sum(axis=0, dtype=np.int64)
    same, different = transformed_pairs(fan_out[np.newaxis])  # fan-outs are integers: exact too
    total = same.sum() + different.sum()
    scale = _ordered_pairs(mask.fan_in) / total if total else 0.0
    return Locality(same * scale, different * scale)


def relative_density(counts: NDArray[Any], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """g(d) = S(d) / E S(d): 1 is chance.

    counts, expected: ``same`` or ``different`` of a mask and of its null, [2H-1, 2W-1]. Returns float64
    of that shape, nan where nothing is expected. Raises InputError when the shapes differ.
    """
    if counts.shape != expected.shape:
        raise InputError(f"S(d) has shape {counts.shape}, but its null has {expected.shape}")
    result = np.full(counts.shape, np.nan)
    np.divide(counts, expected, out=result, where=expected > 0)
    return result


def radial_profile(counts: NDArray[Any], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """g as a function of the distance alone: summed S over summed E S in each ring.

    Ring r holds the displacements with r - 1/2 ≤ |d| < r + 1/2 pixels. counts, expected: [2H-1, 2W-1].
    Returns float64 [rings], indexed by r from 0, nan where nothing is expected (ring 0 of S_sc).
    Raises InputError when the shapes differ.
    """
    if counts.shape != expected.shape:
        raise InputError(f"S(d) has shape {counts.shape}, but its null has {expected.shape}")
    ring = rings(*counts.shape).ravel()
    found, awaited = (np.bincount(ring, array.ravel()).astype(np.float64) for array in (counts, expected))
    return relative_density(found, awaited)


def mirror_symmetry(mask: Any, shape: ImageShape) -> float:
    """How often a node keeps both an input and its mirror image, left to right, over how often by chance.

    mask: [n_out, C·H·W]; shape: (C, H, W). 1 is chance: each node's connections anywhere (uniform_null); nan where
    no such pair is expected. Networks trained on mirrored images keep such pairs, which draw a line along dy = 0
    into S_sc, at every second dx. Raises ValueError unless C·H·W = n_in.
    """
    mask = Mask.of(mask)
    images = mask.images(shape)
    channels, height, width = shape
    columns = np.arange(width)
    columns = columns[2 * columns != width - 1]  # without the middle one, its own image
    found = np.count_nonzero(images[..., columns] & images[..., width - 1 - columns])
    expected = _pair_density(mask.fan_in, mask.n_in) * channels * height * columns.size
    return found / expected if expected else float("nan")


def rings(rows: int, columns: int) -> NDArray[np.int64]:
    """The ring |d| rounded to an integer of each entry of an S(d) array [rows, columns]."""
    dy, dx = np.arange(rows) - rows // 2, np.arange(columns) - columns // 2
    return np.floor(np.hypot(dy[:, np.newaxis], dx) + 0.5).astype(np.int64)


def _ordered_pairs(fan_in: Any) -> float:
    connections = np.asarray(fan_in, dtype=np.float64)
    return float((connections * (connections - 1)).sum())


def _pair_density(fan_in: Any, n_in: int) -> float:
    """The number of nodes expected to keep both inputs of a pair, at uniform positions."""
    return _ordered_pairs(fan_in) / (n_in * (n_in - 1)) if n_in > 1 else 0.0


def _overlap(size: int) -> NDArray[np.float64]:
    """How many pixel pairs of a line of this size lie at displacement -(size-1) … size-1."""
    return size - np.abs(np.arange(-(size - 1), size, dtype=np.float64))
