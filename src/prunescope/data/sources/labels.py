"""This module turns the labels that files hold into class numbers from 0, or refuses them before any image is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.raw_images import Labels
from prunescope.data.source_checks import checked_labels
from prunescope.errors import InputError, shortened
from prunescope.experiment.paths import has_surrogates
from prunescope.memory import check_memory

_MOST = 100_000  # classes, where numbers may be left out
_INT64 = 1 << 63
_NAME = 500  # characters of a class's name
_COPIES = 4  # of labels, as int64 or text, that are held while they are numbered
_LAST = 0x10FFFF  # the last code point of Unicode


def listed(values: object, where: str) -> NDArray[Any]:
    """Return the labels of a file that holds them as an array, or as a list of numbers or of one-hot rows.

    Raises InputError for anything else, such as text, of which the longest would decide how much memory all take.
    """
    if isinstance(values, np.ndarray):
        return values
    rows: list[Any] = values if isinstance(values, list) else [None]
    if rows and all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
        rows = [number for row in rows for number in row]
    if any(not isinstance(number, int | float) or abs(number) > _INT64 for number in rows):
        raise InputError(f"{where}: labels must be whole numbers, one a row: some are something else")
    return np.asarray(values)


def check_size(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
    """Raise InputError for labels of this shape and type, before they are read, that are none or too large to number."""
    if dtype.kind not in "biufUS" or not dtype.itemsize:
        raise InputError(f"{where}: labels are {shortened(str(dtype), _NAME)}, they must be integers [N]")
    item = 4 * dtype.itemsize if dtype.kind == "S" else max(8, dtype.itemsize)
    check_memory(_COPIES * math.prod(shape) * item, f"{where}: these labels")


def check_names(names: Iterable[str], where: str) -> None:
    """Raise InputError for a class name that is no valid text, or so long that it is no name."""
    for name in names:
        if len(name) > _NAME:
            raise InputError(
                f"{where}: a label of {len(name):,} characters begins with {name[:40]!r}: names of classes have at "
                f"most {_NAME}"
            )
        if has_surrogates(name):
            raise InputError(f"{where}: label {name!r} is not valid text: name the class anew")


def whole_numbers(values: NDArray[Any], where: str) -> Labels:
    """Return labels [N], [N, 1] or one-hot [N, K] as int64 [N].

    Integers, booleans and floats that are whole numbers are read; of a one-hot row the place of its 1. Raises
    InputError, which names the place as ``where``, for several classes an image, fractions, NaN, and a part in which
    every label is -1, which means that it has none.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and values.shape[1] and values.dtype.kind in "biuf":
        return _from_one_hot(values, where)
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise InputError(
            f"{where}: labels are {values.dtype} {list(values.shape)}, they must be integers [N]"
        )
    if values.dtype.kind == "f":
        _check_whole(values, where)
    if values.dtype == np.uint64 and values.size and values.max() > np.iinfo(np.int64).max:
        raise InputError(f"{where}: label {values.max()} is too large for the number of a class")
    labels = values.astype(np.int64)
    if labels.size and (labels == -1).all():
        raise InputError(
            f"{where}: every label is -1, so that this part has none: choose a part with labels "
            "(data.train_split, data.validation_split)"
        )
    return labels


def _from_one_hot(values: NDArray[Any], where: str) -> Labels:
    ones = (values == 1).sum(axis=1) == 1
    zeros = (values == 0).sum(axis=1) == values.shape[1] - 1
    wrong = np.flatnonzero(~(ones & zeros))
    if wrong.size:
        raise InputError(
            f"{where} has shape {list(values.shape)} and row {wrong[0]} is not one-hot: one class an image is read; "
            "store the number of its class (argmax of the row, if it holds scores)"
        )
    return values.argmax(axis=1).astype(np.int64)


def _check_whole(values: NDArray[Any], where: str) -> None:
    """Raise InputError unless all floats are whole numbers that int64 can hold."""
    # NaN and infinity are unequal to their floor or too large, so that one comparison finds all.
    kind = values.dtype
    with np.errstate(
        over="ignore"
    ):  # Half precision does not hold the bound, and extended precision more than it.
        values = values.astype(np.float64)
    fits = np.abs(values) < 2.0**53
    wrong = np.flatnonzero(~(fits & (values == np.floor(np.where(fits, values, 0)))))
    if wrong.size:
        raise InputError(
            f"{where}: labels are {kind}, they must be integers: that of image {wrong[0]} is "
            f"{values[wrong[0]]:g}"
        )


