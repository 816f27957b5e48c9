"""This module finds the runs that a command line names: run directories, or folders that hold some."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.runs.directory import Run


def runs_at(places: Iterable[Path]) -> list[Run]:
    """Return the runs at and below ``places``, each once, in the order given.

    A run directory is opened as it is. Of a folder the runs below it are taken; those that cannot be read, or have no
    finished level, are named on stderr and left out. Raises InputError for a place without a run.
    """
    from prunescope.analysis.tables import find_runs
    from prunescope.runs.directory import Run

    found: dict[Path, Run] = {}
    for place in places:
        if is_run(place):
            found.setdefault(place.resolve(), Run(place))
            continue
        if not any(place.rglob("run.json")):
            raise InputError(f"{place}: not a run directory, and none is below it (no run.json)")
        below = find_runs([place])
        for path, problem in below.problems.items():
            print(f"prunescope: {path}: {problem}; left out", file=sys.stderr)
        if not below.runs:
            raise InputError(f"{place}: no run below it can be shown")
        for run in below.runs:
            found.setdefault(run.path.resolve(), run)
    return list(found.values())


def one_run_at(place: Path) -> Run:
    """Return the only run at or below ``place``; raise InputError, which names them, where there are several."""
    runs = runs_at([place])
    if len(runs) > 1:
        named = ", ".join(str(run.path) for run in runs[:3])
        raise InputError(f"{place}: holds {len(runs)} runs, name one: {named}{', …' * (len(runs) > 3)}")
    return runs[0]


def is_run(place: Path) -> bool:
    """Return whether ``place`` is itself a run directory, or was meant to be one."""
    return any((place / name).is_file() for name in ("run.json", "experiment.toml"))
