"""Which level of each of several experiments stands beside the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars

from prunescope.analysis.formats import percent
from prunescope.analysis.groups import FigureOptions, Group
from prunescope.analysis.statistics import spread
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.pruning import find_traits

# The densities at which the paper's Fig. 4 compares methods.
COMPARED = (0.1, 0.01)
# A run with more pruned levels went there level by level; with fewer, each is a density that was asked for.
FEW = 3


@dataclass(frozen=True)
class ExperimentLevel:
    """An experiment at one of its levels."""

    group: Group
    level: int

    @property
    def density(self) -> float:
        """The nominal u."""
        return self.group.density(self.level)

    @property
    def mask(self) -> Mask:
        """The first layer's mask of the first seed."""
        return self.group.runs[0].mask(self.level)

    @property
    def title(self) -> str:
        """``IMP, u = 0.97 %``; the dense network is called that."""
        return self.group.label if self.density == 1 else f"{self.group.label}, $u$ = {percent(self.density)}"

    def by_seed(self, name: str) -> dict[int, float]:
        """A number of the first layer's row, by seed, of the seeds that have it."""
        return self.group.by_seed(name, self.level)

    def mean(self, name: str) -> float | None:
        """A number of the first layer's row, averaged over seeds; None where it is not defined."""
        return spread(list(self.by_seed(name).values())).mean


def by_method(found: Sequence[Group]) -> list[Group]:
    """Experiments in the order in which methods are listed: iterative pruning, one-shot, at initialisation, …"""
    return sorted(found, key=lambda group: find_traits(group.runs[0].experiment.prune.method).order)


def at_common_density(found: Sequence[Group], target: float, options: FigureOptions) -> list[ExperimentLevel]:
    """Every experiment at the level whose u is nearest to ``target``, or to the sparsest that all reach.

    ``options.levels``: its first entry instead. Raises InputError when an experiment has no such level.
    """
    if options.levels is not None:
        return [ExperimentLevel(group, _own(group, options)[0]) for group in found]
    reached = max(min(group.density(level) for level in group.levels) for group in found)
    return [ExperimentLevel(group, group.nearest(max(target, reached))) for group in found]


def at_best(found: Sequence[Group], options: FigureOptions) -> list[ExperimentLevel]:
    """Every experiment at its pruned level of best accuracy, or at ``options.levels[0]``."""
    if options.levels is not None:
        return at_common_density(found, 1.0, options)
    return [ExperimentLevel(group, group.best_level()) for group in found]


def at_compared_densities(found: Sequence[Group], options: FigureOptions) -> list[ExperimentLevel]:
    """Every experiment at the levels with u nearest to 10 % and 1 %, or at all it has where these are few.

    ``options.levels`` replaces these for the experiments that have one of them. Raises InputError when none has.
    """
    if options.levels is not None and not any(set(options.levels) & set(group.levels) for group in found):
        _own(found[0], options)
    picks = []
    for group in found:
        pruned = [level for level in group.levels if level > 0] or group.levels
        wished = [level for level in options.levels or () if level in group.levels]
        near = pruned if len(pruned) <= FEW else {group.nearest(density) for density in COMPARED}
        picks += [
            ExperimentLevel(group, level) for level in sorted(wished or near, key=group.density, reverse=True)
        ]
    return picks


def level_table(picks: Sequence[ExperimentLevel]) -> polars.DataFrame:
    """One row a column of a figure: experiment, level, u, seeds, mean accuracy and locality."""
    return polars.DataFrame(
        [
            {
                "experiment": pick.group.label,
                "level": pick.level,
                "nominal_density": pick.density,
                "seeds": len(pick.group.runs),
                "best_val_accuracy": pick.mean("best_val_accuracy"),
                "locality": pick.mean("locality"),
            }
            for pick in picks
        ]
    )


def _own(group: Group, options: FigureOptions) -> tuple[int, ...]:
    if not options.levels:
        raise InputError(f"no level given; finished levels of {group.label} are {group.levels}")
    for level in options.levels:
        if level not in group.levels:
            raise InputError(f"no level {level}; finished levels of {group.label} are {group.levels}")
    return options.levels
