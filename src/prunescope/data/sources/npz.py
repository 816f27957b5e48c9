"""This module reads image sets in one .npz file, with the keys of Keras, of MedMNIST, or plain ones."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope import experiment
from prunescope.data.raw import Chunk, Labels, Raw, Split, check_pointer, to_planes
from prunescope.data.sources.labels import check_size, numbered
from prunescope.errors import InputError, shortened
from prunescope.files import open_regular
from prunescope.mask import ImageShape
from prunescope.memory import check_memory
from prunescope.npy import read_header
from prunescope.randomness import generator

HELD_OUT = 0.1
_FORMS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "val_images", "val_labels"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("images", "labels"),
)
_TRAIN = ("train", "training", "tr")
_VALIDATION = ("val", "valid", "validation", "dev", "test", "testing", "te")
_VALUES = ("images", "image", "x", "data", "inputs", "features")
_LABELS = ("labels", "label", "y", "targets", "target", "classes")
_PIECE = 10_000
_MOST_PARTS = 10_000
_HEADER_START = 12  # bytes: the magic word, the version, and the length of the header in 2 or 4 bytes
_HEADER_BYTES = 1 << 16
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of both a piece is read in memory of its size
_DARK = 64  # less than this of 255 as the brightest pixel deserves a note

Keys = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]  # the shape and the type of each array


def read(root: Path, data: experiment.Data) -> Raw:
    """Open a .npz file (or the only one in a folder) with images and labels.

    Keys are those that ``_keys_of`` finds; of a file without a split, a fixed tenth per class is the validation split.
    Images are numbers of shape [N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1 or 3: whole ones from 0 to 255 of
    any type, or floats in [0, 1], which become bytes. Shapes, types and labels are checked at once, and the values
    of images when they are read. Raises InputError for other keys, types and shapes, values that are not finite or
    out of range, wrong labels, and a damaged file.
    """
    path, train, validation = read_splits(root, data)
    shape, held_shape = _image_shape(train), _image_shape(validation)
    if held_shape != shape:
        raise InputError(f"{validation.where} holds images {held_shape}, {train.where} {shape}")
    for part in (train, validation):
        if part.dtype.kind not in "biuf":
            raise InputError(f"{part.where} is {part.dtype}, expected whole numbers or floats in [0, 1]")
    pixels = _Bytes(train, validation)
    return Raw(
        source="npz",
        shape=shape,
        classes=train.classes,
        train=Split(partial(pixels.chunks, train), len(train.labels), train.labels),
        validation=Split(partial(pixels.chunks, validation), len(validation.labels), validation.labels),
        files=(path,),
        parameters=chosen_keys(data),
        notes=lambda: (*train.notes, *pixels.notes()),
    )


@dataclass(frozen=True, eq=False)
class NpzSplit:
    """A split of a file: its labels int64 [N], and its values [N, …], which are read when they are asked for.

    ``where`` names it in messages. ``shape`` and ``dtype`` are those that the file's header states, of all its rows.
    ``rows``: which of them are the split, bool, or None for all. ``load`` reads all rows. ``notes``: what the user is
    to be told of the choice.
    """

    labels: Labels
    classes: tuple[str, ...]
    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], NDArray[Any]]
    rows: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def values(self) -> NDArray[Any]:
        """The values [N, …] of the split, read from the file; InputError if some are not finite."""
        values = self.load()
        _check_finite(values, self.where)
        if self.rows is None:
            return values
        check_memory(int(self.rows.sum()) * (values[0].nbytes), self.where)
        return values[self.rows]


def read_splits(root: Path, data: experiment.Data) -> tuple[Path, NpzSplit, NpzSplit]:
    """Return the .npz file of ``root`` and its training and validation parts, with checked labels.

    No image is read. Raises InputError for other keys, an empty part, arrays of objects and wrong labels.
    """
    path = _one_file(root)
    found = headers(path)
    keys = _keys_of(path, found, data)
    for key in keys:
        if found[key][1].hasobject:
            raise InputError(
                f"{path}: refused: {key} holds Python objects, not numbers: store it with a plain dtype"
            )
    for values, numbers in zip(keys[::2], keys[1::2], strict=True):
        _check_length(path, (values, found[values][0]), (numbers, found[numbers][0]))
        check_size(*found[numbers], f"{path}: {numbers}")
    stored = load_arrays(path, keys[1::2])
    gaps = data.task != "classes"
    nothing = np.empty(0, np.int64)
    own, held, classes = numbered(
        stored[keys[1]],
        stored[keys[3]] if len(keys) == 4 else nothing,
        (f"{path}: {keys[1]}", f"{path}: {keys[-1]}"),
        gaps,
    )

    def part(key: str, labels: Labels, rows: NDArray[np.bool_] | None = None) -> NpzSplit:
        shape, dtype = found[key]
        load = partial(_one_array, path, key)
        return NpzSplit(labels, classes, f"{path}: {key}", shape, dtype, load, rows)

    if len(keys) == 4:
        return path, replace(part(keys[0], own), notes=_unused(found, keys, data)), part(keys[2], held)
    chosen = held_out(own)
    if not chosen.any():
        raise InputError(
            f"{path}: one image a class in {keys[1]}, so that none can be held out for validation"
        )
    return path, part(keys[0], own[~chosen], ~chosen), part(keys[0], own[chosen], chosen)


def _unused(found: Keys, keys: tuple[str, ...], data: experiment.Data) -> tuple[str, ...]:
    """Return a note where another part than the one read could be the validation part, as val beside test."""
    if data.validation_split:
        return ()
    values = (data.image_column,) if data.image_column else _VALUES
    labels = (data.label_column,) if data.label_column else _LABELS
    for split in _VALIDATION:
        pair = _pair(found, (split,), values, labels)
        if pair and pair[0] not in (keys[0], keys[2]):
            return (f"{keys[2]} is the validation part; data.validation_split={split} takes {pair[0]}",)
    return ()


def chosen_keys(data: experiment.Data) -> dict[str, str]:
    """Return the fields of ``data`` that choose columns and splits, those that are given."""
    names = ("image_column", "label_column", "train_split", "validation_split")
    return {name: getattr(data, name) for name in names if getattr(data, name)}


def _keys_of(path: Path, found: Keys, data: experiment.Data) -> tuple[str, ...]:
    """Return the keys of training values and labels, and of validation values and labels where there is a split.

    They are those of Keras (x_train, y_train, x_test, y_test), of MedMNIST (train_images, …), images and labels, or
    others of the form VALUES_SPLIT or SPLIT_VALUES in any case, such as X_train or val_x. ``data.image_column``,
    ``data.label_column``, ``data.train_split`` and ``data.validation_split`` replace the words.
    """
    chosen = chosen_keys(data)
    if not chosen:
        for keys in _FORMS:
            if set(found) >= set(keys):
                return keys
    values = (data.image_column,) if data.image_column else _VALUES
    labels = (data.label_column,) if data.label_column else _LABELS
    train = _pair(found, (data.train_split,) if data.train_split else _TRAIN, values, labels)
    held = _pair(found, (data.validation_split,) if data.validation_split else _VALIDATION, values, labels)
    if train and held:
        return (*train, *held)
    whole = _pair(found, ("",), values, labels)
    if whole and not (data.train_split or data.validation_split):
        return whole
    told = ", ".join(f"data.{name}={value}" for name, value in chosen.items())
    expected = (
        f"none of them fit {told}"
        if told
        else "expected images and labels, x_train, y_train, x_test and y_test, or train_images, train_labels, "
        "val_images and val_labels; data.image_column and data.label_column name others"
    )
    raise InputError(f"{path}: its keys are {shortened(', '.join(sorted(found)))}; {expected}")


def _pair(
    found: Keys,
    splits: tuple[str, ...],
    values: tuple[str, ...],
    labels: tuple[str, ...],
) -> tuple[str, str] | None:
    """Return the keys of a split's values and labels, of the first split that has both, or None."""
    for split in splits:
        pair = [_key(found, split, words) for words in (values, labels)]
        if pair[0] and pair[1]:
            return pair[0], pair[1]
    return None


def _key(found: Keys, split: str, words: tuple[str, ...]) -> str | None:
    known = {key.lower(): key for key in reversed(list(found))}
    for word in words:
        for name in (
            (f"{word}_{split}", f"{split}_{word}", f"{word}{split}", f"{split}{word}") if split else (word,)
        ):
            key = name if name in found else known.get(name.lower())
            if key is not None:
                return key
    return None


def held_out(labels: Labels) -> NDArray[np.bool_]:
    """Return which images are the validation split, bool [N]: a random tenth of each class, the same at every call.

    Of a class with at least two images, at least one is chosen.
    """
    chosen = np.zeros(len(labels), np.bool_)
    different, counts = np.unique(labels, return_counts=True)
    order = np.argsort(labels, kind="stable")  # the rows of each class, one class after the other
    for label, rows in zip(different, np.split(order, np.cumsum(counts)[:-1]), strict=False):
        if len(rows) > 1:
            count = max(1, round(HELD_OUT * len(rows)))
            chosen[generator(0, "held-out", int(label)).permutation(rows)[:count]] = True
    return chosen


def load_arrays(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return the arrays ``keys`` of a .npz file, without unpickling any object.

    Raises InputError for a missing key, an array of Python objects, a damaged file, and what the memory cannot hold.
    """
    with _opened(path) as archive:
        found = _headers(path, archive)
        missing = [key for key in keys if key not in found]
        if missing:
            raise InputError(f"{path}: no {missing[0]!r} in it; it has {shortened(', '.join(found))}")
        needed = sum(math.prod(found[key][0]) * found[key][1].itemsize for key in keys)
        check_memory(needed, f"{path}: {', '.join(keys)}")
        arrays = {}
        for key in keys:
            with archive.open(f"{key}.npy") as stream:
                arrays[key] = np.lib.format.read_array(stream, allow_pickle=False)
                if stream.read(1):
                    raise InputError(f"{path}: {key}: more bytes than its header says: write the file anew")
        return arrays


def _one_array(path: Path, key: str) -> NDArray[Any]:
    return load_arrays(path, (key,))[key]


def headers(path: Path) -> Keys:
    """Return the shape and the type of every array of a .npz file, from the headers alone.

    Raises InputError for a damaged file, and for arrays that are larger than what the file holds of them.
    """
    with _opened(path) as archive:
        return _headers(path, archive)


def _headers(path: Path, archive: zipfile.ZipFile) -> Keys:
    found: Keys = {}
    parts = archive.infolist()
    if len(parts) > _MOST_PARTS:
        raise InputError(f"{path}: {len(parts):,} files in it, at most {_MOST_PARTS:,} are read")
    for part in parts:
        if not part.filename.endswith(".npy"):
            continue
        key = part.filename.removesuffix(".npy")
        if key in found:
            raise InputError(f"{path}: two arrays are called {key!r}: write the file anew")
        if part.compress_type not in _COMPRESSIONS:
            raise InputError(
                f"{path}: {key}: compressed in a way that NumPy does not use: write the file anew with "
                "numpy.savez_compressed"
            )
        found[key] = _header(path, archive, part)
    return found


def _header(
    path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of one array; only the file's first bytes are read, however long a header says it is."""
    with archive.open(part) as file:
        start = file.read(_HEADER_START)
        stated = int.from_bytes(start[8:10] if start[6:7] == b"\1" else start[8:], "little")
        stream = io.BytesIO(start + file.read(min(stated, _HEADER_BYTES)))
    shape, _, dtype = read_header(stream)
    bytes_there = part.file_size - stream.tell()
    damaged = any(isinstance(length, bool) or length < 0 for length in shape)
    if damaged or (math.prod(shape) * dtype.itemsize > bytes_there and not dtype.hasobject):
        raise InputError(
            f"{path}: {part.filename}: says that it has shape {shortened(str(list(shape)))}, but there are "
            f"{bytes_there:,} bytes of it: truncated or damaged"
        )
    return shape, dtype


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a .npz file for a ``with`` block; errors in reading it become InputError."""
    try:
        with open_regular(path) as stream:
            if not zipfile.is_zipfile(stream):
                check_pointer(path)
                raise InputError(f"{path}: truncated, damaged or not a .npz file")
            with zipfile.ZipFile(stream) as archive:
                yield archive
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'truncated or damaged'}") from None
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


def _check_length(
    path: Path, values: tuple[str, tuple[int, ...]], labels: tuple[str, tuple[int, ...]]
) -> None:
    """Raise InputError unless there are values, and one row of labels for each; both are given as key and shape."""
    if not values[1] or not values[1][0]:
        raise InputError(f"{path}: {values[0]} holds no image; training and validation each need some")
    if labels[1][:1] != values[1][:1] or len(labels[1]) > 2:
        raise InputError(
            f"{path}: {labels[0]} has shape {list(labels[1])}, expected [{values[1][0]}], one label an image"
        )


def _image_shape(part: NpzSplit) -> ImageShape:
    """Return the shape (C, H, W) of a part's images; raise InputError for arrays that are no images."""
    shape = part.shape
    if len(shape) == 3 and 0 not in shape:
        return 1, shape[1], shape[2]
    if len(shape) == 4 and 0 not in shape and shape[3] in (1, 3):
        return shape[3], shape[1], shape[2]
    if len(shape) == 4 and 0 not in shape and shape[1] in (1, 3):
        return shape[1], shape[2], shape[3]
    advice = ""
    if len(shape) == 2:
        advice = f": rows of numbers are read with data.geometry=none, or reshape them ({_squares(shape[1])})"
    elif len(shape) == 4 and (shape[3] == 4 or shape[1] == 4 != shape[2]):
        advice = ": drop the fourth channel, if it is transparency"
    raise InputError(
        f"{part.where} has shape {list(shape)}, expected [N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1 or 3"
        f"{advice}"
    )


def _squares(values: int) -> str:
    """Return the shape of square images that have so many values, or that of any."""
    for channels in (1, 3):
        side = round((values / channels) ** 0.5)
        if side * side * channels == values:
            return (
                f"[N, {side}, {side}]"
                if channels == 1
                else f"[N, 3, {side}, {side}] where channels come first"
            )
    return "[N, H, W]"


def _check_finite(values: NDArray[Any], where: str) -> None:
    for start in range(0, len(values) if values.dtype.kind == "f" else 0, _PIECE):
        finite = np.isfinite(values[start : start + _PIECE]).reshape(-1, values[0].size).all(axis=1)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite)[0])
            raise InputError(f"{where}[{row}] has NaN or infinite values")


