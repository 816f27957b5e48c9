"""The training and the validation part of a .npz file: labels that are checked, and values that are read when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope import experiment
from prunescope.data.raw_images import Labels
from prunescope.data.sources.held_out import held_out
from prunescope.data.sources.labels import check_size, numbered
from prunescope.data.sources.npz_archive import headers, load_arrays
from prunescope.data.sources.npz_keys import keys_of, unused_part
from prunescope.errors import InputError
from prunescope.memory import check_memory

PIECE = 10_000  # images that are taken at a time


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
    keys = keys_of(path, found, data)
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
        return path, replace(part(keys[0], own), notes=unused_part(found, keys, data)), part(keys[2], held)
    chosen = held_out(own)
    if not chosen.any():
        raise InputError(
            f"{path}: one image a class in {keys[1]}, so that none can be held out for validation"
        )
    return path, part(keys[0], own[~chosen], ~chosen), part(keys[0], own[chosen], chosen)


def _one_array(path: Path, key: str) -> NDArray[Any]:
    return load_arrays(path, (key,))[key]


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


def _check_finite(values: NDArray[Any], where: str) -> None:
    for start in range(0, len(values) if values.dtype.kind == "f" else 0, PIECE):
        finite = np.isfinite(values[start : start + PIECE]).reshape(-1, values[0].size).all(axis=1)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite)[0])
            raise InputError(f"{where}[{row}] has NaN or infinite values")
