"""This module reads MNIST and its kin (Fashion-MNIST, KMNIST) in their idx form, compressed with gzip or not."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from prunescope.data.raw_images import Chunk, Labels, Raw, Split
from prunescope.data.sources.labels import check_size, numbered
from prunescope.errors import InputError
from prunescope.files import open_regular
from prunescope.memory import check_memory

_PIECE = 10_000
_PIECE_BYTES = 1 << 28
_DEFLATE = 1040  # times that gzip can make bytes fewer, at most
_BUFFERS = 64  # bytes that preparing takes for a pixel, however many images there are
_PARTS = (("train",), ("t10k", "test"))
_FOLDERS = (".", "raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw")  # those of torchvision
_BYTES = 8  # the idx code of uint8


def find(root: Path) -> list[Path]:
    """Return the idx files of images in ``root`` or in the folders that torchvision makes there."""
    if root.is_file():
        return []
    return [path for folder in _FOLDERS for path in sorted((root / folder).glob("*images?idx3-ubyte*"))]


def read(root: Path, gaps: bool) -> Raw:
    """Open ``train-images-idx3-ubyte`` and ``t10k-images-idx3-ubyte`` with their labels, with or without ``.gz``.

    The test images are the validation split. ``gaps``: whether the training labels may leave numbers out. Raises
    InputError for missing or truncated files, other sizes in the test images, and labels that do not count classes.
    """
    if root.is_file():
        raise InputError(f"data.root={root}: a file: name the folder of the four idx files")
    images = [_file(root, names) for names in _PARTS]
    labels = [_labels_of(path) for path in images]
    shapes = [_header(path, 3) for path in images]
    counts = [_header(path, 1)[0] for path in labels]
    for path, shape, count in zip(images, shapes, counts, strict=True):
        if 0 in shape[1:]:
            raise InputError(f"{path}: images are {list(shape[1:])}: they have no pixel")
        if shape[0] != count or not count:
            raise InputError(f"{path}: {shape[0]} images but {count} labels; each image needs one")
    if shapes[0][1:] != shapes[1][1:]:
        raise InputError(f"{images[1]}: images are {list(shapes[1][1:])}, in training {list(shapes[0][1:])}")
    for path, count in zip(labels, counts, strict=True):
        check_size((count,), np.dtype(np.uint8), str(path))
    own, held, classes = numbered(
        _values(labels[0]), _values(labels[1]), (str(labels[0]), str(labels[1])), gaps
    )
    return Raw(
        source="idx",
        shape=(1, shapes[0][1], shapes[0][2]),
        classes=classes,
        train=Split(partial(_chunks, images[0], own), len(own), own),
        validation=Split(partial(_chunks, images[1], held), len(held), held),
        files=(*images, *labels),
    )


def _file(root: Path, names: tuple[str, ...]) -> Path:
    """Return the images of a part, the plain file before the compressed one."""
    found: dict[str, Path] = {}
    for path in find(root):
        name = path.name.removesuffix(".gz")
        if any(word in names for word in name.replace("_", "-").split("-")):
            found.setdefault(name, path)
    if len(found) > 1:
        raise InputError(f"{root}: several sets in it, {' and '.join(sorted(found))}: give each a folder")
    if not found:
        raise InputError(f"{root}: no {names[0]}-images-idx3-ubyte in it, with or without .gz")
    return next(iter(found.values()))


def _labels_of(images: Path) -> Path:
    name = images.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    for path in (images.with_name(name), images.with_name(f"{name}.gz")):
        if path.is_file():
            return path
    raise InputError(f"{images.with_name(name)}: missing (nor is there {name}.gz)")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open an idx file, compressed or not, for a ``with`` block."""
    with open_regular(path) as file:
        if path.suffix != ".gz":
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast(BinaryIO, unpacked)


def _read(file: BinaryIO, count: int, path: Path) -> bytes:
    try:
        data = file.read(count)
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{path}: truncated or damaged") from None
    if len(data) < count:
        raise InputError(f"{path}: truncated: it ends before its last value")
    return data


def _skip_header(file: BinaryIO, axes: int, path: Path) -> tuple[int, ...]:
    start = _read(file, 4, path)
    if start[:2] != b"\0\0" or start[2] != _BYTES or start[3] != axes:
        raise InputError(f"{path}: not an idx file of bytes with {axes} axes")
    return tuple(int(n) for n in np.frombuffer(_read(file, 4 * axes, path), ">u4"))


def _header(path: Path, axes: int) -> tuple[int, ...]:
    """Return the lengths of the axes; raise InputError for another type and for a file too short for them."""
    with _opened(path) as file:
        shape = _skip_header(file, axes, path)
    # What is compressed is never more than a thousandth of what it was, whatever the header says.
    most = path.stat().st_size * (_DEFLATE if path.suffix == ".gz" else 1)
    if most < 4 + 4 * axes + math.prod(shape):
        raise InputError(f"{path}: truncated: it ends before its last value")
    check_memory(math.prod(shape[1:]) * _BUFFERS, f"{path}: images of {list(shape[1:])}")
    return shape


def _values(path: Path) -> NDArray[np.uint8]:
    with _opened(path) as file:
        (count,) = _skip_header(file, 1, path)
        return np.frombuffer(_read(file, count, path), np.uint8)


def _chunks(path: Path, labels: Labels) -> Iterator[Chunk]:
    with _opened(path) as file:
        _, height, width = _skip_header(file, 3, path)
        step = max(1, min(_PIECE, _PIECE_BYTES // (height * width)))
        for start in range(0, len(labels), step):
            count = min(step, len(labels) - start)
            data = _read(file, count * height * width, path)
            yield np.frombuffer(data, np.uint8).reshape(count, -1), labels[start : start + count]