def _unit(images: NDArray[Any], where: str) -> bool:
    """Return whether images are floats in [0, 1] (or booleans), False for whole numbers from 0 to 255.

    Raises InputError for values that are neither.
    """
    if images.dtype.kind == "b" or images.dtype == np.uint8:
        return images.dtype.kind == "b"
    low, high = images.min(), images.max()
    if images.dtype.kind == "f":
        if low >= 0 and high <= 1:
            return True
        pieces = (images[start : start + _PIECE] for start in range(0, len(images), _PIECE))
        if low >= 0 and high <= 255 and all((piece == np.floor(piece)).all() for piece in pieces):
            return False
        raise InputError(
            f"{where}: float pixels from {low:g} to {high:g}, they must lie in [0, 1], or be whole numbers from 0 to "
            "255: rescale them"
        )
    if low < 0 or high > 255:
        raise InputError(
            f"{where} is {images.dtype} with pixels from {low} to {high}, they must go from 0 to 255: rescale them "
            "to that, or to floats in [0, 1]"
        )
    return False


@dataclass(frozen=True, eq=False)
class _Bytes:
    """The images of both parts as bytes, which are read when they are asked for."""

    train: NpzSplit
    held: NpzSplit

    @cached_property
    def units(self) -> tuple[bool, bool]:
        """Whether the images of each part are floats in [0, 1]; InputError where two parts of floats differ."""
        own, held = (_unit(part.values, part.where) for part in (self.train, self.held))
        if own != held and self.train.dtype.kind == self.held.dtype.kind == "f":
            highest = [f"{part.values.max():g}" for part in (self.train, self.held)]
            raise InputError(
                f"{self.held.where} goes up to {highest[1]}, {self.train.where} to {highest[0]}: scale them alike"
            )
        return own, held

    def notes(self) -> tuple[str, ...]:
        """Return a line where the training images are dark, which they are where white is no 255."""
        brightest = 255 if self.units[0] else self.train.values.max()
        if brightest >= _DARK:
            return ()
        name = self.train.where.rpartition(": ")[2]
        return (
            f"{name}: the brightest training pixel is {brightest:g} of 255; if it is white, scale the images",
        )

    def chunks(self, part: NpzSplit) -> Iterator[Chunk]:
        """Yield the images of a part as rows, and its labels, in pieces."""
        images, unit = part.values, self.units[part is self.held]
        if images.ndim == 4 and images.shape[3] not in (1, 3):
            images = images.transpose(0, 2, 3, 1)
        for start in range(0, len(images), _PIECE):
            piece = images[start : start + _PIECE]
            if unit:
                piece = np.rint(255 * piece.astype(np.float64))
            yield to_planes(piece.astype(np.uint8, copy=False)), part.labels[start : start + _PIECE]
