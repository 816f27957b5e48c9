"""This module defines the form in which readers return images, before they are prepared."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope import experiment
from prunescope.errors import InputError
from prunescope.experiment.paths import has_surrogates
from prunescope.files import open_regular
from prunescope.mask import ImageShape

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Chunk = tuple[NDArray[Any], Labels]
Progress = Callable[[int, int, str], None]

SPLITS = ("train", "validation")
MAX_VALUES = 1 << 24  # of an image that a network gets; a layer of 1000 units would have 67 GB of weights
_CHUNK_BYTES = 1 << 27  # of images that are decoded at a time
_POINTER = b"version https://git-lfs.github.com"


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


def check_no_root(data: experiment.Data) -> None:
    """Raise InputError for a ``data.root`` that a source with images of its own would not read."""
    if data.root:
        raise InputError(
            f"data.root={data.root}: data.source={data.source} makes its own images and reads none there: set "
            "data.source to what it holds (folder, npz, parquet, imagenet32, cifar10, …), or leave data.root out"
        )


def check_pointer(path: Path) -> None:
    """Raise InputError for a pointer of Git LFS, a few lines of text that stand for a file that was not fetched."""
    try:
        with open_regular(path) as file:
            pointer = file.read(len(_POINTER)) == _POINTER
    except (OSError, InputError):
        return
    if pointer:
        raise InputError(f"{path}: a pointer of Git LFS in place of the file: fetch it with git lfs pull")


def check_class_name(name: str, what: str, advice: str) -> None:
    """Raise InputError for a class name that tables, pages or terminals cannot show; ``what`` begins the sentence.

    Those are control characters, which could also steer a terminal, and what Python makes of bytes that are no UTF-8.
    """
    if has_surrogates(name):
        raise InputError(f"{what} is no UTF-8 text: {advice}")
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in name):
        raise InputError(f"{what} has a line break or another control character in it: {advice}")


def text_of(name: str | Path) -> str:
    """Return the name of a file as text that can be printed and stored, bytes that are no UTF-8 as backslashes."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(
        sign if unicodedata.category(sign) not in ("Cc", "Zl", "Zp") else ascii(sign)[1:-1] for sign in text
    )


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


def checked_labels(labels: object, classes: int, where: str, first: int = 0) -> Labels:
    """Return ``labels`` as int64 [n] counted from 0, those that equal ``first`` as 0.

    Raises InputError, which names the place as ``where``, unless all are integers with
    first <= label < first + classes.
    """
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
