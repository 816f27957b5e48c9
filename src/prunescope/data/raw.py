"""Raw: images as a source holds them, before they are prepared."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Split:
    """One part of a source: ``chunks()`` yields (rows [n, n0], labels int64 [n]) pieces in file order.

    ``total`` is the number of images when it is known beforehand, else 0; only progress uses it.
    """

    chunks: Callable[[], Iterator[Chunk]]
    total: int = 0


@dataclass(frozen=True)
class Raw:
    """A source opened for reading: shape (C, H, W), class names, its two splits and its files.

    Rows are of ``dtype``: uint8 pixels, or float32 values that are network input as they are.
    """

    source: str
    shape: ImageShape
    classes: tuple[str, ...]
    train: Split
    validation: Split
    files: tuple[Path, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    dtype: str = "|u1"


def to_planes(images: NDArray[Any]) -> Pixels:
    """Images [n, H, W] or [n, H, W, C] to rows [n, C·H·W], channel first."""
    if images.ndim == 3:
        return np.ascontiguousarray(images).reshape(len(images), -1)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def checked_labels(labels: Any, classes: int, where: str, first: int = 0) -> Labels:
    """Labels as int64 counted from 0; raises InputError unless first <= label < first + classes."""
    array = np.asarray(labels).reshape(-1)
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"{where}: labels are {array.dtype}, they must be integers")
    array = array.astype(np.int64)
    bad = np.flatnonzero((array < first) | (array >= first + classes))
    if bad.size:
        raise InputError(
            f"{where}: label {array[bad[0]]} of image {bad[0]} is out of range: "
            f"labels go from {first} to {first + classes - 1}"
        )
    return array - first
