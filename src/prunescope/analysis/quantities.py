"""This module defines the quantities by which runs are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prunescope.analysis import best_levels
from prunescope.analysis.input_wording import ImageKind
from prunescope.observables.connectivity import excess
from prunescope.runs.columns import Format, shown_on
from prunescope.runs.directory import Run

Facts = dict[str, float | None]
# Quantities of which neither a value nor a mean can be less than 0, though an interval or an sd around it may reach there.
NOT_NEGATIVE = frozenset({"locality", "fan_in_var_ratio", "fan_in_excess"})


@dataclass(frozen=True)
class Quantity:
    """A quantity: a number that runs are compared by, which a run may lack.

    ``format``: how it is written. ``images``: the images of an accuracy. ``grid``: whether it is the density of a
    level, which takes only the values of the levels. ``fitted``: whether it is computed for a group of seeds together.
    ``points``: whether it is a difference of percentages.
    """

    name: str
    title: str
    format: Format
    images: ImageKind | None = None
    grid: bool = False
    fitted: bool = False
    points: bool = False

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value that it can have: 0 and 1 of accuracies and densities, 0 of ratios to chance."""
        if self.name.removeprefix("sparsest_") in NOT_NEGATIVE:
            return 0.0, math.inf
        share = self.grid or self.name == "u" or (self.images is not None and not self.points)
        return (0.0, 1.0) if share else (-math.inf, math.inf)


def _of_a_level(place: str, prefix: str = "") -> tuple[Quantity, ...]:
    """Return the quantities of a level; ``place`` ends their titles and ``prefix`` begins their names."""
    found = [
        Quantity(
            prefix + column.name,
            f"{column.title} of layer 1 {place}" if column.of == "layer" else f"{column.title} {place}",
            column.format,
            images="heldout" if column.name == "heldout_accuracy" else None,
        )
        for column in sorted(shown_on("compare"), key=lambda column: column.of != "level")
    ]
    return (
        *found,
        Quantity(f"{prefix}fan_in_excess", f"fan-in sd beyond chance of layer 1 {place}", "percent"),
    )


DENSE = Quantity("dense_accuracy", "accuracy of the dense network", "percent", images="validation")


def quantities(density: float | None = None) -> tuple[Quantity, ...]:
    """Return the quantities at the best and the sparsest level, or those at the level nearest to a density."""
    if density is not None:
        return (
            DENSE,
            Quantity("u", "u nearest to the one asked for", "percent"),
            Quantity("accuracy", "accuracy there", "percent", images="validation"),
            Quantity("gain", "gain over dense there", "percent", images="validation", points=True),
            *_of_a_level("there"),
        )
    return (
        DENSE,
        Quantity("best_accuracy", "best accuracy of a pruned network", "percent", images="validation"),
        Quantity(
            "gain",
            "gain over dense at the level that the other seeds choose",
            "percent",
            "validation",
            fitted=True,
            points=True,
        ),
        Quantity("best_u", "u at the best, geometric mean", "percent", grid=True),
        *_of_a_level("at the best"),
        Quantity("sparsest_u", "u of the sparsest no worse than dense, geometric mean", "percent", grid=True),
        *_of_a_level("at that level", prefix="sparsest_"),
    )


# The largest ratio between the u that is compared and the one asked for: half a level at p = 0.3.
NEAR = 1.2


