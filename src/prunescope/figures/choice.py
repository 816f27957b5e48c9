"""Which runs belong together and which of their levels a figure shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars

from prunescope.errors import InputError
from prunescope.figures.drawing import Options
from prunescope.figures.labels import labels
from prunescope.store import Run

# The paper's three sparsities, 4 %, 1 % and 0.3 %, as multiples of the best one; then what else to take
# when a run ends before the sparsest of them.
AROUND_BEST = (4.0, 1.0, 0.3)
FURTHER = (16.0, 64.0)


@dataclass(frozen=True)
class Group:
    """Runs of one experiment that differ in their seeds; ``label`` tells it from the other groups."""

    label: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> str:
        """How many: ``1 seed``, ``3 seeds``."""
        return f"{len(self.runs)} seed{'s' if len(self.runs) > 1 else ''}"

    @property
    def n(self) -> str:
        """The number of seeds, as a legend says it: ``n = 4``."""
        return f"n = {len(self.runs)}"

    @cached_property
    def levels(self) -> list[int]:
        """Levels that every run of the group has finished; raises InputError when there is none.

        Level 0 is the dense network; methods that do not train it count from 1.
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
        """The levels without the dense one; that one where it is alone."""
        return [level for level in self.levels if level > 0] or self.levels

    def table(self) -> polars.DataFrame:
        """levels.parquet of all runs of the group, with their seeds in a column ``seed``."""
        return self._table

    @cached_property
    def _table(self) -> polars.DataFrame:
        parts = [run.table.with_columns(seed=polars.lit(run.seed)) for run in self.runs]
        return polars.concat(parts, how="diagonal_relaxed")

    def density(self, level: int) -> float:
        """The nominal u of a level."""
        row = self.table().filter(polars.col("level") == level).row(0, named=True)
        return float(row["nominal_density"])

    def best_level(self) -> int:
        """The pruned level whose best validation accuracy, averaged over seeds, is highest; the dense where it is alone."""
        accuracy = dict(zip(*self._mean_accuracy(), strict=True))
        return max(self.pruned, key=lambda level: float(accuracy[level]))

    def sparsest_no_worse(self) -> int:
        """The sparsest level whose best validation accuracy, averaged over seeds, is at least the dense network's.

        The sparsest of all where there is none, or no dense network to compare with.
        """
        levels, accuracy = self._mean_accuracy()
        order = sorted(range(len(levels)), key=lambda k: -self.density(int(levels[k])))
        known = 0 in self.levels
        found = sparsest_no_worse([float(accuracy[k]) for k in order]) if known else None
        return int(levels[order[-1 if found is None else found]])

    def densest_first(self) -> list[int]:
        """The levels from dense to sparse, whatever order the method numbers them in."""
        return sorted(self.levels, key=self.density, reverse=True)

    def nearest(self, density: float) -> int:
        """The pruned level whose u is nearest to ``density`` by ratio; level 0 only where nothing is pruned."""
        return min(self.pruned, key=lambda level: float(abs(np.log(self.density(level) / density))))

    def _mean_accuracy(self) -> tuple[np.ndarray, np.ndarray]:
        """Levels, ascending, and their best validation accuracy averaged over seeds."""
        table = self.table().filter((polars.col("layer") == 1) & polars.col("level").is_in(self.levels))
        means = table.group_by("level").agg(polars.col("best_val_accuracy").mean()).sort("level")
        return means["level"].to_numpy(), means["best_val_accuracy"].to_numpy()

    def title(self, level: int) -> str:
        """``u = 0.97 %, level 13``."""
        from prunescope.figures.style import percent

        return f"$u$ = {percent(self.density(level))}, level {level}"


def sparsest_no_worse(accuracy: Sequence[float]) -> int | None:
    """Index of the last entry that is at least the first, which is the dense network's; None when no other is."""
    no_worse = [index for index, value in enumerate(accuracy) if index > 0 and value >= accuracy[0]]
    return no_worse[-1] if no_worse else None


def groups(runs: Sequence[Run]) -> list[Group]:
    """Runs by experiment, in the order given, each labelled by what it differs in from the others."""
    by_identity: dict[str, list[Run]] = {}
    for run in runs:
        members = by_identity.setdefault(run.experiment.identity, [])
        if run.path.resolve() not in {member.path.resolve() for member in members}:
            members.append(run)
    names = labels([members[0].experiment for members in by_identity.values()])
    return [Group(name, tuple(members)) for name, members in zip(names, by_identity.values(), strict=True)]


def one_group(runs: Sequence[Run], figure: str) -> Group:
    """The single experiment of ``runs``; raises InputError when there are several."""
    found = groups(runs)
    if len(found) > 1:
        labels = ", ".join(group.label for group in found)
        raise InputError(f"figure {figure} takes runs of one experiment, got {len(found)}: {labels}")
    return found[0]


def shown_levels(group: Group, options: Options, count: int = 3) -> list[int]:
    """``options.levels``, or ``count`` levels with u about 4, 1 and 0.3 times that of the best accuracy.

    Denser levels first. Dense level 0, whose masks show nothing, is taken only when nothing else is there.
    Raises InputError for a level that is not finished.
    """
    if options.levels is not None:
        for level in options.levels:
            if level not in group.levels:
                raise InputError(f"no level {level}; finished levels are {group.levels}")
        if not options.levels:
            raise InputError(f"no level given; finished levels are {group.levels}")
        return list(options.levels)
    best = group.density(group.best_level())
    chosen: list[int] = []
    for factor in (1.0, *AROUND_BEST, *FURTHER):
        nearest = group.nearest(best * factor)
        if nearest not in chosen and len(chosen) < count:
            chosen.append(nearest)
    return sorted(chosen, key=group.density, reverse=True)


def given_nodes(run: Run, options: Options) -> np.ndarray | None:
    """``options.nodes`` as int64 [K] of the first layer, None when the figure is to choose.

    Raises InputError for a node that is not there, and for none.
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
