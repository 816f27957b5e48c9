"""This module groups runs that are replicates and chooses the levels of a group that a figure shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np
import polars
from numpy.typing import NDArray

from prunescope._renamed import old_names
from prunescope.analysis import best_levels
from prunescope.analysis.formats import accuracy, percent
from prunescope.analysis.input_wording import ImageKind, inputs_of, stored_images
from prunescope.analysis.labels import labels
from prunescope.analysis.methods import stored_labels
from prunescope.analysis.replicates import (
    PLACES,
    by_replicates,
    first_of_each_seed,
    replicate_notes,
    told_apart,
)
from prunescope.errors import InputError
from prunescope.runs.directory import Run

# The densities 4 %, 1 % and 0.3 % of the paper's figures, as multiples of the best one. A run that ends before the
# sparsest of them is shown at FURTHER multiples instead.
AROUND_BEST = (4.0, 1.0, 0.3)
FURTHER = (16.0, 64.0)
# A first layer with more of its weights than this has masks that show noise: one input in five is kept.
SHOWING = 0.2
# The u at which masks are shown where the level that is asked for shows none: the paper's own optimum.
FIXED = 0.01


@dataclass(frozen=True)
class FigureOptions:
    """Options of a figure: the levels and the first-layer nodes to show, None for the figure's own choice."""

    levels: tuple[int, ...] | None = None
    nodes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Group:
    """A group of replicates: runs of one experiment on the same images that differ only in their seeds.

    ``label``: what it differs in from the other groups. ``notes``: what a reader of its numbers has to know.
    """

    label: str
    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()

    @property
    def seeds(self) -> str:
        """The number of seeds in words: ``1 seed``, ``3 seeds``."""
        return f"{len(self.runs)} seed{'s' if len(self.runs) > 1 else ''}"

    @property
    def n(self) -> str:
        """The number of seeds as in a legend: ``n = 4``."""
        return f"n = {len(self.runs)}"

    @cached_property
    def levels(self) -> list[int]:
        """The levels that every run of the group has finished; raises InputError when there is none.

        Level 0 is the dense network. Methods that do not train it have levels from 1.
        """
        for run in self.runs:
            if not run.levels:
                raise InputError(f"{run.path}: no level is finished yet")
        common = sorted(set.intersection(*(set(run.levels) for run in self.runs)))
        if not common:
            raise InputError(f"{self.label}: no level that all its {self.seeds} have finished")
        return common

    @property
    def pruned(self) -> list[int]:
        """The levels without the dense one, or the dense level where it is the only one."""
        return [level for level in self.levels if level > 0] or self.levels

    @cached_property
    def table(self) -> polars.DataFrame:
        """The rows of levels.parquet of all runs of the group, with their seeds in a column ``seed``."""
        parts = [run.table.with_columns(seed=polars.lit(run.seed)) for run in self.runs]
        return polars.concat(parts, how="diagonal_relaxed")

    @cached_property
    def first_layer(self) -> polars.DataFrame:
        """The first layer's rows of the levels that every run has finished."""
        return self.table.filter(polars.col("layer") == 1, polars.col("level").is_in(self.levels))

    @cached_property
    def densities(self) -> dict[int, float]:
        """The nominal u of each level that every run has finished, averaged where it differs between seeds."""
        by_level: dict[int, list[float]] = {}
        for level, density in self.first_layer.select("level", "nominal_density").iter_rows():
            by_level.setdefault(level, []).append(density)
        return {
            level: values[0] if len(set(values)) == 1 else fmean(values)
            for level, values in sorted(by_level.items())
        }

    @cached_property
    def accuracies(self) -> dict[int, float]:
        """The best validation accuracy of each level, averaged over seeds."""
        means = self.first_layer.group_by("level").agg(polars.col("best_val_accuracy").mean()).sort("level")
        return dict(means.iter_rows())

    def density(self, level: int) -> float:
        """Return the nominal u of a level."""
        return self.densities[level]

    def by_seed(self, column: str, level: int) -> dict[int, float]:
        """Return a column of the first layer's row at a level, by seed, for the seeds that have it."""
        if column not in self.first_layer.columns:
            return {}
        rows = self.first_layer.filter(polars.col("level") == level).sort("seed")
        return {seed: value for seed, value in rows.select("seed", column).iter_rows() if value is not None}

    def images(self, kind: ImageKind) -> int | None:
        """Return the number of "validation" or "heldout" images, None where seeds differ in it or did not store it."""
        counts = {stored_images(run, kind) for run in self.runs}
        return counts.pop() if len(counts) == 1 else None

    def best_level(self) -> int:
        """Return the best pruned level on the mean over seeds (``best_levels.best``).

        It is the dense level where that is the only one.
        """
        found = best_levels.best(self.densities, self.accuracies)
        return self.levels[-1] if found is None else found

    def sparsest_no_worse(self) -> int | None:
        """Return the sparsest pruned level no worse than dense on the mean over seeds, None where there is none."""
        return best_levels.sparsest_no_worse(self.densities, self.accuracies)

    def shown_level(self) -> tuple[int, str]:
        """Return the level at which figures show masks, and in words why (docs/science.md, "Levels that are shown").

        It is the best level, or the level nearest to u = 1 % where the masks of the best level are still dense.
        """
        best = self.best_level()
        found = best if self._shows(best) else self.nearest(FIXED)
        if found != best:
            images = self.images("validation")
            name = inputs_of(self.runs)
            on = f"of {images:,} {name}" if images else f"of {name} whose number is not stored"
            there, highest = (accuracy(self.accuracies[level]) for level in (found, best))
            return found, (
                f"the level nearest u = 1 %, validation accuracy {there}; the best, {highest} {on}, is at level {best}, "
                f"u = {percent(self.density(best))}, with masks that are still dense"
            )
        return (
            best,
            "the only level so far" if best == best_levels.DENSE else "that of the best validation accuracy",
        )

    def told_level(self) -> tuple[int, str]:
        """Return the level that a page shows first and describes, and in words why.

        It is the sparsest level no worse than dense. Where there is none, or its masks are still dense, it is the level
        nearest to u = 1 %, and not the sparsest, whose accuracy may be ruined.
        """
        found = self.sparsest_no_worse()
        level = found if found is not None and self._shows(found) else self.nearest(FIXED)
        if level == best_levels.DENSE:
            return level, "the only level so far"
        if level == found:
            return level, "the sparsest level no worse than dense"
        if best_levels.DENSE not in self.levels:
            return level, "the level nearest u = 1 %"
        if found is None:
            return level, "the level nearest u = 1 %; none is as good as dense"
        return (
            level,
            f"the level nearest u = 1 %; the sparsest no worse than dense has u = {percent(self.density(found))}",
        )

    def _shows(self, level: int) -> bool:
        """Return whether the first layer's masks are sparse enough at a level to show more than noise."""
        own = self.by_seed("weight_density", level).values()
        return (fmean(own) if own else self.density(level)) <= SHOWING

    def densest_first(self) -> list[int]:
        """Return the levels from dense to sparse, which need not be the order of their numbers."""
        return sorted(self.levels, key=self.density, reverse=True)

    def nearest(self, density: float) -> int:
        """Return the pruned level whose u is nearest to ``density`` by ratio, level 0 only where nothing is pruned."""
        found = best_levels.nearest(self.densities, density)
        return self.levels[-1] if found is None else found

    def title(self, level: int) -> str:
        """Return the title of a level: ``u = 0.97 %, level 13``."""
        return f"$u$ = {percent(self.density(level))}, level {level}"