def counted(labels: Labels, where: str, gaps: bool) -> int:
    """Return the number of classes of training labels, which is one more than the largest.

    ``gaps``: whether numbers may be left out, as a task that groups classes allows. Raises InputError for a negative
    label, a single class, numbers that are left out, and numbers so large that they cannot count classes.
    """
    distinct = np.unique(labels)
    if distinct[0] < 0:
        checked_labels(labels, int(distinct[-1]) + 1, where)
    if len(distinct) < 2:
        raise InputError(f"{where}: all labels are {distinct[0]}: at least 2 classes are needed")
    highest = int(distinct[-1])
    if len(distinct) == highest + 1 or (gaps and highest < _MOST):
        return highest + 1
    if distinct[0] == 1 and len(distinct) == highest:
        raise InputError(f"{where}: labels go from 1 to {highest}: number them from 0")
    raise InputError(
        f"{where}: {len(distinct)} different labels, from {distinct[0]} to {highest}: number them 0 to "
        f"{len(distinct) - 1} (class {_first_missing(distinct)} has no training image)"
    )


def check_all_trained(labels: Labels, names: Sequence[str], where: str) -> None:
    """Raise InputError unless each of the classes ``names`` has a training label."""
    missing = np.flatnonzero(np.bincount(labels, minlength=len(names)) == 0)
    if missing.size:
        raise InputError(
            f"{where}: class {missing[0]} ({names[missing[0]]}) has no training image: every class needs one "
            f"({missing.size} of {len(names)} have none; see data.task)"
        )


def by_name(names: Sequence[str]) -> tuple[str, ...]:
    """Return class names in their order: sorted, by number where all are numbers."""
    numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name), name) if numbers else (0, name)))


def named(train: Sequence[str], held: Sequence[str], where: str, held_where: str) -> tuple[str, ...]:
    """Return the classes of the different training names, in order, after checking those of validation.

    Raises InputError for a single class, empty names, and a validation name that no training image has.
    """
    for names, place in ((train, where), (held, held_where)):
        if any(not name.strip() for name in names):
            raise InputError(f"{place}: some labels are empty: leave these images out, or name their class")
        check_names(names, place)
    if len(train) < 2:
        raise InputError(f"{where}: all labels are {train[0]!r}: at least 2 classes are needed")
    unknown = sorted(set(held) - set(train))
    if unknown:
        raise InputError(f"{held_where}: label {unknown[0]!r} is not a class of the training images")
    return by_name(train)


def numbered(
    train: NDArray[Any], held: NDArray[Any], places: tuple[str, str], gaps: bool
) -> tuple[Labels, Labels, tuple[str, ...]]:
    """Return training and validation labels as class numbers from 0, and the names of the classes.

    Text is taken as class names, which are sorted; numbers are kept. ``held`` may be empty. ``places``: how messages
    name the two. ``gaps``: as ``counted`` says. Raises InputError for labels that are not one class an image.
    """
    train, held = (_text(values, where) for values, where in zip((train, held), places, strict=True))
    if train.dtype.kind == "U":
        if held.size and held.dtype.kind != "U":
            raise InputError(f"{places[1]}: labels are {held.dtype}, those of {places[0]} are text")
        own, others = np.unique(train), np.unique(held).tolist()
        names = named(own.tolist(), others, *places)
        number = {name: i for i, name in enumerate(names)}
        order = np.array([number[name] for name in own.tolist()], np.int64)
        return order[np.searchsorted(own, train)], order[np.searchsorted(own, held.astype(own.dtype))], names
    labels = whole_numbers(train, places[0])
    classes = counted(labels, places[0], gaps)
    if not held.size:
        return labels, np.empty(0, np.int64), tuple(str(number) for number in range(classes))
    other = checked_labels(whole_numbers(held, places[1]), classes, places[1])
    return labels, other, tuple(str(number) for number in range(classes))


def _text(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Return labels of text as [N] in NumPy's type for text, and other labels as they are.

    Raises InputError for numbers in the place of characters that stand for none.
    """
    if values.dtype.kind not in "US":
        return values
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1:
        raise InputError(f"{where}: labels of text have shape {list(values.shape)}, expected [N]")
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    codes = np.ascontiguousarray(values).view(f"{values.dtype.str[0]}u4")
    if codes.size and codes.max() > _LAST:
        raise InputError(
            f"{where}: labels of text hold {codes.max()}, which is no character: the file is damaged"
        )
    return values


def _first_missing(distinct: Labels) -> int:
    """Return the least number from 0 that is not among the sorted numbers ``distinct``."""
    places = np.flatnonzero(distinct != np.arange(len(distinct)))
    return int(places[0]) if places.size else len(distinct)
