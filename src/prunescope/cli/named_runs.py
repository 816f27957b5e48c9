"""This module finds the runs that a command line names: run directories, or folders that hold some."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.runs.directory import Run

Result = TypeVar("Result")


def runs_at(places: Iterable[Path]) -> list[Run]:
    """Return the runs at and below ``places``, each once, in the order given.

    A run directory is opened as it is; where several places are given, a damaged one is named on stderr and left out. Of a
    folder the runs below it are taken; those that cannot be read, or have no finished level, are named on stderr and left
    out. Raises InputError for a place without a run.
    """
    from prunescope.analysis.tables import find_runs
    from prunescope.runs.directory import Run, is_run

    found: dict[Path, Run] = {}
    named = list(places)
    for place in named:
        if is_run(place):
            run = Run(place) if len(named) == 1 else _undamaged(place)
            if run is not None:
                found.setdefault(place.resolve(), run)
            continue
        if not place.exists():
            raise InputError(f"{place}: no such file or folder")
        if not any(place.rglob("run.json")):
            raise InputError(f"{place}: not a run directory, and none is below it (no run.json)")
        below = find_runs([place])
        for path, problem in below.problems.items():
            print(f"prunescope: {path}: {problem}; left out", file=sys.stderr)
        if not below.runs:
            raise InputError(f"{place}: no run below it can be shown")
        for run in below.runs:
            found.setdefault(run.path.resolve(), run)
    if named and not found:
        raise InputError(f"{named[0]}: damaged, as are all others that were given")
    return list(found.values())


def _undamaged(place: Path) -> Run | None:
    """Return the run of a directory; None, and a line on stderr, where it is damaged."""
    from prunescope.runs.directory import Run

    try:
        run = Run(place)
        run.check()
    except InputError as error:
        _say_left_out(error)
        return None
    return run


def without_damaged(runs: Sequence[Run], act: Callable[[list[Run]], Result]) -> tuple[Result, list[Run]]:
    """Return what ``act`` returns for those of ``runs`` whose files it can read, and these runs.

    A run of which it finds a damaged file is named on stderr and left out. Raises InputError where the only one, or the last
    one, is damaged, and for everything else that is wrong.
    """
    left = list(runs)
    while True:
        try:
            return act(left), left
        except InputError as error:
            # What is wrong with a file begins with its path.
            kept = [run for run in left if not str(error).startswith(f"{run.path}{os.sep}")]
            if len(kept) == len(left) or not kept:
                raise
            _say_left_out(error)
            left = kept


def _say_left_out(error: InputError) -> None:
    print(f"prunescope: {error}; left out", file=sys.stderr)


def one_run_at(place: Path) -> Run:
    """Return the only run at or below ``place``; raise InputError, which names them, where there are several."""
    runs = runs_at([place])
    if len(runs) > 1:
        named = ", ".join(str(run.path) for run in runs[:3])
        raise InputError(f"{place}: holds {len(runs)} runs, name one: {named}{', …' * (len(runs) > 3)}")
    return runs[0]


def level_of(place: Path, level: int | None) -> tuple[Run, int]:
    """Return the only run at a place and the level asked for, the last one unless told.

    Raises InputError where there are several runs, and where the level is not finished.
    """
    run = one_run_at(place)
    return run, run.finished_level(level)


def is_elsewhere(place: Path) -> bool:
    """Return whether ``place`` is a file, or a folder of files, that holds no run."""
    from prunescope.runs.directory import is_run

    if is_run(place) or not place.exists():
        return False
    if place.is_file():
        return True
    return not any(place.rglob("run.json")) and any(path.is_file() for path in place.iterdir())
