"""This module chooses the levels at which a figure shows several experiments side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars

from prunescope.analysis.formats import percent
from prunescope.analysis.groups import FigureOptions, Group
from prunescope.analysis.statistics import spread
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.pruning import known_traits

# The densities at which the paper's Fig. 4 compares methods.
COMPARED = (0.1, 0.01)
# A run with at most so many pruned levels has one for each density that was asked for; others go level by level.
FEW = 3


@dataclass(frozen=True)
class ExperimentLevel:
    """An experiment, as a group of runs, at one of its levels."""

    group: Group
    level: int

    @property
    def density(self) -> float:
        """The nominal u of the level."""
        return self.group.density(self.level)

    @property
    def mask(self) -> Mask:
        """The first layer's mask of the first seed."""
        return self.group.runs[0].mask(self.level)

    @property
    def title(self) -> str:
        """The label with the density, ``IMP, u = 0.97 %``, or the label alone for the dense network."""
        return self.group.label if self.density == 1 else f"{self.group.label}, $u$ = {percent(self.density)}"

    def by_seed(self, name: str) -> dict[int, float]:
        """Return a column of the first layer's row, by seed, for the seeds that have it."""
        return self.group.by_seed(name, self.level)

    def mean(self, name: str) -> float | None:
        """Return a column of the first layer's row averaged over seeds, None where no seed has it."""
        return spread(list(self.by_seed(name).values())).mean


def by_method(found: Sequence[Group]) -> list[Group]:
    """Return experiments sorted in the order in which methods are listed, from iterative pruning on."""
    return sorted(found, key=lambda group: known_traits(group.runs[0].experiment.prune.method).order)


def at_common_density(found: Sequence[Group], target: float, options: FigureOptions) -> list[ExperimentLevel]:
    """Return every experiment at the level whose u is nearest to ``target``, or to the sparsest u that all reach.

    The first of ``options.levels`` is taken instead where they are given. Raises InputError when they are empty or an
    experiment lacks one of them.
    """
    if options.levels is not None:
        return [ExperimentLevel(group, _own(group, options)[0]) for group in found]
    reached = max(min(group.density(level) for level in group.levels) for group in found)
    return [ExperimentLevel(group, group.nearest(max(target, reached))) for group in found]


def at_best(found: Sequence[Group], options: FigureOptions) -> list[ExperimentLevel]:
    """Return every experiment at its best pruned level, or at the first of ``options.levels`` where they are given.

    Raises InputError when they are empty or an experiment lacks one of them.
    """
    if options.levels is not None:
        return at_common_density(found, 1.0, options)
    return [ExperimentLevel(group, group.best_level()) for group in found]


def at_shown(found: Sequence[Group], options: FigureOptions) -> list[ExperimentLevel]:
    """Return every experiment at the level at which its masks are shown (``Group.shown_level``).

    It is the first of ``options.levels`` where they are given. Raises InputError as ``at_best`` does.
    """
    if options.levels is not None:
        return at_best(found, options)
    return [ExperimentLevel(group, group.shown_level()[0]) for group in found]


def at_compared_densities(found: Sequence[Group], options: FigureOptions) -> list[ExperimentLevel]:
    """Return every experiment at its levels with u nearest to 10 % and 1 %, or at all of them where they are few.

    ``options.levels`` replace these for the experiments that have one of them. Raises InputError when none has.
    """
    if options.levels is not None and not any(set(options.levels) & set(group.levels) for group in found):
        _own(found[0], options)
    shown = []
    for group in found:
        pruned = [level for level in group.levels if level > 0] or group.levels
        wished = [level for level in options.levels or () if level in group.levels]
        near = pruned if len(pruned) <= FEW else {group.nearest(density) for density in COMPARED}
        shown += [
            ExperimentLevel(group, level) for level in sorted(wished or near, key=group.density, reverse=True)
        ]
    return shown


def level_table(shown: Sequence[ExperimentLevel]) -> polars.DataFrame:
    """Return one row for each experiment shown: experiment, level, u, seeds, mean accuracy and mean locality."""
    return polars.DataFrame(
        [
            {
                "experiment": one.group.label,
                "level": one.level,
                "nominal_density": one.density,
                "seeds": len(one.group.runs),
                "best_val_accuracy": one.mean("best_val_accuracy"),
                "validation_images": one.group.images("validation"),
                "locality": one.mean("locality"),
            }
            for one in shown
        ]
    )


def _own(group: Group, options: FigureOptions) -> tuple[int, ...]:
    if not options.levels:
        raise InputError(f"no level given; finished levels of {group.label} are {group.levels}")
    for level in options.levels:
        if level not in group.levels:
            raise InputError(f"no level {level}; finished levels of {group.label} are {group.levels}")
    return options.levels
