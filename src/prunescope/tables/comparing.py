"""Compare: groups of runs side by side, each quantity with n, spread and interval, and its difference to a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import polars

from prunescope.errors import InputError
from prunescope.figures.labels import labels
from prunescope.store import Run
from prunescope.tables.collect import field_values
from prunescope.tables.facts import NEAR, Facts, facts, quantities
from prunescope.tables.intervals import Spread, difference, spread


@dataclass(frozen=True)
class Group:
    """Runs that belong together. ``names``: by which of them a baseline may be chosen; ``seeds`` by run."""

    label: str
    names: frozenset[str]
    seeds: tuple[int, ...]
    facts: tuple[Facts, ...]

    def values(self, quantity: str) -> list[float]:
        """What its runs have of a quantity, those that have it."""
        return [value for one in self.facts if (value := one[quantity]) is not None]

    def by_seed(self, quantity: str) -> dict[int, float] | None:
        """The same by seed; None when two runs of the group have the same seed."""
        if len(set(self.seeds)) < len(self.seeds):
            return None
        pairs = zip(self.seeds, self.facts, strict=True)
        return {seed: value for seed, one in pairs if (value := one[quantity]) is not None}


@dataclass(frozen=True)
class Comparison:
    """Groups, the one that the others are held against, if any, and the density they are compared at."""

    groups: tuple[Group, ...]
    baseline: Group | None = None
    density: float | None = None

    def difference(self, group: Group, quantity: str) -> tuple[Spread, bool]:
        """``group`` less the baseline, and whether it is paired by seed: where two seeds or more are in both."""
        assert self.baseline is not None
        own, other = group.by_seed(quantity), self.baseline.by_seed(quantity)
        if own is not None and other is not None:
            shared = sorted(own.keys() & other.keys())
            if len(shared) > 1:
                return spread([own[seed] - other[seed] for seed in shared]), True
        return difference(group.values(quantity), self.baseline.values(quantity)), False

    def rows(self) -> list[dict[str, Any]]:
        """One row for each quantity and group: quantity, group, n, mean, sd, low, high.

        With a baseline also difference, difference_low, difference_high, difference_n and paired, which are
        None for the baseline itself. low and high are the 95 % interval of the mean.
        """
        names = [quantity.name for quantity in quantities(self.density)]
        return [self._row(name, group) for name in names for group in self.groups]

    def _row(self, quantity: str, group: Group) -> dict[str, Any]:
        own = spread(group.values(quantity))
        row: dict[str, Any] = {"quantity": quantity, "group": group.label, "n": own.n, "mean": own.mean}
        row |= {"sd": own.sd, "low": own.low, "high": own.high}
        if self.baseline is None:
            return row
        told, paired = self.difference(group, quantity) if group is not self.baseline else (None, None)
        if told is None or told.mean is None:
            names = ("difference", "difference_low", "difference_high", "difference_n", "paired")
            return row | dict.fromkeys(names)
        row |= {"difference": told.mean, "difference_low": told.low, "difference_high": told.high}
        return row | {"difference_n": told.n, "paired": paired}

    def frame(self) -> polars.DataFrame:
        """``rows`` as a table."""
        return polars.DataFrame(self.rows(), infer_schema_length=None)


def compare(
    runs: Iterable[Run], by: Sequence[str] = (), baseline: str | None = None, density: float | None = None
) -> Comparison:
    """Group finished runs by experiment, or by the dotted fields ``by`` (also name), and hold them side by side.

    ``baseline`` is a group's label, the value of a field in ``by``, or an experiment's name or identity; ``density``
    the u to compare at, over 0 and at most 1, in place of each run's best level. Raises InputError for no runs, an
    unknown field, a baseline that is no group or several, and a density that is none or that no run has been near.
    """
    if density is not None and not 0 < density <= 1:
        raise InputError(f"--density is {density:g}; it must be over 0 and at most 1")
    members: dict[Any, list[Run]] = {}
    for run in runs:
        key = tuple(_value(run, name) for name in by) if by else run.experiment.identity
        members.setdefault(key, []).append(run)
    if not members:
        raise InputError("no finished run to compare")
    if by:
        members = dict(sorted(members.items(), key=lambda entry: [_order(value) for value in entry[0]]))
    firsts = [group[0].experiment for group in members.values()]
    titles = [_title(by, key) for key in members] if by else labels(firsts)
    groups = tuple(
        _group(title, key if by else (), group, density)
        for title, (key, group) in zip(titles, members.items(), strict=True)
    )
    if density is not None and not any(group.values("u") for group in groups):
        raise InputError(f"--density is {density:g}; no run has a pruned level within a factor {NEAR} of it")
    return Comparison(groups, None if baseline is None else _baseline(groups, baseline), density)


def _group(title: str, values: Sequence[Any], runs: list[Run], density: float | None) -> Group:
    names = {title, *map(str, values)}
    if not values:
        names |= {name for run in runs for name in (run.experiment.name, run.experiment.identity)}
        names.add(runs[0].experiment.prune.method)
    return Group(
        title, frozenset(names), tuple(run.seed for run in runs), tuple(facts(run, density) for run in runs)
    )


def _value(run: Run, name: str) -> Any:
    fields = {"name": run.experiment.name, **field_values(run.experiment)}
    if name not in fields:
        close = get_close_matches(name, fields, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "fields have dotted names, as train.lr"
        raise InputError(f"--by is {name!r}, no field of an experiment: {hint}")
    return fields[name]


def _order(value: Any) -> tuple[bool, bool, Any]:
    """Numbers before texts, and what is not given last."""
    return value is None, isinstance(value, str), 0 if value is None else value


def _title(by: Sequence[str], values: Sequence[Any]) -> str:
    if len(by) == 1:
        return str(values[0])
    return ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in zip(by, values, strict=True))


def _baseline(groups: Sequence[Group], wanted: str) -> Group:
    exact = [group for group in groups if group.label == wanted]
    found = exact or [group for group in groups if wanted in group.names]
    if len(found) == 1:
        return found[0]
    what = "no group" if not found else f"{len(found)} groups"
    raise InputError(
        f"--baseline is {wanted!r}, which is {what}: groups are {', '.join(g.label for g in groups)}"
    )
