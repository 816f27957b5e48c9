"""S(d): how often two inputs of one node lie at displacement d, and what chance would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import ImageShape, Mask

# Spectra of so many bytes are held at once, so that they stay in a second-level cache (measured).
CHUNK_BYTES = 1 << 19


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
    # Nodes with fewer than two inputs hold no pair; sparse layers have many of them.
    return _pairs(mask.images(shape)[chosen[mask.fan_in[chosen] > 1]])


def uniform_null(fan_in: Any, shape: ImageShape) -> Locality:
    """E S(d) when each node's connections lie anywhere with equal probability.

    fan_in: int [n_out]; shape: (C, H, W). Returns float64 expectations, whose sum is the number of
    ordered pairs ΣC_j(C_j-1). SCIENCE §3.
    """
    channels, height, width = shape
    n_in = channels * height * width
    density = _ordered_pairs(fan_in) / (n_in * (n_in - 1)) if n_in > 1 else 0.0
    overlap = np.outer(_overlap(height), _overlap(width)) * density
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
    pairs = _pairs(fan_out[np.newaxis])  # fan-outs are integers, so this is exact too
    total = pairs.same.sum() + pairs.different.sum()
    scale = _ordered_pairs(mask.fan_in) / total if total else 0.0
    return Locality(pairs.same * scale, pairs.different * scale)


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


def rings(rows: int, columns: int) -> NDArray[np.int64]:
    """The ring |d| rounded to an integer of each entry of an S(d) array [rows, columns]."""
    dy, dx = np.arange(rows) - rows // 2, np.arange(columns) - columns // 2
    return np.floor(np.hypot(dy[:, np.newaxis], dx) + 0.5).astype(np.int64)


def _ordered_pairs(fan_in: Any) -> float:
    connections = np.asarray(fan_in, dtype=np.float64)
    return float((connections * (connections - 1)).sum())


def _overlap(size: int) -> NDArray[np.float64]:
    """How many pixel pairs of a line of this size lie at displacement -(size-1) … size-1."""
    return size - np.abs(np.arange(-(size - 1), size, dtype=np.float64))


def _pairs(images: NDArray[Any]) -> Locality:
    """Exact pair counts of integer images [n, C, H, W], by the autocorrelation theorem.

    The images are padded with zeros so that displacements do not wrap. The largest sum, about 1e9 for
    the largest layers, is far below the 2^53 at which rounding a float64 could go wrong.
    """
    from scipy.fft import fft, irfft2, next_fast_len, rfft  # slow to import, and little else needs it

    _, channels, height, width = images.shape
    rows, columns = next_fast_len(2 * height - 1), next_fast_len(2 * width - 1, real=True)
    frequencies = columns // 2 + 1
    same = np.zeros((rows, 2 * frequencies))
    all_channels = np.zeros_like(same)
    chunk = max(1, CHUNK_BYTES // (16 * channels * rows * frequencies))
    for start in range(0, len(images), chunk):
        part = images[start : start + chunk].astype(np.float64)
        # Padding along x only before the first transform spares it half of the rows.
        spectrum = fft(rfft(part, n=columns, axis=-1), n=rows, axis=-2, overwrite_x=True)
        _add_power(same, spectrum.reshape(-1, rows, frequencies))
        _add_power(all_channels, spectrum.sum(axis=1))
    dy, dx = np.arange(-(height - 1), height), np.arange(-(width - 1), width)

    def displacements(parts: NDArray[np.float64]) -> NDArray[np.int64]:
        power = parts[:, 0::2] + parts[:, 1::2]
        return np.rint(irfft2(power, s=(rows, columns))).astype(np.int64)[np.ix_(dy, dx)]

    same_counts = displacements(same)
    different = displacements(all_channels) - same_counts
    same_counts[height - 1, width - 1] = 0  # an input and itself are no pair
    return Locality(same_counts, different)


def _add_power(total: NDArray[np.float64], spectra: NDArray[np.complex128]) -> None:
    """Add Σ|F|² over spectra [n, rows, k] to total [rows, 2k], real and imaginary parts apart."""
    parts = np.ascontiguousarray(spectra).view(np.float64)
    total += np.einsum("nyx,nyx->yx", parts, parts)
