"""S(d), the number of pairs of inputs of one node at displacement d, and its expectation under two nulls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import indices, instance, said
from prunescope.errors import InputError
from prunescope.mask import ImageShape, Mask, image_shape
from prunescope.observables.arrays import as_array
from prunescope.observables.pair_counts import count_pairs, transformed_pairs


@dataclass(frozen=True, eq=False)
class Locality:
    """The numbers of ordered pairs i ≠ i' of inputs of one node by displacement, summed over nodes.

    ``same`` is S_sc, of pairs in the same channel, ``different`` is S_dc, of pairs in different channels.

    Both arrays are [2H-1, 2W-1], indexed [dy+H-1, dx+W-1] with d = (x'-x, y'-y): int64 when they
    count a mask's pairs, float64 when they hold a null's expectation. ``same`` is 0 at d = 0.
    """

    same: NDArray[Any]
    different: NDArray[Any]


def locality(mask: Any, shape: ImageShape, *, nodes: Any = None) -> Locality:
    """Count the pairs S_sc(d) and S_dc(d) of a first-layer mask exactly, for all displacements.

    mask: [n_out, C·H·W]; shape: (C, H, W), of a series (C, 1, W); nodes: indices or a bool selection
    of the rows to sum over, default all. Returns int64 counts of ordered pairs. Raises InputError unless
    C·H·W = n_in. Paper, Section 3 and Fig. 2; docs/science.md, "Locality".
    """
    mask = Mask.of(mask)
    chosen = np.arange(mask.n_out) if nodes is None else indices("nodes", nodes, mask.n_out)
    shape = image_shape(shape)
    mask.images(shape)  # raises for a shape that does not fit
    return Locality(*count_pairs(mask.array[chosen], shape))


def same_channel_pairs(mask: Mask, shape: ImageShape) -> NDArray[np.int64]:
    """Count S_sc(d) alone, which takes less time than ``locality``: each channel of a node counts as a node."""
    channels, height, width = shape = image_shape(shape)
    mask.images(shape)  # raises for a shape that does not fit
    return count_pairs(mask.array.reshape(mask.n_out * channels, height * width), (1, height, width))[0]


def uniform_null(fan_in: Any, shape: ImageShape) -> Locality:
    """Return the expected S(d) when each node's connections lie at uniform positions.

    fan_in: int [n_out]; shape: (C, H, W). Returns float64 expectations, whose sum is the number of
    ordered pairs ΣC_j(C_j-1). docs/science.md, "Uniform null".
    """
    channels, height, width = shape = image_shape(shape)
    n_in = channels * height * width
    fan_in = fan_ins(fan_in, n_in)
    overlap = np.outer(_overlap(height), _overlap(width)) * _pair_density(fan_in, n_in)
    same = channels * overlap
    same[height - 1, width - 1] = 0.0
    return Locality(same, channels * (channels - 1) * overlap)


def inhomogeneous_null(mask: Any, shape: ImageShape) -> Locality:
    """Return the expected S(d) when each connection independently favours the pixels that many nodes keep.

    A pair i ≠ i' has the weight q_i·q_i' with q ∝ C_out,0, and all pairs together give ΣC_j(C_j-1). Divided by this
    null, g(d) no longer contains the bias towards the centre of the image.

    mask: [n_out, C·H·W]; shape: (C, H, W). Returns
    float64 expectations. Raises InputError unless C·H·W = n_in. docs/science.md, "Inhomogeneous null".
    """
    mask = Mask.of(mask)
    shape = image_shape(shape)
    fan_out = mask.images(shape).sum(axis=0, dtype=np.int64)
    same, different = transformed_pairs(fan_out[np.newaxis])  # exact too, because fan-outs are integers
    total = same.sum() + different.sum()
    scale = _ordered_pairs(mask.fan_in) / total if total else 0.0
    return Locality(same * scale, different * scale)


def relative_density(counts: NDArray[Any], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the relative density g(d) = S(d) / E S(d), which is 1 by chance.

    counts, expected: ``same`` or ``different`` of a mask and of its null, [2H-1, 2W-1]. Returns float64
    of that shape, nan where nothing is expected. Raises InputError when the shapes differ. docs/science.md,
    "Relative density".
    """
    counts, expected = _same_shape(counts, expected)
    result = np.full(counts.shape, np.nan)
    np.divide(counts, expected, out=result, where=expected > 0)
    return result


