"""These functions make sheets of many nodes' masks or weights: tiles of images, the rows of a raster for series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunescope.figures.parts.pictures import mask_picture, weight_picture
from prunescope.figures.parts.series import SeriesRaster, is_series
from prunescope.figures.parts.tiles import RasterSheet, Sheet, TileSheet
from prunescope.mask import ImageShape


def mask_sheet(
    title: str, masks: NDArray[np.bool_], shape: ImageShape, columns: int, *, captions: bool = True
) -> Sheet:
    """Return a sheet of masks [K, n0]; ``captions``: whether their numbers of connections are written."""
    counts = [str(count) if captions else "" for count in masks.sum(axis=1).tolist()]
    if is_series(shape):
        return RasterSheet(title, _raster(masks, shape, counts if captions else ()))
    return TileSheet(title, [mask_picture(mask, shape) for mask in masks], counts, columns)


def weight_sheet(
    title: str, weights: NDArray[np.float32], masks: NDArray[np.bool_], shape: ImageShape, columns: int
) -> Sheet:
    """Return a sheet of weights [K, n0] where masks keep them, without captions."""
    if is_series(shape):
        return RasterSheet(title, _raster(np.where(masks, weights, 0), shape, ()))
    images = [weight_picture(weight, mask, shape) for weight, mask in zip(weights, masks, strict=True)]
    return TileSheet(title, images, [""] * len(images), columns)


def _raster(values: np.ndarray, shape: ImageShape, labels: list[str] | tuple[()]) -> SeriesRaster:
    return SeriesRaster(values.reshape(len(values), shape[0], shape[2]), labels)