@dataclass(frozen=True)
class FirstLayerRows:
    """The first layer's rows of a run, one for every finished level, by level."""

    rows: Mapping[int, Mapping[str, Any]]

    @classmethod
    def of(cls, run: Run) -> FirstLayerRows:
        """Return the first layer's rows of a run."""
        table = run.table.filter(layer=1).sort("level")
        return cls({row["level"]: row for row in table.iter_rows(named=True)})

    @cached_property
    def densities(self) -> dict[int, float]:
        """The nominal u of each level."""
        return {level: float(row["nominal_density"]) for level, row in self.rows.items()}

    @cached_property
    def accuracies(self) -> dict[int, float]:
        """The best validation accuracy of each level."""
        return {level: float(row["best_val_accuracy"]) for level, row in self.rows.items()}

    @property
    def dense_accuracy(self) -> float | None:
        """The accuracy of level 0, None for methods that do not train the dense network."""
        return self.accuracies.get(best_levels.DENSE)

    def gain(self, level: int, dense: float | None = None) -> float | None:
        """Return the accuracy of a level minus that of the dense network, or minus ``dense`` where the run has none."""
        own = dense if self.dense_accuracy is None else self.dense_accuracy
        return None if own is None else self.accuracies[level] - own

    def step(self) -> float | None:
        """Return the step of the grid that ln u of the levels forms, None where they form no grid."""
        return best_levels.grid_step(self.densities.values())


def facts(levels: FirstLayerRows, density: float | None = None, dense: float | None = None) -> Facts:
    """Return the quantities of one run, by name; None for those that it lacks.

    Accuracy is the best validation accuracy of a level, 0 to 1, and u the nominal density. ``analysis.best_levels``
    defines the best level and the sparsest that is no worse than dense. Methods that prune before training have no
    dense level, hence no gain and no such sparsest level. Locality and fan-in are those of the first layer. With
    ``density`` the quantities are those of the pruned level whose u is nearest to it, if that is within a factor NEAR.
    ``dense``: the accuracy of the dense network for a run without one of its own.
    """
    found: Facts = {"dense_accuracy": levels.dense_accuracy}
    if density is None:
        best = best_levels.best(levels.densities, levels.accuracies)
        sparsest = best_levels.sparsest_no_worse(levels.densities, levels.accuracies)
        found |= {
            "best_accuracy": None if best is None else levels.accuracies[best],
            "best_u": None if best is None else levels.densities[best],
            "sparsest_u": None if sparsest is None else levels.densities[sparsest],
        }
        found |= _level_facts(levels, best) | _level_facts(levels, sparsest, prefix="sparsest_")
    else:
        level = best_levels.nearest(levels.densities, density, within=NEAR)
        if level is not None:
            found |= {
                "u": levels.densities[level],
                "accuracy": levels.accuracies[level],
                "gain": levels.gain(level, dense),
            }
        found |= _level_facts(levels, level)
    return {
        quantity.name: found.get(quantity.name) for quantity in quantities(density) if not quantity.fitted
    }


def fitted_gains(
    by_seed: Mapping[int, FirstLayerRows], dense: Mapping[int, float] | None = None
) -> dict[int, float]:
    """Return the gain of each seed over its dense network at the pruned level that is best over the other seeds.

    ``dense``: the dense network's accuracy, by seed, for seeds without a dense level of their own. Where all levels are
    equal, the gain at a seed's own best level is above 0 on average, and this one is 0. Seeds without a gain are left
    out. See docs/science.md, "Best level and gain".
    """
    densities = {level: u for levels in by_seed.values() for level, u in levels.densities.items()}
    chosen = best_levels.cross_fitted({seed: own.accuracies for seed, own in by_seed.items()}, densities)
    gains = {seed: by_seed[seed].gain(level, (dense or {}).get(seed)) for seed, level in chosen.items()}
    return {seed: gain for seed, gain in gains.items() if gain is not None}


def fan_in_excess(row: Mapping[str, Any]) -> float | None:
    """Return the excess of the fan-in's sd from stored columns of a row, so that older runs have it too."""
    ratio, mean, u = (row.get(name) for name in ("fan_in_var_ratio", "fan_in_mean", "weight_density"))
    if ratio is None or not mean or not u:
        return None
    found = excess(ratio, mean / u, u)
    return found if math.isfinite(found) else None


def _level_facts(levels: FirstLayerRows, level: int | None, prefix: str = "") -> Facts:
    if level is None:
        return {}
    row = levels.rows[level]
    found = {prefix + column.name: row.get(column.name) for column in shown_on("compare")}
    return found | {f"{prefix}fan_in_excess": fan_in_excess(row)}
