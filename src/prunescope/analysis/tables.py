"""This module finds runs below folders and puts them in one table, with a row for each level and layer."""

from __future__ import annotations

import io
import json
import os
import types
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import polars

from prunescope.analysis.replicates import by_replicates, first_of_each_seed
from prunescope.arguments import listed, path_of
from prunescope.errors import InputError, damaged, first_line
from prunescope.experiment import Experiment
from prunescope.experiment.dotted import dotted_values, fields
from prunescope.experiment.paths import encoded
from prunescope.files import advising, check_file, write_bytes
from prunescope.runs.directory import Run

TYPES: dict[object, type[polars.DataType]] = {
    bool: polars.Boolean,
    int: polars.Int64,
    float: polars.Float64,
    str: polars.String,
}


@dataclass
class FoundRuns:
    """Runs that were found: those that can be read, and by path what is wrong with the others."""

    runs: list[Run] = field(default_factory=list)
    problems: dict[Path, str] = field(default_factory=dict)


def find_runs(places: Iterable[str | Path]) -> FoundRuns:
    """Return every run directory that is one of ``places`` or lies below one, each once.

    Runs are in the order of the places, and below each in the order of their paths. Directories that cannot be read are
    reported in ``problems``. Raises InputError for a place that holds no run directory.
    """
    found, seen = FoundRuns(), set()
    for place in [path_of("a place", one) for one in listed("places", places, "a list of paths")]:
        paths = sorted(about.parent for about in place.rglob("run.json"))
        if not paths:
            raise InputError(f"{place}: no run directory there or below (none has a run.json)")
        for path in paths:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                _read(path, found)
    return found


def _read(path: Path, found: FoundRuns) -> None:
    try:
        run = Run(path)
        run.check()
        assert run.table is not None  # This reads the table, so that a damaged one is found here.
    except InputError as error:
        found.problems[path] = str(error).removeprefix(f"{path}: ").removeprefix(f"{path}{os.sep}")
    else:
        found.runs.append(run)


def without_twins(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Return the first of several runs that agree in experiment, images and seed, in the order given.

    For each of the others there is a note, which names it and the run that is taken. The same rule holds for groups
    (``groups.replicates``).
    """
    taken: list[Run] = []
    notes: list[str] = []
    for alike in by_replicates(runs).values():
        first, said = first_of_each_seed(alike)
        taken += first
        notes += said
    return [run for run in runs if any(run is one for one in taken)], notes


def table(*places: str | Path) -> polars.DataFrame:
    """Return a table of every run below ``places``, with one row for each finished level and hidden layer.

    Its columns are name, identity, seed, status, path and validation_images (their number), those of levels.parquet (docs/columns.md; null where a run
    is older than the column), and every field of the experiment by its dotted name, such as ``train.lr``. Fields that
    take lists are JSON text. Runs that cannot be read are left out, and ``find_runs`` reports them. Of several
    runs of the same experiment, images and seed the first is taken, with a warning. Raises InputError where there is
    no run.
    """
    runs, notes = without_twins(find_runs(places).runs)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return table_of(runs)


def table_of(runs: Iterable[Run]) -> polars.DataFrame:
    """Return the table, as ``table`` describes it, of these runs; raises InputError when there is none."""
    parts = [_rows(run) for run in runs]
    if not parts:
        raise InputError("no run has a finished level: nothing to tabulate")
    return polars.concat(parts, how="diagonal_relaxed")


def check_table_place(path: Path) -> None:
    """Raise InputError where no table can be written: another ending than .parquet, a place that cannot be written."""
    if path.suffix != ".parquet":
        raise InputError(f"--out is {path}: the table is written as .parquet")
    check_file(path, "--out")


def write_table(rows: polars.DataFrame, path: Path) -> None:
    """Write a table to a .parquet file, whole or not at all; raises InputError for another ending of ``path``."""
    check_table_place(path)
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    with advising(path, "--out"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, buffer.getvalue())


def _rows(run: Run) -> polars.DataFrame:
    about, levels = run.about, run.table
    ahead = {"name": about["name"], "identity": about["identity"], "seed": run.seed}
    ahead |= {"status": run.status, "path": encoded(str(run.path))}
    columns = [polars.lit(value, dtype=TYPES[type(value)]).alias(name) for name, value in ahead.items()]
    # levels.parquet has the number of held-out images already.
    images = run.data.get("validation_images")
    columns.append(polars.lit(images, dtype=polars.Int64).alias("validation_images"))
    columns.append(polars.all())
    values = field_values(run.experiment)
    columns += [
        polars.lit(value, dtype=dtype).alias(name)
        for (name, dtype), value in zip(field_types().items(), values.values(), strict=True)
    ]
    try:
        return levels.select(columns)
    except polars.exceptions.PolarsError as error:
        # There is a column of the same name, or a number that 64 bits do not hold.
        raise damaged(run.path / "levels.parquet", f"does not go into a table: {first_line(error)}") from None


def field_values(experiment: Experiment) -> dict[str, Any]:
    """Return the value of every field but ``name``, by dotted name, with lists and tables as JSON text."""
    values = dotted_values(experiment)
    return {name: _cell(values[name], dtype) for name, dtype in field_types().items()}


def _cell(value: Any, dtype: type[polars.DataType]) -> Any:
    return value if value is None or isinstance(value, str) or dtype != polars.String else json.dumps(value)


def field_types() -> dict[str, type[polars.DataType]]:
    """Return the column type of every field but ``name``, by dotted name."""
    return {name: _type(info.annotation) for name, info in fields() if name != "name"}


def _type(annotation: object) -> type[polars.DataType]:
    """Return Int64, Float64 or Boolean for one number, String for texts and everything else."""
    if get_origin(annotation) is Literal:
        return polars.String
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = {_type(kind) for kind in get_args(annotation) if kind is not type(None)}
        return kinds.pop() if len(kinds) == 1 else polars.String
    if hasattr(annotation, "__metadata__"):  # Only Annotated types have this attribute.
        return _type(get_args(annotation)[0])
    return TYPES.get(annotation, polars.String)
