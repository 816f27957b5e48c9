"""This module compares groups of runs: each quantity with n, spread and interval, and its difference to a baseline."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars

from prunescope.analysis.curves import dense_accuracies
from prunescope.analysis.groups import Group, groups, place_notes, replicates
from prunescope.analysis.quantities import (
    NEAR,
    Facts,
    FirstLayerRows,
    Quantity,
    facts,
    fitted_gains,
    quantities,
)
from prunescope.analysis.replicates import by_replicates, same_data
from prunescope.analysis.statistics import Difference, Spread, difference, spread
from prunescope.analysis.tables import field_values
from prunescope.arguments import instance, listed, said
from prunescope.errors import InputError, did_you_mean
from prunescope.runs.directory import Run


@dataclass(frozen=True)
class Replicates:
    """A group of replicates with its quantities.

    ``density``: the u at which they are taken, None for the best levels. ``reference``: a group whose dense networks
    serve for runs without one of their own.
    """

    group: Group
    density: float | None
    reference: Group | None = None

    @cached_property
    def levels(self) -> dict[int, FirstLayerRows]:
        """The first layer's rows of each run, by seed."""
        return {run.seed: FirstLayerRows.of(run) for run in self.group.runs}

    @cached_property
    def dense(self) -> dict[int, float]:
        """The accuracy of each seed's dense network, its own or that of the reference with the same seed and data."""
        return dense_accuracies(self.group, [] if self.reference is None else [self.reference])

    @cached_property
    def facts(self) -> dict[int, Facts]:
        """The quantities of each run alone, by seed."""
        return {seed: facts(own, self.density, self.dense.get(seed)) for seed, own in self.levels.items()}

    @cached_property
    def gains(self) -> dict[int, float]:
        """The gain of each seed at the level that is best over the other seeds (``quantities.fitted_gains``)."""
        return fitted_gains(self.levels, self.dense)

    def by_seed(self, quantity: Quantity) -> dict[int, float]:
        """Return a quantity of each seed that has it, by seed."""
        if quantity.fitted:
            return self.gains
        found = {seed: one[quantity.name] for seed, one in self.facts.items()}
        return {seed: value for seed, value in found.items() if value is not None}

    def spread(self, quantity: Quantity) -> Spread:
        """Return the spread of a quantity over seeds (docs/science.md, "Intervals").

        The density of a level has a geometric mean, and half a step of the grid of levels is added to either side of
        its interval; where the levels form no grid it has no interval. A fitted quantity has no interval either, since
        the seeds choose the levels for one another.
        """
        values = list(self.by_seed(quantity).values())
        if quantity.grid and values:
            return self._on_the_grid(values)
        found = spread(values)
        return Spread(found.n, found.mean, found.sd) if quantity.fitted else found

    def _on_the_grid(self, values: list[float]) -> Spread:
        found = spread([math.log(value) for value in values])
        steps = [own.step() for own in self.levels.values()]
        known = [step for step in steps if step is not None]
        assert found.mean is not None
        if len(known) < len(steps) or found.alike or found.low is None:
            return Spread(found.n, math.exp(found.mean), alike=found.alike)
        wide = found.widened(max(known) / 2)
        assert wide.low is not None
        assert wide.high is not None
        return Spread(found.n, math.exp(found.mean), None, math.exp(wide.low), math.exp(wide.high))

    def images(self, quantity: Quantity) -> int | None:
        """Return the number of images that an accuracy is measured on, None for others and where seeds differ in it."""
        return None if quantity.images is None else self.group.images(quantity.images)


