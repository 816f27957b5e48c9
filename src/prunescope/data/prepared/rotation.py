"""This module rotates whole data sets when they are prepared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from prunescope.data.prepared.reading import Prepared
from prunescope.data.raw_images import Chunk, Pixels, Raw, Split
from prunescope.mask import ImageShape

HISTORY = "upright_provenance"  # parameter with the upright set's provenance; not part of the folder's name
_ROWS = 4000


def rotated(prepared: Prepared, degrees: float) -> Raw:
    """Return a source whose images are those of ``prepared``, turned counter-clockwise about their centres.

    Both splits are turned by ``degrees``, with bilinear interpolation. Pixels from outside the image are those of
    the mean image of the upright training set (docs/science.md, "Subsets and variants").
    """
    mean = np.array(prepared.array("mean"))

    def split(name: str) -> Split:
        images, labels = prepared.images(name), prepared.labels(name)

        def chunks() -> Iterator[Chunk]:
            for start in range(0, len(images), _ROWS):
                rows = slice(start, start + _ROWS)
                yield rotate(images[rows], prepared.shape, degrees, mean), labels[rows]

        return Split(chunks, len(images))

    return Raw(
        source=prepared.source,
        shape=prepared.shape,
        classes=prepared.classes,
        train=split("train"),
        validation=split("validation"),
        parameters={
            **prepared.parameters,
            "rotate": degrees,
            "upright": {name: entry["sha256"] for name, entry in prepared.manifest["arrays"].items()},
            HISTORY: prepared.manifest["provenance"],
        },
        reader=prepared.manifest["provenance"].get("reader", 1),
        notes=lambda: prepared.notes_of_reading,
    )


def rotate(pixels: Pixels, shape: ImageShape, degrees: float, outside: NDArray[np.float64]) -> Pixels:
    """Return images uint8 [n, n0] of ``shape`` turned counter-clockwise, as seen with row 0 at the top.

    Each output pixel is the bilinear mean of four input pixels; those that lie outside the image
    take the value of ``outside`` [n0] at the output pixel.
    """
    channels, height, width = shape
    images = pixels.reshape(len(pixels), channels, height * width)
    background = outside.reshape(channels, height * width).astype(np.float32)
    result = np.zeros(images.shape, np.float32)
    share_inside = np.zeros(height * width, np.float32)
    for index, weight in _corners(height, width, degrees):
        result += images[:, :, index] * weight
        share_inside += weight
    result += background * (1 - share_inside)
    return np.clip(np.rint(result), 0, 255).astype(np.uint8).reshape(len(pixels), -1)


def _corners(
    height: int, width: int, degrees: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield, for each of four neighbours, its index and its weight (0 if outside) for every output pixel, [H·W]."""
    angle = np.deg2rad(degrees)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y.ravel() - (height - 1) / 2, x.ravel() - (width - 1) / 2
    # Rows are numbered downwards, so that a picture turned by +angle reads its source at -angle.
    source_x = np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2
    source_y = np.sin(angle) * x + np.cos(angle) * y + (height - 1) / 2
    top, left = np.floor(source_y + 1e-9), np.floor(source_x + 1e-9)
    down, right = source_y - top, source_x - left
    for dy, wy in ((0, 1 - down), (1, down)):
        for dx, wx in ((0, 1 - right), (1, right)):
            row, column = top + dy, left + dx
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = np.where(inside, row * width + column, 0).astype(np.int64)
            yield index, np.where(inside, wy * wx, 0).astype(np.float32)
