"""The jobs that a command line or a SWEEP.toml file describes: experiments, grids of their fields, and seeds."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.errors import InputError, did_you_mean
from prunescope.experiment import load
from prunescope.experiment.dotted import takes_list
from prunescope.experiment.loading import to_stderr
from prunescope.experiment.overrides import formatted, parsed_axis
from prunescope.experiment.toml import read_toml
from prunescope.experiment.wording import shown
from prunescope.pruning.running import unread_fields
from prunescope.sweep.job import Job, check_distinct

Settings = dict[str, Any]  # values of fields by dotted name, as TOML has them
MOST_RUNS = 10_000  # of one sweep, for which it is planned within a minute
KEYS = ("experiment", "seeds", "fields", "grid", "runs")


@dataclass(frozen=True)
class SweepEntry:
    """An experiment of a sweep: a preset or TOML file, the fields to set (lists are axes of a grid) and the seeds.

    ``origin`` names the entry in error messages.
    """

    experiment: str
    settings: Settings
    seeds: tuple[int, ...]
    origin: str


def read_jobs(source: str, overrides: Iterable[str] = (), seeds: int | None = None) -> list[Job]:
    """Return the jobs of an experiment (a preset's name or a TOML file) or of a SWEEP.toml, in the order of the file.

    ``overrides`` are ``key=value`` or ``key=[a,b]`` and apply to every entry; ``seeds`` N means 0 … N-1, in place
    of those in the file. Raises InputError for a field, a file or a list that is wrong, and for two entries that
    are the same experiment.
    """
    if seeds is not None and not 1 <= seeds <= MOST_RUNS:
        raise InputError(f"--seeds is {shown(seeds)}; it must be 1 or more, and at most {MOST_RUNS:,}")
    overridden = dict(map(parsed_axis, overrides))
    given = None if seeds is None else tuple(range(seeds))
    table = _sweep_table(source)
    entries = [SweepEntry(source, {}, (0,), source)] if table is None else _entries(table, Path(source))
    _check_count(entries, overridden, given)
    jobs = [job for entry in entries for job in _jobs(entry, overridden, given)]
    check_distinct(jobs)
    return jobs


def _check_count(entries: Sequence[SweepEntry], overridden: Settings, seeds: tuple[int, ...] | None) -> None:
    """Raise InputError where the grids of ``entries`` and their seeds are too many runs to plan; none is made for that."""
    count = 0
    for entry in entries:
        settings = entry.settings | overridden
        axes = (len(_axis_values(name, value, entry.origin)) for name, value in settings.items())
        count += math.prod(axes) * len(seeds or entry.seeds)
        if count > MOST_RUNS:
            raise InputError(
                f"{entry.origin}: {shown(count)} runs or more; a sweep has at most {MOST_RUNS:,}: "
                "split the grid or the seeds"
            )


def _jobs(entry: SweepEntry, overridden: Settings, seeds: tuple[int, ...] | None) -> list[Job]:
    found: list[Job] = []
    notes: dict[str, None] = {}  # Each is said once, though it is of many jobs.
    for settings in grid(entry.settings | overridden, entry.origin):
        try:
            given = [formatted(*setting) for setting in settings.items()]
            experiment = load(entry.experiment, given, lambda note: notes.setdefault(note))
        except InputError as error:
            prefix = "" if entry.origin == entry.experiment else f"{entry.origin}: "
            raise InputError(f"{prefix}{error}") from None
        for note in unread_fields(experiment, given):
            notes.setdefault(note)
        found += [Job(experiment, seed) for seed in seeds or entry.seeds]
    for note in notes:
        to_stderr(note)
    return found


def _sweep_table(source: str) -> dict[str, Any] | None:
    """Return what a SWEEP.toml holds; None for a preset's name and for the TOML file of one experiment."""
    path = Path(source)
    if path.suffix != ".toml" or not path.is_file():
        return None
    table = read_toml(path)
    return table if table.keys() & set(KEYS) else None


def _entries(table: dict[str, Any], path: Path) -> list[SweepEntry]:
    for key in table:
        if key not in KEYS:
            hint = did_you_mean(key, KEYS, f"keys of a sweep are {', '.join(KEYS)}")
            raise InputError(f"{path}: unknown key {shown(key)}: {hint}")
    fields, axes = (_table(table, key, path) for key in ("fields", "grid"))
    runs = table.get("runs", [])
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise InputError(f"{path}: runs is {shown(runs)}: write [[runs]] and fields below it, once for each")
    for key in ("grid", "runs"):
        if key in table and not table[key]:
            raise InputError(f"{path}: {key} is empty: nothing to run")
    entries = [
        _entry(run, table, fields, path, f"{path}, run {number}") for number, run in enumerate(runs, 1)
    ]
    if axes or not runs:
        entries.insert(0, _entry(axes, table, fields, path, f"{path}"))
    return entries


def _entry(
    run: dict[str, Any], table: dict[str, Any], fields: Settings, path: Path, origin: str
) -> SweepEntry:
    settings = flat({key: value for key, value in run.items() if key not in ("experiment", "seeds")})
    experiment = run.get("experiment", table.get("experiment"))
    if not isinstance(experiment, str):
        raise InputError(f"{origin}: experiment is {shown(experiment)}: give a preset's name or a TOML file")
    if experiment.endswith(".toml"):
        experiment = str(path.parent / experiment)
    seeds = _seeds(run.get("seeds", table.get("seeds", 1)), origin)
    return SweepEntry(experiment, fields | settings, seeds, origin)


def _table(table: dict[str, Any], key: str, path: Path) -> Settings:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{path}: {key} is {shown(value)}: write [{key}] and fields below it")
    return flat(value)


def _seeds(value: Any, origin: str) -> tuple[int, ...]:
    """Return seeds 0 … N-1 for a whole number N, and a list of seeds as it is; raise InputError for anything else."""
    if _is_whole(value) and 1 <= value <= MOST_RUNS:
        return tuple(range(value))
    if _is_list_of_seeds(value):
        return tuple(value)
    raise InputError(
        f"{origin}: seeds is {shown(value)}: give how many, or a list as in [3, 5] (at most {MOST_RUNS:,})"
    )


def _is_list_of_seeds(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 0
        and all(_is_whole(seed) and seed >= 0 for seed in value)
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def grid(settings: Mapping[str, Any], origin: str) -> list[Settings]:
    """Return every combination of the axes among ``settings``, the first axis slowest; fixed fields are in all of them.

    A list is an axis, except where the field takes a list (network.hidden, prune.density, …): there a list of
    lists is. Raises InputError for an axis without values.
    """
    values_of = {name: _axis_values(name, value, origin) for name, value in settings.items()}
    return [dict(zip(values_of, values, strict=True)) for values in itertools.product(*values_of.values())]


def _axis_values(name: str, value: Any, origin: str) -> list[Any]:
    if name in ("seed", "seeds"):
        raise InputError(
            f"{origin}: {name} is no field of an experiment; seeds are given by --seeds N or seeds = N"
        )
    if not isinstance(value, list):
        return [value]
    if not value:
        raise InputError(f"{origin}: {name} is an empty list: an axis needs at least one value")
    if not takes_list(name):
        return value
    nested = [isinstance(item, list) for item in value]
    if any(nested) and not all(nested):
        raise InputError(
            f"{origin}: {name} is {json.dumps(value)}: {name} takes a list, so its axis is a list of lists"
        )
    return value if all(nested) else [value]


def flat(table: Mapping[str, Any], prefix: str = "") -> Settings:
    """Return the values of a TOML table by dotted names: ``{train: {lr: 1}}`` and ``{"train.lr": 1}`` are the same."""
    found: Settings = {}
    for key, value in table.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
