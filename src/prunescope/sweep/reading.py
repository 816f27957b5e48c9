"""From what is typed, or from SWEEP.toml, to jobs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from prunescope.errors import InputError
from prunescope.experiment import load
from prunescope.sweep.axes import Settings, flat, grid, override, parse
from prunescope.sweep.jobs import Job
from prunescope.sweep.planning import check_distinct

KEYS = ("experiment", "seeds", "fields", "grid", "runs")


@dataclass(frozen=True)
class Entry:
    """An experiment, fields to set (lists are axes) and seeds. ``origin`` names it in errors."""

    experiment: str
    settings: Settings
    seeds: tuple[int, ...]
    origin: str


def read_jobs(source: str, overrides: Iterable[str] = (), seeds: int | None = None) -> list[Job]:
    """The jobs of an experiment (a preset's name or a TOML file) or of a SWEEP.toml, in its order.

    ``overrides`` are ``key=value`` or ``key=[a,b]`` and apply to every entry; ``seeds`` N means 0 … N-1, in place
    of those in the file. Raises InputError for a field, a file or a list that is wrong, and for two entries that
    are the same experiment.
    """
    if seeds is not None and seeds < 1:
        raise InputError(f"--seeds is {seeds}; it must be 1 or more")
    by_hand = dict(map(parse, overrides))
    given = None if seeds is None else tuple(range(seeds))
    table = _sweep_table(source)
    entries = [Entry(source, {}, (0,), source)] if table is None else _entries(table, Path(source))
    jobs = [job for entry in entries for job in _jobs(entry, by_hand, given)]
    check_distinct(jobs)
    return jobs


def _jobs(entry: Entry, by_hand: Settings, seeds: tuple[int, ...] | None) -> list[Job]:
    found = []
    for settings in grid(entry.settings | by_hand, entry.origin):
        try:
            experiment = load(entry.experiment, [override(*setting) for setting in settings.items()])
        except InputError as error:
            prefix = "" if entry.origin == entry.experiment else f"{entry.origin}: "
            raise InputError(f"{prefix}{error}") from None
        found += [Job(experiment, seed) for seed in seeds or entry.seeds]
    return found


def _sweep_table(source: str) -> dict[str, Any] | None:
    """What a SWEEP.toml holds; None for a preset's name and for the TOML file of one experiment."""
    path = Path(source)
    if path.suffix != ".toml" or not path.is_file():
        return None
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    return table if table.keys() & set(KEYS) else None


def _entries(table: dict[str, Any], path: Path) -> list[Entry]:
    for key in table:
        if key not in KEYS:
            close = get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"keys of a sweep are {', '.join(KEYS)}"
            raise InputError(f"{path}: unknown key {key!r}: {hint}")
    fields, axes = (_table(table, key, path) for key in ("fields", "grid"))
    runs = table.get("runs", [])
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise InputError(f"{path}: runs is {runs!r}: write [[runs]] and fields below it, once for each")
    for key in ("grid", "runs"):
        if key in table and not table[key]:
            raise InputError(f"{path}: {key} is empty: nothing to run")
    entries = [
        _entry(run, table, fields, path, f"{path}, run {number}") for number, run in enumerate(runs, 1)
    ]
    if axes or not runs:
        entries.insert(0, _entry(axes, table, fields, path, f"{path}"))
    return entries


def _entry(run: dict[str, Any], table: dict[str, Any], fields: Settings, path: Path, origin: str) -> Entry:
    settings = flat({key: value for key, value in run.items() if key not in ("experiment", "seeds")})
    experiment = run.get("experiment", table.get("experiment"))
    if not isinstance(experiment, str):
        raise InputError(f"{origin}: experiment is {experiment!r}: give a preset's name or a TOML file")
    if experiment.endswith(".toml"):
        experiment = str(path.parent / experiment)
    seeds = _seeds(run.get("seeds", table.get("seeds", 1)), origin)
    return Entry(experiment, fields | settings, seeds, origin)


def _table(table: dict[str, Any], key: str, path: Path) -> Settings:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{path}: {key} is {value!r}: write [{key}] and fields below it")
    return flat(value)


def _seeds(value: Any, origin: str) -> tuple[int, ...]:
    """N means 0 … N-1; a list is taken as it stands."""
    if _is_whole(value) and value >= 1:
        return tuple(range(value))
    if _is_list_of_seeds(value):
        return tuple(value)
    raise InputError(f"{origin}: seeds is {value!r}: give how many, or a list as in [3, 5]")


def _is_list_of_seeds(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 0
        and all(_is_whole(seed) and seed >= 0 for seed in value)
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
