"""These functions make the pictures of a node's mask, its weights and its strongest inputs that pages of tiles hold.

The picture of an image is an array [H, W, 3] with values in 0 to 1. That of a series is a SeriesPicture, which draws
time along x and one row for each channel.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from prunescope.figures.parts.series import SeriesPicture, is_series, tile_ratio
from prunescope.mask import ImageShape
from prunescope.observables import mask_image, weight_image

# The least share of a square panel that is left for a wide image, so that its labels fit.
LEAST_FLAT = 0.4
Picture: TypeAlias = "np.ndarray | SeriesPicture"


def mask_picture(mask_row: Any, shape: ImageShape) -> Picture:
    """Return the picture of a node's mask [n0], for inputs of this shape."""
    if is_series(shape):
        return SeriesPicture(np.asarray(mask_row, np.bool_).reshape(shape[0], shape[2]), "mask")
    return mask_image(mask_row, shape)


def weight_picture(weights_row: Any, mask_row: Any, shape: ImageShape, *, symmetric: bool = False) -> Picture:
    """Return the picture of a node's kept weights [n0]; ``symmetric`` is that of ``observables.weight_image``.

    Those of a series are areas over time from zero, so that pruned weights are gaps; zero is always in the middle.
    """
    if is_series(shape):
        kept = np.where(np.asarray(mask_row, np.bool_), np.asarray(weights_row, np.float64), 0.0)
        return SeriesPicture(kept.reshape(shape[0], shape[2]), "weights")
    return weight_image(weights_row, mask_row, shape, symmetric=symmetric)


def input_picture(pixels: np.ndarray, shape: ImageShape) -> Picture:
    """Return the picture of a stored input, uint8 [n0]; a series becomes curves between its least and largest value."""
    if is_series(shape):
        return SeriesPicture(pixels.reshape(shape[0], shape[2]) / 255, "values")
    picture = pixels.reshape(shape).transpose(1, 2, 0) / 255
    return np.broadcast_to(picture, (*shape[1:], 3))


def height_over_width(shape: ImageShape) -> float:
    """Return the height of a picture of inputs of this shape over its width."""
    return tile_ratio(shape) if is_series(shape) else shape[1] / shape[2]


def flatness(shape: ImageShape) -> float:
    """Return the share of a square panel's height that a map of inputs of this shape needs: 1 unless it is wide."""
    return 1.0 if is_series(shape) else min(1.0, max(LEAST_FLAT, shape[1] / shape[2]))
