"""This module shifts and mirrors images at random each time they are drawn.

It also says which values a pixel can take then. See docs/science.md, "Subsets and variants".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import ImageShape

Pixels = NDArray[Any]  # uint8 or float32


def roll_each(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Return images [B, C, H, W], each rolled periodically by its own dy in [0, H-1] and dx in [0, W-1]."""
    count, _, height, width = images.shape
    down = np.asarray(rng.integers(0, height, size=count))
    right = np.asarray(rng.integers(0, width, size=count))
    return _roll(_roll(images, right, 3), down, 2)


def flip_each(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Mirror images [B, C, H, W] left to right, each with probability 1/2, in their place; return them."""
    rows = np.flatnonzero(rng.random(len(images)) < 0.5)
    images[rows] = _mirrored(images.take(rows, axis=0))
    return images


def value_range(
    low: Pixels, high: Pixels, shape: ImageShape, translate: bool, flip: bool
) -> tuple[Pixels, Pixels]:
    """Return the least and the greatest value [n0] that each pixel takes once images are transformed.

    ``low`` and ``high`` [n0] are those before the transforms.
    """
    low, high = low.reshape(shape), high.reshape(shape)
    if translate:
        low = np.broadcast_to(low.min(axis=(1, 2), keepdims=True), shape)
        high = np.broadcast_to(high.max(axis=(1, 2), keepdims=True), shape)
    if flip:
        low, high = np.minimum(low, low[..., ::-1]), np.maximum(high, high[..., ::-1])
    return low.reshape(-1), high.reshape(-1)


def _mirrored(images: Pixels) -> Pixels:
    if images.shape[-1] % 8 or images.dtype != np.uint8:
        return images[..., ::-1]
    # Eight pixels are reversed at a time, as a number whose bytes are swapped, which is ten times faster.
    words = np.ascontiguousarray(images).view(np.uint64)
    mirrored = np.empty_like(words)
    # Few strided copies are faster than one of many short rows.
    for place in range(words.shape[-1]):
        mirrored[..., place] = words[..., -1 - place]
    return mirrored.byteswap(inplace=True).view(np.uint8)


def _roll(images: Pixels, shifts: NDArray[np.int64], axis: int) -> Pixels:
    # One np.roll for all images of a shift takes a third of the time of indexing pixel by pixel.
    out = np.empty_like(images)
    for shift in np.unique(shifts):
        rows = np.flatnonzero(shifts == shift)
        out[rows] = np.roll(images[rows], shift, axis=axis)
    return out
