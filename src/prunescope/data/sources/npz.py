"""This module reads image sets in one .npz file, with the keys of Keras, of MedMNIST, or plain ones."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from prunescope.data.raw import Chunk, Labels, Pixels, Raw, Split, checked_labels, to_planes
from prunescope.errors import InputError
from prunescope.mask import ImageShape
from prunescope.randomness import generator

HELD_OUT = 0.1
_FORMS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "val_images", "val_labels"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("images", "labels"),
)
_PIECE = 10_000


def read(root: Path) -> Raw:
    """Open a .npz file (or the only one in a folder) with images and labels.

    Keys are x_train, y_train, x_test, y_test (Keras), train_images, … (MedMNIST), or images and labels, of which a
    fixed tenth per class is then the validation split. Images are uint8, or float in [0, 1], of shape [N, H, W],
    [N, H, W, C] or [N, C, H, W] with C = 1 or 3. Raises InputError for other keys, types and shapes, values that
    are not finite, wrong labels, and a damaged file.
    """
    path, train, validation = read_splits(root)
    images, shape = _as_rows(train.values, train.where)
    held, held_shape = _as_rows(validation.values, validation.where)
    if held_shape != shape:
        raise InputError(f"{validation.where} holds images {held_shape}, {train.where} {shape}")
    return Raw(
        source="npz",
        shape=shape,
        classes=class_numbers(train),
        train=Split(partial(_pieces, images, train.labels), len(images)),
        validation=Split(partial(_pieces, held, validation.labels), len(held)),
        files=(path,),
    )


@dataclass(frozen=True, eq=False)
class NpzSplit:
    """A split as the file holds it: values [N, …] and labels int64 [N]; ``where`` names it in messages."""

    values: NDArray[Any]
    labels: Labels
    where: str


def read_splits(root: Path) -> tuple[Path, NpzSplit, NpzSplit]:
    """Return the .npz file of ``root`` and its training and validation parts, with checked labels.

    Raises InputError for other keys, an empty part, values that are not finite, and wrong labels.
    """
    path = _one_file(root)
    keys = _form(path)
    arrays = load_arrays(path, keys)
    parts = []
    for values, numbers in zip(keys[::2], keys[1::2], strict=True):
        if not len(arrays[values]):
            raise InputError(f"{path}: {values} holds no image; training and validation each need some")
        _check_finite(arrays[values], f"{path}: {values}")
        labels = _as_labels(arrays[numbers], len(arrays[values]), f"{path}: {numbers}")
        parts.append(NpzSplit(arrays[values], labels, f"{path}: {values}"))
    if len(parts) == 2:
        checked_labels(parts[1].labels, int(parts[0].labels.max()) + 1, f"{path}: {keys[3]}")
        return path, parts[0], parts[1]
    whole, chosen = parts[0], held_out(parts[0].labels)
    kept, held = (NpzSplit(whole.values[rows], whole.labels[rows], whole.where) for rows in (~chosen, chosen))
    if not len(held.labels):
        raise InputError(f"{whole.where} holds no image to hold out; training and validation each need some")
    return path, kept, held


def class_numbers(train: NpzSplit) -> tuple[str, ...]:
    """Return the names of classes that have none, which are their numbers."""
    return tuple(str(number) for number in range(int(train.labels.max()) + 1))


def held_out(labels: Labels) -> NDArray[np.bool_]:
    """Return which images are the validation split, bool [N]: a random tenth of each class, the same at every call.

    Of a class with at least two images, at least one is chosen.
    """
    chosen = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = max(1, round(HELD_OUT * len(rows))) if len(rows) > 1 else 0
        chosen[generator(0, "held-out", int(label)).permutation(rows)[:count]] = True
    return chosen


def load_arrays(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return the arrays ``keys`` of a .npz file, without unpickling any object.

    Raises InputError for a missing key, an array of Python objects, and a damaged file.
    """
    with _opened(path) as file:
        missing = [key for key in keys if key not in file]
        if missing:
            raise InputError(f"{path}: no {missing[0]!r} in it; it has {', '.join(file)}")
        return {key: file[key] for key in keys}


@contextmanager
def _opened(path: Path) -> Iterator[NpzFile]:
    """Open a .npz file for a ``with`` block; errors in reading it become InputError."""
    try:
        # The file is opened here, since np.load leaves it open when its zip directory is damaged.
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise InputError(f"{path}: truncated, damaged or not a .npz file")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                yield file
    except InputError:
        raise
    except Exception as error:  # zip, zlib and the header's parser raise errors of different classes
        if "allow_pickle" in str(error):
            raise InputError(f"{path}: refused: it holds Python objects, not numbers") from None
        raise InputError(f"{path}: truncated or damaged: {type(error).__name__}") from None


def _one_file(root: Path) -> Path:
    if root.is_file():
        return root
    found = sorted(root.glob("*.npz"))
    if len(found) != 1:
        raise InputError(f"data.root={root}: {len(found)} .npz files in it: name the one file")
    return found[0]


def _form(path: Path) -> tuple[str, ...]:
    with _opened(path) as file:
        names = set(file)
    for keys in _FORMS:
        if names >= set(keys):
            return keys
    raise InputError(
        f"{path}: its keys are {', '.join(sorted(names))}; expected images and labels, x_train, y_train, "
        "x_test and y_test, or train_images, train_labels, val_images and val_labels"
    )


def _as_rows(images: NDArray[Any], where: str) -> tuple[Pixels, ImageShape]:
    """Return images as uint8 rows [N, C·H·W], and their shape (C, H, W)."""
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise InputError(
            f"{where} has shape {list(images.shape)}, expected [N, H, W], [N, H, W, C] or [N, C, H, W] "
            "with C = 1 or 3"
        )
    channels = images.shape[3] if images.ndim == 4 else 1
    return to_planes(_as_bytes(images, where)), (channels, images.shape[1], images.shape[2])


def _check_finite(values: NDArray[Any], where: str) -> None:
    for start in range(0, len(values) if values.dtype.kind == "f" else 0, _PIECE):
        finite = np.isfinite(values[start : start + _PIECE]).reshape(-1, values[0].size).all(axis=1)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite)[0])
            raise InputError(f"{where}[{row}] has NaN or infinite values")


def _as_bytes(images: NDArray[Any], where: str) -> Pixels:
    """Return images as uint8, those of floats in [0, 1] as 255 times their values."""
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise InputError(f"{where} is {images.dtype}, expected uint8 or float in [0, 1]")
    out = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), _PIECE):
        piece = images[start : start + _PIECE]
        if piece.min(initial=0) < 0 or piece.max(initial=0) > 1:
            raise InputError(
                f"{where}: float pixels from {piece.min():g} to {piece.max():g}, they must lie in [0, 1]"
            )
        out[start : start + _PIECE] = np.rint(255 * piece.astype(np.float64))
    return out


def _as_labels(labels: NDArray[Any], count: int, where: str) -> Labels:
    """Return labels [count] or [count, 1] as int64 [count]; raise InputError unless they count from 0."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise InputError(f"{where} has shape {list(labels.shape)}, expected [{count}], one label an image")
    if labels.size and labels.dtype.kind in "iu":
        return checked_labels(labels, int(labels.max()) + 1, where)
    return checked_labels(labels, 1, where)


def _pieces(images: Pixels, labels: Labels) -> Iterator[Chunk]:
    for start in range(0, len(images), _PIECE):
        yield images[start : start + _PIECE], labels[start : start + _PIECE]