@dataclass(frozen=True)
class Compared:
    """A group that is compared with others: replicates, or several sets of replicates with different settings.

    ``label``: its title. ``names``: the names by which it may be chosen as the baseline. ``settings``: one set of
    replicates for each setting.
    """

    label: str
    names: frozenset[str]
    settings: tuple[Replicates, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of all its runs."""
        return tuple(run.seed for own in self.settings for run in own.group.runs)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of its groups, which a reader of its numbers has to know."""
        return tuple(note for own in self.settings for note in own.group.notes)

    def values(self, quantity: Quantity) -> list[float]:
        """Return the values of a quantity of all runs that have it."""
        return [value for own in self.settings for value in own.by_seed(quantity).values()]

    def spread(self, quantity: Quantity) -> Spread:
        """Return the spread of a quantity over seeds.

        Where several settings have it, it is the spread of their means, without an interval; its n is the number of
        settings.
        """
        having = self.having(quantity)
        if len(having) < 2:
            return having[0].spread(quantity) if having else Spread(0)
        means = [own.spread(quantity).mean for own in having]
        found = spread([mean for mean in means if mean is not None])
        return Spread(found.n, found.mean, None if quantity.grid else found.sd)

    def having(self, quantity: Quantity) -> list[Replicates]:
        """Return the settings in which some run has a quantity."""
        return [own for own in self.settings if own.by_seed(quantity)]

    def less(self, baseline: Compared, quantity: Quantity) -> Difference:
        """Return the difference of a quantity to that of the baseline.

        It has no interval where the quantity is fitted or one of the two has several settings. It is empty where one of
        them lacks the quantity, and for densities of levels, whose geometric means are not to be subtracted.
        """
        own, other = self.spread(quantity), baseline.spread(quantity)
        if own.mean is None or other.mean is None or quantity.grid:
            return Difference(Spread(0), paired=False)
        settings = [*self.having(quantity), *baseline.having(quantity)]
        if quantity.fitted or len(settings) > 2:
            return Difference(Spread(min(own.n, other.n), own.mean - other.mean), paired=False)
        one, two = settings
        same = same_data(one.group.runs[0]) == same_data(two.group.runs[0]) != ""
        return difference(one.by_seed(quantity), two.by_seed(quantity), same_data=same)


@dataclass(frozen=True)
class Comparison:
    """A comparison of groups.

    ``baseline``: the group that the others are compared with, if any. ``density``: the u at which they are compared,
    None for the best levels.
    """

    groups: tuple[Compared, ...]
    baseline: Compared | None = None
    density: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its numbers has to know: the notes of its groups, and in what place groups differ."""
        across = place_notes([own.group for group in self.groups for own in group.settings])
        return tuple(dict.fromkeys([*(note for group in self.groups for note in group.notes), *across]))

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each quantity and each group in which some seed has it.

        Its entries are quantity, group, n, mean, sd, low, high, alike, settings and images. low and high are the 95 %
        interval of the mean over seeds, on the same images; they are None for one seed and for seeds that are ``alike``
        to the last digit. Where a group holds several ``settings``, mean and sd are over these and n is None.
        ``images`` is the number that an accuracy is measured on. With a baseline there are also difference,
        difference_low, difference_high, difference_n, paired and left_out (the seeds that a paired difference does not
        use); they are None for the baseline itself.
        """
        pairs = itertools.product(quantities(self.density), self.groups)
        rows = [self.row(quantity, group) for quantity, group in pairs]
        return [row for row in rows if row["mean"] is not None]

    def row(self, quantity: Quantity, group: Compared) -> dict[str, Any]:
        """Return the row of a quantity of one group, as in ``rows``; mean is None where no seed has it."""
        own, settings = group.spread(quantity), len(group.having(quantity))
        row: dict[str, Any] = {"quantity": quantity.name, "group": group.label}
        row |= {"n": own.n if settings < 2 else None, "mean": own.mean, "sd": own.sd, "low": own.low}
        # Without held-out images there is no accuracy of them, and their number, 0, says why.
        having = group.having(quantity) or (group.settings if quantity.images == "heldout" else ())
        images = {one.images(quantity) for one in having}
        row |= {
            "high": own.high,
            "alike": own.alike,
            "settings": settings,
            "images": images.pop() if len(images) == 1 else None,
        }
        if self.baseline is None:
            return row
        told = group.less(self.baseline, quantity) if group is not self.baseline else None
        if told is None or told.spread.mean is None:
            names = ("difference", "difference_low", "difference_high", "difference_n", "paired", "left_out")
            return row | dict.fromkeys(names)
        row |= {"difference": told.spread.mean, "difference_low": told.spread.low}
        row |= {"difference_high": told.spread.high, "difference_n": told.spread.n}
        return row | {"paired": told.paired, "left_out": list(told.left_out) if told.paired else None}

    def frame(self) -> polars.DataFrame:
        """Return ``rows`` as a table, in which left_out is a text of the seeds with blanks between."""
        rows = self.rows()
        for row in rows:
            if "left_out" in row:
                row["left_out"] = " ".join(map(str, row["left_out"] or ()))
        return polars.DataFrame(rows, infer_schema_length=None)


def compare(
    runs: Iterable[Run], by: Sequence[str] = (), baseline: str | None = None, density: float | None = None
) -> Comparison:
    """Compare finished runs, grouped as replicates or by fields.

    ``by``: dotted names of the fields to group by, or ``name``; empty to group replicates. ``baseline``: the label of
    a group, the value of a field in ``by``, or the name, identity or method of an experiment. ``density``: the u to
    compare at, over 0 and at most 1, in place of each run's best level. Raises InputError for no runs, an unknown
    field, a baseline that names no group or several, and a density that is out of range or near no run's levels.
    """
    chosen = [
        # What has the table of a run serves as one, such as a simulated run.
        run if hasattr(run, "table") else instance("a run", run, Run, "runs, as ps.load(path)")
        for run in listed("runs", runs, "a list of runs")
    ]
    by = [
        instance("by", name, str, "names of fields, in a list")
        for name in listed("by", by, "names of fields, in a list")
    ]
    if baseline is not None:
        instance("baseline", baseline, str, "the name of a group")
    if density is not None and not 0 < (density := _density(density)) <= 1:
        raise InputError(f"--density is {density:g}; it must be over 0 and at most 1")
    if not chosen:
        raise InputError("no finished run to compare")
    found = _by_fields(chosen, by, density) if by else _by_experiment(chosen, density)
    if density is not None:
        reached = next(quantity for quantity in quantities(density) if quantity.name == "u")
        if not any(group.values(reached) for group in found):
            raise InputError(
                f"--density is {density:g}; no run has a pruned level within a factor {NEAR} of it"
            )
    if baseline is None:
        return Comparison(found, None, density)
    place = found.index(_baseline(found, baseline))
    found = tuple(_with_reference(group, found[place]) for group in found)
    return Comparison(found, found[place], density)


def _density(given: object) -> float:
    """Return a number; raise InputError for anything else."""
    if isinstance(given, bool) or not isinstance(given, int | float | np.number):
        raise InputError(f"--density is {said(given)}: give a number over 0 and at most 1")
    return float(given)


def _with_reference(group: Compared, baseline: Compared) -> Compared:
    """Return the group with the baseline's dense networks for its runs that have none of their own."""
    reference = baseline.settings[0].group
    return replace(group, settings=tuple(replace(own, reference=reference) for own in group.settings))


def _by_experiment(runs: Sequence[Run], density: float | None) -> tuple[Compared, ...]:
    found = []
    for group in groups(runs):
        names = {name for run in group.runs for name in (run.experiment.name, run.experiment.identity)}
        names |= {group.label, group.runs[0].experiment.prune.method}
        found.append(Compared(group.label, frozenset(names), (Replicates(group, density),)))
    return tuple(found)


def _by_fields(runs: Sequence[Run], by: Sequence[str], density: float | None) -> tuple[Compared, ...]:
    by_values: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        by_values.setdefault(tuple(_value(run, name) for name in by), []).append(run)
    found = []
    for key, own in sorted(by_values.items(), key=lambda entry: [_order(value) for value in entry[0]]):
        label = _title(by, key)
        settings = [Replicates(replicates(label, alike), density) for alike in by_replicates(own).values()]
        found.append(Compared(label, frozenset({label, *map(str, key)}), tuple(settings)))
    return tuple(found)


def _value(run: Run, name: str) -> Any:
    fields = {"name": run.experiment.name, **field_values(run.experiment)}
    if name not in fields:
        hint = did_you_mean(name, fields, "fields have dotted names, as train.lr")
        raise InputError(f"--by is {name!r}, no field of an experiment: {hint}")
    return fields[name]


def _order(value: Any) -> tuple[bool, bool, Any]:
    """Return a sort key that puts numbers before texts and missing values last."""
    return value is None, isinstance(value, str), 0 if value is None else value


def _title(by: Sequence[str], values: Sequence[Any]) -> str:
    if len(by) == 1:
        return str(values[0])
    return ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in zip(by, values, strict=True))


def _baseline(found: Sequence[Compared], wanted: str) -> Compared:
    exact = [group for group in found if group.label == wanted]
    named = exact or [group for group in found if wanted in group.names]
    if len(named) == 1:
        return named[0]
    what = "no group" if not named else f"{len(named)} groups"
    raise InputError(
        f"--baseline is {wanted!r}, which is {what}: groups are {', '.join(group.label for group in found)}"
    )