def radial_profile(counts: NDArray[Any], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return g as a function of the distance alone: the sum of S over the sum of E S in each ring.

    Ring r holds the displacements with r - 1/2 ≤ |d| < r + 1/2 pixels. counts, expected: [2H-1, 2W-1].
    Returns float64 [rings], indexed by r from 0, nan where nothing is expected (ring 0 of S_sc).
    Raises InputError when the shapes differ.
    """
    counts, expected = _same_shape(counts, expected)
    if counts.ndim != 2:
        raise InputError(f"S(d) must have 2 axes [2H-1, 2W-1], got shape {counts.shape}")
    ring = rings(*counts.shape).ravel()
    found, awaited = (np.bincount(ring, array.ravel()).astype(np.float64) for array in (counts, expected))
    return relative_density(found, awaited)


def mirror_symmetry(mask: Any, shape: ImageShape) -> float:
    """Return how often nodes keep both an input and its left-right mirror image, relative to chance.

    mask: [n_out, C·H·W]; shape: (C, H, W). The value is 1 for connections at uniform positions (``uniform_null``) and
    nan where no such pair is expected. Networks trained on mirrored images keep such pairs, which show in S_sc as a
    line along dy = 0, at every second dx. Raises InputError unless C·H·W = n_in.
    """
    mask = Mask.of(mask)
    channels, height, width = shape = image_shape(shape)
    images = mask.images(shape)
    columns = np.arange(width)
    columns = columns[2 * columns != width - 1]  # the middle column is its own mirror image
    found = np.count_nonzero(images[..., columns] & images[..., width - 1 - columns])
    expected = _pair_density(mask.fan_in, mask.n_in) * channels * height * columns.size
    return found / expected if expected else float("nan")


def rings(rows: int, columns: int) -> NDArray[np.int64]:
    """Return the ring, |d| rounded to an integer, of each entry of an S(d) array [rows, columns]."""
    dy, dx = np.arange(rows) - rows // 2, np.arange(columns) - columns // 2
    return np.floor(np.hypot(dy[:, np.newaxis], dx) + 0.5).astype(np.int64)


def check_localities(counts: object, null: object) -> None:
    """Raise InputError where S(d) of a mask and of its null are no Locality, or those of images of different shapes."""
    instance("counts", counts, Locality, "what locality() returns")
    instance("null", null, Locality, "what uniform_null() returns")
    assert isinstance(counts, Locality)
    assert isinstance(null, Locality)
    _same_shape(counts.same, null.same)


def _same_shape(counts: Any, expected: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return S(d) and its null as arrays; raise InputError where their shapes differ, or they are no numbers."""
    counts, expected = as_array(counts, "S(d)"), as_array(expected, "the null of S(d)")
    if counts.shape != expected.shape:
        raise InputError(f"S(d) has shape {counts.shape}, but its null has {expected.shape}")
    return counts, expected


def fan_ins(given: Any, n_in: int | None = None) -> NDArray[np.int64]:
    """Return fan-ins as int64 [n_out]; raise InputError for what are no whole numbers of 0 to ``n_in``."""
    array = as_array(given, "fan_in")
    largest = np.inf if n_in is None else n_in
    right = array.ndim == 1 and array.dtype != np.bool_
    if not right or (array != np.floor(array)).any() or not ((array >= 0) & (array <= largest)).all():
        about = "0 or more" if n_in is None else f"0 to {n_in}"
        raise InputError(f"fan_in must be whole numbers [n_out] of {about}, got {said(given)}")
    return array.astype(np.int64)


def _ordered_pairs(fan_in: Any) -> float:
    connections = np.asarray(fan_in, dtype=np.float64)
    return float((connections * (connections - 1)).sum())


def _pair_density(fan_in: Any, n_in: int) -> float:
    """Return the number of nodes expected to keep both inputs of a pair under uniform positions."""
    return _ordered_pairs(fan_in) / (n_in * (n_in - 1)) if n_in > 1 else 0.0


def _overlap(size: int) -> NDArray[np.float64]:
    """Count the pairs of pixels of a line of this size at each displacement -(size-1) … size-1."""
    return size - np.abs(np.arange(-(size - 1), size, dtype=np.float64))