def groups(runs: Sequence[Run]) -> list[Group]:
    """Return the groups of replicates of runs, in the order given, each labelled by what it differs in from the others.

    Replicates agree in the identity of the experiment, the precision of which is a part, and in the images, their split
    included (docs/science.md, "Intervals"). Of several runs of one seed only the first is taken.
    """
    found = by_replicates(runs)
    names = labels([own[0].experiment for own in found.values()], stored_labels(runs))
    twins: dict[str, list[list[Run]]] = {}
    for name, own in zip(names, found.values(), strict=True):
        twins.setdefault(name, []).append(own)
    return [
        replicates(f"{name}{told_apart(own, twins[name])}", own)
        for name, own in zip(names, found.values(), strict=True)
    ]


def replicates(label: str, runs: Sequence[Run]) -> Group:
    """Return the group of runs that are replicates; of several runs of one seed the first is taken, with a note.

    What was noted of their data when they were opened is among the notes, each line once.
    """
    taken, notes = first_of_each_seed(runs)
    return Group(label, tuple(taken), (*notes, *replicate_notes(label, taken)))


def place_notes(groups: Sequence[Group]) -> list[str]:
    """Return a line each where groups were trained by different engines, or on different devices."""
    notes = []
    for what in ("engines", "devices"):
        by_place: dict[str, list[str]] = {}
        for group in groups:
            found = sorted({text for run in group.runs if (text := PLACES[what](run))})
            if found:
                by_place.setdefault(", ".join(found), []).append(group.label)
        if len(by_place) > 1:
            told = "; ".join(f"{place}: {', '.join(dict.fromkeys(own))}" for place, own in by_place.items())
            notes.append(f"groups were run on different {what} ({told}), alike within rounding")
    return notes


def one_group(runs: Sequence[Run], figure: str) -> Group:
    """Return the only group of ``runs``; raises InputError, which names the figure, when there are several."""
    found = groups(runs)
    if len(found) > 1:
        labels = ", ".join(group.label for group in found)
        raise InputError(f"figure {figure} takes runs of one experiment, got {len(found)}: {labels}")
    return found[0]


def shown_levels(group: Group, options: FigureOptions, count: int = 3) -> list[int]:
    """Return ``options.levels``, or ``count`` levels with u about 4, 1 and 0.3 times that of ``Group.shown_level``.

    Levels that are chosen here go from dense to sparse. The dense level 0, whose masks show nothing, is taken only
    where there is no other. Raises InputError for a level that is not finished.
    """
    if options.levels is not None:
        for level in options.levels:
            if level not in group.levels:
                raise InputError(f"no level {level}; finished levels are {group.levels}")
        if not options.levels:
            raise InputError(f"no level given; finished levels are {group.levels}")
        return list(options.levels)
    centre = group.density(group.shown_level()[0])
    chosen: list[int] = []
    for factor in (1.0, *AROUND_BEST, *FURTHER):
        nearest = group.nearest(centre * factor)
        if nearest not in chosen and len(chosen) < count:
            chosen.append(nearest)
    return sorted(chosen, key=group.density, reverse=True)


def given_nodes(run: Run, options: FigureOptions) -> NDArray[np.int64] | None:
    """Return ``options.nodes``, indices of first-layer nodes, as int64 [K]; None when the figure is to choose them.

    Raises InputError for a node that does not exist, and for an empty list.
    """
    if options.nodes is None:
        return None
    count = run.mask(run.levels[0]).n_out
    if not options.nodes:
        raise InputError(f"{run.path}: no node given; the first layer has nodes 0 to {count - 1}")
    for node in options.nodes:
        if node >= count:
            raise InputError(f"{run.path}: no node {node}; the first layer has nodes 0 to {count - 1}")
    return np.array(options.nodes, np.int64)


__getattr__ = old_names(__name__)
