"""This module defines the form in which readers return images, before they are prepared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import ImageShape

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Chunk = tuple[NDArray[Any], Labels]
Progress = Callable[[int, int, str], None]

SPLITS = ("train", "validation")
MAX_VALUES = 1 << 24  # of an image that a network gets; a layer of 1000 units would have 67 GB of weights
_CHUNK_BYTES = 1 << 27  # of images that are decoded at a time


@dataclass(frozen=True)
class Split:
    """One part of a source, training or validation.

    ``chunks()`` yields pieces (rows [n, n0], labels int64 [n]) in file order.
    ``total``: the number of images when it is known beforehand, else 0.
    ``labels``: the labels of all images in file order where they are known before images are read, else None.
    """

    chunks: Callable[[], Iterator[Chunk]]
    total: int = 0
    labels: Labels | None = None


@dataclass(frozen=True)
class Raw:
    """A source opened for reading: shape (C, H, W), class names, its two splits and its files.

    ``parameters``: the options that decide which images come out; with the files they name the prepared folder.
    ``dtype``: the NumPy type of the rows, "|u1" for uint8 pixels or "<f4" for float32 network input.
    ``reader``: increased when a newer reader gives other images of the same files. It is part of the prepared
    folder's name, so that images read the old way are not used again, and of no fingerprint.
    ``notes``: called once all images are read; returns lines about what was left out, chosen or simplified.
    ``settle``: called before images are read for what takes all files to tell, such as the number of channels;
    returns the source to read. Until then ``shape`` may have fewer channels.
    """

    source: str
    shape: ImageShape
    classes: tuple[str, ...]
    train: Split
    validation: Split
    files: tuple[Path, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    dtype: str = "|u1"
    reader: int = 1
    notes: Callable[[], tuple[str, ...]] = tuple
    settle: Callable[[Progress | None], Raw] | None = None


def rows_at_once(shape: ImageShape, most: int, where: str) -> int:
    """Return how many images of a shape are decoded at a time: ``most``, or fewer so that they stay small.

    Raises InputError, which names the place as ``where``, for images of more than MAX_VALUES.
    """
    size = math.prod(shape)
    if size > MAX_VALUES:
        raise InputError(
            f"{where}: images of {shape[2]:,} x {shape[1]:,} pixels are {size:,} inputs of a network, at most "
            f"{MAX_VALUES:,} are read: make them smaller (data.source=folder does, to data.size)"
        )
    return min(most, _CHUNK_BYTES // size)


def to_planes(images: NDArray[Any]) -> Pixels:
    """Return images [n, H, W] or [n, H, W, C] as rows [n, C·H·W], channel first."""
    if images.ndim == 3:
        return np.ascontiguousarray(images).reshape(len(images), -1)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
