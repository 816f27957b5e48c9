"""This module computes the labels of a task from class numbers, groups, class maps or ImageNet's macro-classes."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prunescope import experiment
from prunescope.data.raw_images import Labels
from prunescope.data.tasks.imagenet import (
    CLASSES,
    MACRO_CLASSES,
    OFFICIAL,
    ORDERS,
    categories,
    devkit_places,
    unknown_name,
)
from prunescope.data.tasks.random_groups import KEPT, deal, first_kept, half_kept
from prunescope.errors import InputError, first_line, shortened
from prunescope.experiment.paths import decoded
from prunescope.files import read_limited

_MOST_BYTES = 64_000_000  # of a class map
_INTEGER = re.compile(r"-?[0-9]{1,300}")
_LARGEST = 1_000_000_000  # number of a class
_SHOWN = 60  # characters of a value that a message shows


@dataclass(frozen=True, eq=False)
class Task:
    """A task: the label that each class of the source gets, and the names of the new classes.

    ``labels``: int64 [classes of the source], each from 0 to len(classes) - 1. ``notes``: what is uncertain about it.
    """

    labels: Labels
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def resolve(data: experiment.Data, classes: Sequence[str]) -> Task:
    """Return the task of ``data`` on a source whose classes are named ``classes``.

    A ``data.class_order`` file is applied first. If it holds numbers, counted from 1, they replace the source's own
    numbers, which modulo groups and class maps use; if it holds names, they replace the class names. All 1000
    classes of ImageNet are numbered as in the devkit, from 0. Raises InputError for a class that a file leaves out,
    for labels that are not 0 … K-1, for more groups than classes, and for a semantic task on classes that are not
    known to be ImageNet's. See docs/science.md, "Tasks".
    """
    names, numbers = list(classes), np.arange(len(classes))
    if data.class_order and data.class_order not in ORDERS:
        names, numbers = _ordered(data.class_order, names)
    places = devkit_places(data, names, numbers)
    if places is not None and len(names) == CLASSES:
        numbers = places
    if places is not None and data.source in OFFICIAL:
        names = [categories()[place].wnid for place in places]
    kind, _, rest = data.task.partition(":")
    match kind:
        case "modulo":
            task = _modulo(int(rest), numbers)
            sure = places is not None or len(names) != CLASSES or data.class_order
            return task if sure else replace(task, notes=(_uncertain(data),))
        case "random":
            return _random(int(rest), numbers)
        case "map":
            return _mapped(rest, data.root_path, names, numbers)
        case "classes":
            order = np.argsort(numbers)
            rank = np.argsort(order)  # numbers may have gaps, labels must not
            return Task(rank.astype(np.int64), tuple(names[i] for i in order))
    if places is None:
        raise InputError(
            f"data.task={data.task} needs classes of ImageNet, but {unknown_name(names)!r} is not the wnid of "
            "one, such as n02119789: say data.class_order=devkit, sorted or FILE"
        )
    return _semantic(kind, places)


def _uncertain(data: experiment.Data) -> str:
    """Return a note for data that may be ImageNet's but do not say in which order their classes stand."""
    return (
        f"data.task={data.task} uses the {CLASSES} class numbers of the files; if they are ImageNet's, sorted by "
        "wnid as on Hugging Face, data.class_order=sorted gives the devkit's numbers, as in the paper"
    )


def _modulo(groups: int, numbers: Labels) -> Task:
    _check_groups("modulo", groups, numbers)
    return Task((numbers % groups).astype(np.int64), tuple(f"{i} mod {groups}" for i in range(groups)))


def _random(groups: int, numbers: Labels) -> Task:
    _check_groups("random", groups, numbers)
    return Task(_in_order(numbers, deal(len(numbers), groups)), tuple(f"random {i}" for i in range(groups)))


def _check_groups(task: str, groups: int, numbers: Labels) -> None:
    if groups > len(numbers):
        raise InputError(f"data.task={task}:{groups}: the data has only {len(numbers)} classes")


def _semantic(kind: str, places: Labels) -> Task:
    """Return the task of the macro-classes (paper, Table 1), or of their random variants, dealt in devkit order."""
    labels = np.array([categories()[place].semantic for place in np.sort(places)], np.int64)
    names = MACRO_CLASSES
    if kind == "semantic-5-random-5":
        labels = first_kept(labels)
        names = (*names[:KEPT], *(f"random {i}" for i in range(len(names) - KEPT)))
    elif kind == "semantic-partial":
        labels, names = half_kept(labels), tuple(f"half {name}" for name in names)
    return Task(_in_order(places, labels), names)


def _in_order(numbers: Labels, labels: Labels) -> Labels:
    """Return the labels of the classes in the source's order, from those of the classes sorted by number."""
    return labels[np.argsort(np.argsort(numbers))]


