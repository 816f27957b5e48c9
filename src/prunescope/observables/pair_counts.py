"""Exact counts of pairs by displacement, by Fourier transforms or by listing the pairs, whichever is faster."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import BoolArray, ImageShape
from prunescope.observables.threads import in_order

Counts = tuple[NDArray[np.int64], NDArray[np.int64]]
# Pairs at (±k, 0) and (0, ±k), and at (±k, ±k), summed over the signs and indexed by k.
Rays = tuple[NDArray[np.float64], NDArray[np.float64]]

# Spectra of this many bytes are in memory at once, so that they stay in a second-level cache (measured).
SPECTRA_BYTES = 1 << 19
# This many nodes are one piece of work for a thread.
GROUP = 64
# This many pairs are listed at once, for the same reason.
LISTED_PAIRS = 1 << 15
# Of nodes with about so many inputs the places are in memory at once.
LISTED_INPUTS = 1 << 21


def count_pairs(masks: BoolArray, shape: ImageShape) -> Counts:
    """Count the pairs S_sc and S_dc of mask rows [n, C·H·W]; both are int64 [2H-1, 2W-1].

    The time of a node's transforms does not depend on its fan-in, that of its pairs grows with the square; listing
    one pair takes about as long as transforming one padded pixel (measured).
    """
    channels, height, width = shape
    connections = np.count_nonzero(masks, axis=1)
    few = connections * (connections - 1) // 2 < channels * 4 * height * width
    same, different = transformed_pairs(masks[~few].reshape(-1, *shape))
    # Nodes with fewer than two inputs have no pair; sparse layers have many of them.
    chosen = np.flatnonzero(few & (connections > 1))
    part = np.cumsum(connections[chosen]) // LISTED_INPUTS
    for number in np.unique(part):
        listed = _listed(masks[chosen[part == number]], shape)
        same, different = same + listed[0], different + listed[1]
    return same, different


def transformed_pairs(images: NDArray[np.bool_] | NDArray[np.int64]) -> Counts:
    """Sum q_i q_i' over the ordered pairs i ≠ i' of integer images [n, C, H, W] by autocorrelation.

    The images are padded with zeros so that displacements do not wrap. The largest sum, about 1e9 for the
    largest layers, is far below the 2^53 at which rounding a float64 could go wrong.
    """
    from scipy.fft import irfft2, next_fast_len  # slow to import, and little else needs it

    height, width = images.shape[2:]
    padded = next_fast_len(2 * height - 1), next_fast_len(2 * width - 1, real=True)
    frequencies = padded[1] // 2 + 1
    same = np.zeros((padded[0], 2 * frequencies))
    all_channels = np.zeros_like(same)
    groups = (images[start : start + GROUP] for start in range(0, len(images), GROUP))
    for part, whole in in_order(partial(_spectral_power, padded=padded), groups):
        same += part
        all_channels += whole
    dy, dx = np.arange(-(height - 1), height), np.arange(-(width - 1), width)

    def displacements(parts: NDArray[np.float64]) -> NDArray[np.int64]:
        power = parts[:, 0::2] + parts[:, 1::2]
        return np.rint(irfft2(power, s=padded)).astype(np.int64)[np.ix_(dy, dx)]

    same_counts = displacements(same)
    different = displacements(all_channels) - same_counts
    same_counts[height - 1, width - 1] = 0  # an input does not make a pair with itself
    return same_counts, different


def _spectral_power(
    images: NDArray[np.bool_] | NDArray[np.int64], padded: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum Σ|F|² over images [n, C, H, W], of each channel and of all channels together, as ``_add_power`` adds them."""
    from scipy.fft import fft, rfft

    rows, columns = padded
    channels, frequencies = images.shape[1], columns // 2 + 1
    same = np.zeros((rows, 2 * frequencies))
    all_channels = np.zeros_like(same)
    chunk = max(1, SPECTRA_BYTES // (16 * channels * rows * frequencies))
    for start in range(0, len(images), chunk):
        part = images[start : start + chunk].astype(np.float64)
        # Padding along y after the first transform spares that transform half of the rows.
        spectrum = fft(rfft(part, n=columns, axis=-1), n=rows, axis=-2, overwrite_x=True)
        _add_power(same, spectrum.reshape(-1, rows, frequencies))
        _add_power(all_channels, spectrum.sum(axis=1))
    return same, all_channels


def ray_pairs(masks: BoolArray, shape: ImageShape, longest: int) -> Rays:
    """Count the same-channel pairs of mask rows [n, C·H·W] on axes and diagonals, for k = 0 … ``longest``.

    Each pixel holds one bit for every node, so that one operation on words compares a pair of pixels in 64 nodes.
    """
    bits = masks.view(np.uint8)
    packed = np.zeros((-(-len(masks) // 64) * 8, masks.shape[1]), np.uint8)
    # Bytes of 0 and 1 are shifted eight at a time, which is three times faster.
    wide = masks.flags.c_contiguous and masks.shape[1] % 8 == 0
    source, target = (one.view(np.uint64) if wide else one for one in (bits, packed))
    for place in range(8):
        some = source[place::8]
        target[: len(some)] |= some << place
    words = np.ascontiguousarray(packed.T).view(np.uint64).reshape(*shape, -1)
    axes, diagonals = np.zeros(longest + 1), np.zeros(longest + 1)
    for k in range(1, longest + 1):
        up, down, left, right = words[:, k:], words[:, :-k], words[:, :, k:], words[:, :, :-k]
        axes[k] = 2 * (_ones(up & down) + _ones(left & right))
        diagonals[k] = 2 * (_ones(up[:, :, k:] & down[:, :, :-k]) + _ones(up[:, :, :-k] & down[:, :, k:]))
    return axes, diagonals


def _ones(words: NDArray[np.uint64]) -> int:
    """Count the bits that are 1."""
    if hasattr(np, "bitwise_count"):
        return int(np.bitwise_count(words).sum(dtype=np.int64))
    table = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1).sum(
        axis=1
    )  # NumPy below 2.0
    return int(table[words.view(np.uint8)].sum())


def _add_power(total: NDArray[np.float64], spectra: NDArray[np.complex128]) -> None:
    """Add Σ|F|² over spectra [n, rows, k] to total [rows, 2k], real and imaginary parts apart."""
    parts = np.ascontiguousarray(spectra).view(np.float64)
    total += np.einsum("nyx,nyx->yx", parts, parts)


def _listed(masks: BoolArray, shape: ImageShape) -> Counts:
    """Count the pairs of mask rows [n, C·H·W] by listing them."""
    _, height, width = shape
    rows, columns = 2 * height - 1, 2 * width - 1
    node, inputs = np.nonzero(masks)
    channel, pixel = np.divmod(inputs, height * width)
    y, x = np.divmod(pixel, width)
    # The difference of two places is the index of their displacement minus that of d = 0.
    place = y * columns + x
    connections = np.bincount(node, minlength=len(masks))
    first = np.cumsum(connections) - connections
    counts = np.zeros(2 * rows * columns, dtype=np.int64)
    origin = (height - 1) * columns + width - 1
    for fan_in in np.unique(connections):
        a, b = np.triu_indices(fan_in, 1)
        starts = first[connections == fan_in, np.newaxis]
        step = max(1, LISTED_PAIRS // max(1, a.size))
        for group in range(0, len(starts), step):
            entries = starts[group : group + step] + np.arange(fan_in)
            places, channels = place[entries], channel[entries]
            index = places[:, b] - places[:, a] + origin
            index += (channels[:, b] != channels[:, a]) * (rows * columns)
            counts += np.bincount(index.ravel(), minlength=counts.size)
    same, different = counts.reshape(2, rows, columns)
    return same + same[::-1, ::-1], different + different[::-1, ::-1]  # adds each pair in the other order
