"""This module reads folders of images: a folder per class, with or without folders per split above them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunescope.data.raw import Chunk, Labels, Pixels, Raw, Split, to_planes
from prunescope.data.sources.npz import held_out
from prunescope.errors import InputError

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
_VALIDATION = ("val", "valid", "validation", "test")
_ROWS = 1000

Listing = tuple[list[Path], Labels]


def read(root: Path, size: int) -> Raw:
    """Open ``train/CLASS/*`` and ``val|valid|validation|test/CLASS/*``, or ``CLASS/*`` without a split.

    Without a split a fixed tenth of each class is the validation split. Images are cropped to their central square
    and averaged down (or enlarged) to ``size`` x ``size`` pixels; grey sets have one channel, others three. Classes
    are in the order of their names, numbers in numerical order. Raises InputError for fewer than two classes, a class
    without an image, and unreadable images.
    """
    if not root.is_dir():
        raise InputError(f"data.root={root}: not a folder")
    train_root = root / "train"
    if train_root.is_dir():
        names = [name for name in _VALIDATION if (root / name).is_dir()]
        if not names:
            raise InputError(f"{root}: train but none of {', '.join(_VALIDATION)} in it")
        classes = _classes(train_root)
        train, validation = _list(train_root, classes), _list(root / names[0], classes, all_needed=False)
    else:
        classes = _classes(root)
        paths, labels = _list(root, classes)
        chosen = held_out(labels)
        train, validation = _part(paths, labels, ~chosen), _part(paths, labels, chosen)
    mode = "L" if all(_mode(path) in ("1", "L") for path in train[0][:64]) else "RGB"
    return Raw(
        source="folder",
        shape=(1 if mode == "L" else 3, size, size),
        classes=tuple(classes),
        train=Split(partial(_chunks, *train, size, mode), len(train[0])),
        validation=Split(partial(_chunks, *validation, size, mode), len(validation[0])),
        files=(*train[0], *validation[0]),
        parameters={"size": size},
    )


def _classes(root: Path) -> list[str]:
    names = [path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if len(names) < 2:
        raise InputError(f"{root}: {len(names)} class folders in it, at least 2 are needed")
    numbers = all(name.isdigit() for name in names)
    return sorted(names, key=lambda name: (int(name), name) if numbers else (0, name))


def _list(root: Path, classes: list[str], all_needed: bool = True) -> Listing:
    unknown = [path.name for path in root.iterdir() if path.is_dir() and path.name not in classes]
    unknown = [name for name in unknown if not name.startswith(".")]
    if unknown:
        raise InputError(f"{root / sorted(unknown)[0]}: not a class of the training images")
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        folder = root / name
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        if not found and all_needed:
            raise InputError(f"{folder}: class without an image")
        paths += found
        labels += [label] * len(found)
    return paths, np.array(labels, dtype=np.int64)


def _part(paths: list[Path], labels: Labels, chosen: NDArray[np.bool_]) -> Listing:
    rows = np.flatnonzero(chosen)
    return [paths[row] for row in rows], labels[rows]


def _mode(path: Path) -> str:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return str(image.mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"{path}: not a readable image") from None


def _chunks(paths: list[Path], labels: Labels, size: int, mode: str) -> Iterator[Chunk]:
    for start in range(0, len(paths), _ROWS):
        images = np.stack([_load(path, size, mode) for path in paths[start : start + _ROWS]])
        yield to_planes(images), labels[start : start + _ROWS]


def _load(path: Path, size: int, mode: str) -> Pixels:
    from PIL import Image

    try:
        with Image.open(path) as opened:
            image = opened.convert(mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"{path}: truncated or not an image") from None
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square if side == size else square.resize((size, size), Image.Resampling.BOX))