def _ordered(order: str, names: list[str]) -> tuple[list[str], Labels]:
    """Return names and numbers (from 0) of the classes after a mapping file from label to number or wnid."""
    found = _lookup(Path(decoded(order)), None, names, np.arange(len(names)))
    if all(_is_integer(value) for value in found):
        numbers = [int(value) - 1 for value in found]
        if min(numbers) < 0 or max(numbers) > _LARGEST or len(set(numbers)) < len(numbers):
            raise InputError(f"{order}: class numbers must be different, at least 1 and at most {_LARGEST:,}")
        return names, np.array(numbers, np.int64)
    if len(set(found)) < len(found):
        raise InputError(f"{order}: class names must be different")
    return found, np.arange(len(names))


def _mapped(argument: str, root: Path, names: list[str], numbers: Labels) -> Task:
    """Return the task of the class map FILE or FILE:COLUMN, whose path may be relative to ``root``."""
    argument = decoded(argument)
    path, column = Path(argument), None
    if not os.path.exists(path) and ":" in argument:
        before, _, column = argument.rpartition(":")
        path = Path(before)
    if not os.path.exists(path) and os.path.exists(root / path):
        path = root / path
    found = _lookup(path, column, names, numbers)
    bad = next((value for value in found if not _is_integer(value)), None)
    if bad is not None:
        raise InputError(f"{path}: new label {shortened(bad, _SHOWN)!r} is not an integer")
    values = [int(value) for value in found]
    different = sorted(set(values))  # no longer than the classes, however large a value is
    gap = next((place for place, value in enumerate(different) if place != value), None)
    if gap is not None:
        what = f"{different[0]} is negative" if different[0] < 0 else f"{gap} is missing"
        raise InputError(f"{path}: new labels must be 0 to K-1 without a hole: {what}")
    return Task(np.array(values, dtype=np.int64), tuple(str(value) for value in different))


def _lookup(path: Path, column: str | None, names: list[str], numbers: Labels) -> list[str]:
    """Return the file's value for every class.

    A key that is an integer is a class number from 0, and any other key is a class name. Names are tried first,
    since the table's numbers may belong to another order of the classes.
    """
    header, rows = _read(path)
    if column is not None and column not in header:
        raise InputError(
            f"{path}: no column {column!r}; its columns are {shortened(', '.join(header)) or 'not named'}"
        )
    value = 1 if column is None else header.index(column)
    if value >= min(len(row) for row in rows) or max(len(row) for row in rows) < 2:
        raise InputError(f"{path}: a line is too short, expected label<TAB>new label")
    keys = [0] if column is None else [i for i in range(min(map(len, rows))) if i != value]
    by_name = ["" if _is_integer(name) else name for name in names]
    by_number = [str(number) for number in numbers]
    for key, wanted in [*((key, by_name) for key in keys), (keys[0], by_number)]:
        table = {row[key]: row[value] for row in rows}
        if len(table) == len(rows) and all(name in table for name in wanted):
            return [table[name] for name in wanted]
    known = [row[keys[0]] for row in rows]
    if len(set(known)) < len(known):
        raise InputError(
            f"{path}: {shortened(Counter(known).most_common(1)[0][0], _SHOWN)!r} has two lines, one is right"
        )
    there = set(known)
    absent = [i for i, name in enumerate(by_name) if name not in there and by_number[i] not in there]
    if not absent:
        raise InputError(f"{path}: its first column mixes class names and numbers: use one of them")
    number, name = by_number[absent[0]], names[absent[0]]
    raise InputError(f"{path}: no line for class {number} ({shortened(name, _SHOWN)}): every class needs one")


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header (empty if there is none) and the rows of a tab- or comma-separated file."""
    try:
        data = read_limited(path, _MOST_BYTES, "not a file of one line a class")
        text = data.decode("utf-8-sig")  # spreadsheets put a byte order mark first
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a UTF-8 text file") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    separator = "\t" if lines and "\t" in lines[0] else ","
    if separator == "\t":
        rows = [[cell.strip() for cell in line.split("\t")] for line in lines]
    else:
        try:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
        except csv.Error as error:
            raise InputError(f"{path}: not a table of text: {first_line(error)}") from None
    header: list[str] = []
    if rows and rows[0][0].lower() in ("label", "class", "wnid", "name", "number"):
        header = rows.pop(0)
    if not rows:
        raise InputError(f"{path}: no line in it, expected label<TAB>new label")
    return header, rows


def _is_integer(text: str) -> bool:
    """Return whether text is an integer, of ASCII digits and no longer than Python reads."""
    return _INTEGER.fullmatch(text) is not None
