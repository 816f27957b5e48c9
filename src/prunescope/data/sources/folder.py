"""This module reads folders of images: a folder per class, with or without folders per split above them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunescope.data.raw_images import Chunk, Labels, Progress, Raw, Split, rows_at_once, to_planes
from prunescope.data.sources import folder_layout, folder_pictures, kinds, pictures
from prunescope.data.sources.folder_pictures import LeftOut
from prunescope.data.sources.held_out import held_out
from prunescope.errors import InputError

READER = 2  # to be increased when the same files give other images
_ROWS = 1000
_SAMPLE = 16  # headers read each time that the set is opened

Listing = tuple[list[Path], Labels]


def read(root: Path, size: int) -> Raw:
    """Open ``train/CLASS/*`` and ``val|valid|validation|test/CLASS/*``, or ``CLASS/*`` without a split.

    Without a validation part a fixed tenth of each class is the validation part. Images are cropped to their central
    square and averaged down (or enlarged) to ``size`` x ``size`` pixels; sets whose training images are all grey have
    one channel, others three. Classes are in the order of their names, numbers in numerical order. Raises InputError
    for fewer than two classes, a class without an image, unreadable images, and other things than such folders.
    """
    if not root.is_dir():
        folder_layout.refuse_file(root)
    layout, left = folder_layout.find_layout(root), LeftOut()
    classes = folder_layout.class_names(layout.train)
    train = _list(layout.train, classes, left)
    if layout.validation is None:
        chosen = held_out(train[1])
        if not chosen.any():
            raise InputError(f"{root}: one image a class, so that none can be held out for validation")
        train, validation = _part(train, ~chosen), _part(train, chosen)
    else:
        validation = _validation(layout.validation, classes, left)
    tally = pictures.Tally()
    rows = rows_at_once((3, size, size), _ROWS, f"data.size={size}")

    def raw(grey: bool) -> Raw:
        mode = "L" if grey else "RGB"
        chunks = _Chunks(size, mode, rows, tally)
        return Raw(
            source="folder",
            shape=(1 if grey else 3, size, size),
            classes=tuple(classes),
            train=Split(partial(chunks.of, *train), len(train[0]), train[1]),
            validation=Split(partial(chunks.of, *validation), len(validation[0]), validation[1]),
            files=(*train[0], *validation[0]),
            parameters={"size": size},
            reader=READER,
            notes=lambda: (*layout.notes, *left.notes(), *tally.notes()),
            settle=(lambda progress: raw(_all_grey(train[0], progress))) if grey else None,
        )

    for path in _spread(validation[0], _SAMPLE):
        pictures.check(path)
    found = [pictures.check(path) for path in _spread(train[0], _SAMPLE)]
    return raw(all(found))


def _list(root: Path, classes: list[str], left: LeftOut) -> Listing:
    """Return the pictures of every class; raise InputError for a class that has none."""
    paths: list[Path] = []
    labels: list[int] = []
    folder_pictures.count_loose(root, left)
    for label, name in enumerate(classes):
        own = LeftOut()
        found = folder_pictures.pictures_below(root / name, own)
        if not found:
            kinds.check(root / name, "folder")
            there = f" (in it: {own})" if str(own) else ""
            hint = folder_layout.instead(root / name, [])
            raise InputError(f"{root / name}: class without an image{there}{hint}")
        left.add(own)
        paths += found
        labels += [label] * len(found)
    return paths, np.array(labels, dtype=np.int64)


def _validation(root: Path, classes: list[str], left: LeftOut) -> Listing:
    """Return the pictures of the validation part, whose classes are folders or lines of val_annotations.txt."""
    numbers = {name: label for label, name in enumerate(classes)}
    names = folder_pictures.folders(root)
    if not set(names) & set(classes) and set(names) <= {"images"}:
        pairs = folder_layout.annotated(root)
    else:
        folder_pictures.count_loose(root, left)
        pairs = [(name, path) for name in names for path in folder_pictures.pictures_below(root / name, left)]
    unknown = sorted(({name for name, _ in pairs} | set(names) - {"images"}) - set(classes))
    if unknown:
        raise InputError(f"{root / unknown[0]}: not a class of the training images")
    if not pairs:
        raise InputError(f"{root}: no image in it")
    pairs.sort(key=lambda pair: (numbers[pair[0]], pair[1]))
    return [path for _, path in pairs], np.array([numbers[name] for name, _ in pairs], dtype=np.int64)


def _part(listing: Listing, chosen: NDArray[np.bool_]) -> Listing:
    paths, labels = listing
    rows = np.flatnonzero(chosen)
    return [paths[row] for row in rows], labels[rows]


def _spread(paths: list[Path], count: int) -> list[Path]:
    """Return at most ``count`` of the paths, at equal distances."""
    rows = np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int))
    return [paths[row] for row in rows]


def _all_grey(paths: list[Path], progress: Progress | None) -> bool:
    """Return whether all pictures are grey by their headers, which are read up to the first in colour."""
    for number, path in enumerate(paths, 1):
        if not pictures.check(path):
            return False
        if progress and (number % _ROWS == 0 or number == len(paths)):
            progress(number, len(paths), "image headers")
    return True


@dataclass(frozen=True)
class _Chunks:
    """Reads pictures, ``rows`` at a time, as squares of ``size`` in ``mode``, "L" or "RGB".

    ``tally`` counts what is simplified.
    """

    size: int
    mode: str
    rows: int
    tally: pictures.Tally

    def of(self, paths: list[Path], labels: Labels) -> Iterator[Chunk]:
        """Yield the pictures at the paths and their labels in pieces."""
        for start in range(0, len(paths), self.rows):
            piece = slice(start, start + self.rows)
            with pictures.without_warnings():
                images = [pictures.square(path, self.size, self.mode, self.tally) for path in paths[piece]]
            yield to_planes(np.stack(images)), labels[piece]
