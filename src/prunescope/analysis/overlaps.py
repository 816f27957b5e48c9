"""This module tabulates what the masks of stored runs share: of seeds, of experiments, or of a run's levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars

from prunescope.analysis.curves import over_seeds
from prunescope.analysis.groups import Group
from prunescope.errors import InputError
from prunescope.observables.measure import Scalar
from prunescope.observables.threads import in_order, using_cores
from prunescope.observables.unit_matching import LayerPair, overlap_layers
from prunescope.runs.directory import Run

# A figure shows so many levels, evenly spread over the pruned ones, unless it is told others.
MOST_LEVELS = 8
# Two levels of two experiments are compared where the larger of their densities is at most so many times the other.
ALIKE = 1.2

# The columns of a pair of masks: the share, the mean and the sd of its null, z, the Jaccard index; the same after matching.
VALUES = (
    "share",
    "null",
    "null_spread",
    "z",
    "jaccard",
    "matched_share",
    "matched_null",
    "matched_null_spread",
    "matched_z",
    "matched_jaccard",
)


@dataclass(frozen=True)
class ComparedLevels:
    """Two levels, of one run or of two, whose masks are compared; ``label`` says of what, ``density`` is the first's u."""

    label: str
    first: tuple[Run, int]
    second: tuple[Run, int]
    density: float

    @property
    def one_run(self) -> bool:
        """Whether both are levels of one run, whose units keep their places."""
        return self.first[0].path == self.second[0].path


def compared_levels(found: Sequence[Group], levels: Sequence[int] | None) -> list[ComparedLevels]:
    """Return which masks are compared: of the first experiment and each other one, of seeds, or of a run's levels.

    Experiments are compared seed by seed (the first seeds where they have none in common) at levels of about the same u;
    seeds of one experiment each with the next one; and of a single run each level with the next. ``levels``: those of the
    first experiment, None for at most eight pruned ones. Raises InputError where nothing can be compared.
    """
    group = found[0]
    for level in levels or ():
        if level not in group.levels:
            raise InputError(f"no level {level}; finished levels of {group.label} are {group.levels}")
    pruned = [level for level in group.densest_first() if group.density(level) < 1]
    chosen = list(levels) if levels is not None else _spread(pruned)
    if len(found) > 1:
        result = [one for other in found[1:] for one in _of_experiments(group, other, chosen)]
    elif len(group.runs) > 1:
        result = [
            ComparedLevels(f"seeds of {group.label}", (a, level), (b, level), group.density(level))
            for a, b in pairwise(group.runs)
            for level in chosen
        ]
    else:
        run = group.runs[0]
        result = [
            ComparedLevels(f"levels of {group.label}", (run, a), (run, b), group.density(b))
            for a, b in pairwise(chosen if levels is not None else pruned)
        ]
    if not result:
        raise InputError(
            f"{group.runs[0].path}: nothing to compare it with: give runs of two seeds, runs of two experiments at one "
            "density, or a run with two pruned levels"
        )
    return result


def _spread(levels: Sequence[int]) -> list[int]:
    """Return at most MOST_LEVELS of the levels, the first and the last among them."""
    places = np.linspace(0, len(levels) - 1, min(MOST_LEVELS, len(levels)))
    return [levels[round(place)] for place in places]


def _of_experiments(group: Group, other: Group, levels: Sequence[int]) -> Iterator[ComparedLevels]:
    """Yield the levels of two experiments that have about the same density, seed by seed."""
    seeds = {run.seed: run for run in other.runs}
    pairs = [(run, seeds[run.seed]) for run in group.runs if run.seed in seeds] or [
        (group.runs[0], other.runs[0])
    ]
    for level in levels:
        near = other.nearest(group.density(level))
        densities = group.density(level), other.density(near)
        if max(densities) <= ALIKE * min(densities):
            for a, b in pairs:
                yield ComparedLevels(f"{group.label} and {other.label}", (a, level), (b, near), densities[0])


def overlap_table(compared: Sequence[ComparedLevels]) -> polars.DataFrame:
    """Return mean and sample sd over pairs of runs of VALUES, one row for each label, level and layer, densest first.

    ``pairs`` is their number. What is not defined is null. docs/science.md, "Overlap" and "Matched units".
    """
    with using_cores():
        rows = [row for part in in_order(_rows, compared) for row in part]
    table = polars.DataFrame(
        rows, schema_overrides=dict.fromkeys(VALUES, polars.Float64), infer_schema_length=None
    )
    parts = []
    for label in dict.fromkeys(one.label for one in compared):
        own = table.filter(polars.col("label") == label)
        parts.append(over_seeds(own, VALUES, by=("level", "layer"), compared=label))
    return polars.concat(parts).rename({"seeds": "pairs"})


def _rows(one: ComparedLevels) -> list[dict[str, float | int | str | None]]:
    """Return a row for each layer of two levels."""
    (a, level), (b, other) = one.first, one.second
    first, second = a.ticket(level).masks, b.ticket(other).masks
    shapes = [[mask.array.shape for mask in masks] for masks in (first, second)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"{a.path} and {b.path}: their hidden layers have different sizes, and only masks of one shape overlap"
        )
    pairs = (LayerPair(x, y, follows=i > 0) for i, (x, y) in enumerate(zip(first, second, strict=True)))
    rows: list[dict[str, float | int | str | None]] = []
    for layer, (plain, matched) in enumerate(overlap_layers(pairs, match=not one.one_run), 1):
        row: dict[str, float | int | str | None] = dict.fromkeys(VALUES)
        row |= {"label": one.label, "level": other if one.one_run else level, "layer": layer}
        row |= {"nominal_density": one.density, "jaccard": _finite(plain.jaccard)}
        row |= _named("", plain.share)
        if matched is not None:
            row |= _named("matched_", matched.share) | {"matched_jaccard": _finite(matched.jaccard)}
        rows.append(row)
    return rows


def _named(prefix: str, scalar: Scalar) -> dict[str, float | None]:
    """Return the columns of a scalar."""
    values = {
        "share": scalar.value,
        "null": scalar.null_mean,
        "null_spread": scalar.null_sd,
        "z": scalar.z,
    }
    return {f"{prefix}{name}": _finite(value) for name, value in values.items()}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
