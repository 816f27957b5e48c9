"""The miniature's runs as numbers with their places: what claims and plots read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars

from prunescope.analysis import best_levels
from prunescope.analysis.groups import same_data
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, Sample
from prunescope.runs.directory import Run

# Densities are told apart within this factor: levels are a factor 0.7 apart.
SAME_DENSITY = 1.1
# Steps of log density that differ by less than this share are those of one grid.
SAME_STEP = 0.01
# Where the number of images of an accuracy stands, in levels.parquet or in run.json, and what the images are.
IMAGES = {
    "heldout_accuracy": ("heldout_images", "held-out"),
    "best_val_accuracy": ("validation_images", "validation"),
    "final_val_accuracy": ("validation_images", "validation"),
}


class ExperimentRuns:
    """The runs of one experiment, by seed; paths are told relative to ``base``."""

    def __init__(self, runs: Sequence[Run], base: Path) -> None:
        self.runs = {run.seed: run for run in runs if run.levels}
        self._base = base

    @cached_property
    def tables(self) -> dict[int, polars.DataFrame]:
        """levels.parquet by seed."""
        return {seed: run.table for seed, run in sorted(self.runs.items())}

    def path(self, seed: int) -> str:
        """A run's directory relative to the base, with forward slashes."""
        path = self.runs[seed].path.resolve()
        base = self._base.resolve()
        return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()

    def layer(self, seed: int, layer: int = 1) -> list[dict[str, Any]]:
        """Rows of one layer, by ascending level."""
        return self.tables[seed].filter(polars.col("layer") == layer).sort("level").to_dicts()

    def level_at(self, seed: int, u: float) -> int | None:
        """The level whose nominal density is ``u``, None where there is none."""
        rows = self.layer(seed)
        nearest = min(rows, key=lambda row: abs(math.log(row["nominal_density"] / u)))
        near = abs(math.log(nearest["nominal_density"] / u)) < math.log(SAME_DENSITY)
        return int(nearest["level"]) if near else None

    @cached_property
    def data(self) -> dict[int, dict[str, Any]]:
        """What run.json says of the data, by seed."""
        return {seed: run.data for seed, run in sorted(self.runs.items())}

    @property
    def same_data(self) -> str:
        """The data that all runs were run on, as analysis.groups tells them; empty when not known or not one."""
        found = {same_data(run) for run in self.runs.values()}
        return found.pop() if len(found) == 1 else ""

    @cached_property
    def densities(self) -> dict[int, float]:
        """The nominal density of each level, by ascending level."""
        rows = [row for seed in self.tables for row in self.layer(seed)]
        return {row["level"]: row["nominal_density"] for row in sorted(rows, key=lambda row: row["level"])}

    @property
    def half_step(self) -> float:
        """Half the distance of two pruned levels in log10 of the density; inf when they form no grid."""
        pruned = [math.log10(density) for level, density in self.densities.items() if level > 0]
        steps = -np.diff(pruned)
        if not steps.size or np.ptp(steps) > SAME_STEP * abs(steps.mean()):
            return math.inf
        return float(steps.mean()) / 2

    def accuracies(self, seed: int) -> dict[int, float]:
        """Best validation accuracy by level."""
        rows = self.layer(seed)
        found = {row["level"]: row.get("best_val_accuracy") for row in rows}
        return {level: float(value) for level, value in found.items() if value is not None}

    def best_level(self, seed: int) -> int | None:
        """The pruned level of the best validation accuracy, of equals the sparsest; None without a pruned level."""
        return best_levels.best(self.densities, self.accuracies(seed))

    @cached_property
    def cross_fitted_levels(self) -> dict[int, int]:
        """By seed, the pruned level whose validation accuracy is best on average over the other seeds."""
        return best_levels.cross_fitted({seed: self.accuracies(seed) for seed in self.tables}, self.densities)

    def images(self, seed: int, column: str, row: Mapping[str, Any]) -> str:
        """On how many images an accuracy of a row was measured; empty for a column that is no accuracy."""
        if column not in IMAGES:
            return ""
        name, images = IMAGES[column]
        count = row.get(name) or self.data[seed].get(name)
        return f"{count:,} {images}" if count else f"{images}, number not stored"

    def cell(self, seed: int, level: int, column: str, layer: int = 1) -> Sample | None:
        """One entry of levels.parquet; None where it is not defined."""
        rows = [row for row in self.layer(seed, layer) if row["level"] == level]
        value = rows[0].get(column) if rows else None
        if value is None:
            return None
        where = f"levels.parquet, level {level}, layer {layer}, {column}"
        return Sample(float(value), self.path(seed), where, self.images(seed, column, rows[0]))


class Miniature:
    """All kinds of runs by name."""

    def __init__(self, kinds: Mapping[str, Sequence[Run]], base: Path) -> None:
        self.kinds = {name: ExperimentRuns(runs, base) for name, runs in kinds.items()}

    def __getitem__(self, kind: str) -> ExperimentRuns:
        return self.kinds.get(kind, ExperimentRuns((), Path()))

    def gather(
        self,
        name: str,
        kind: str,
        sample: Callable[[ExperimentRuns, int], Sample | None],
        unit: str = "",
        *,
        null: bool = False,
    ) -> MeasuredQuantity:
        """A quantity from what ``sample`` says of each seed; seeds of which it says None are left out."""
        runs = self[kind]
        found = {seed: sample(runs, seed) for seed in sorted(runs.runs)}
        samples = {seed: one for seed, one in found.items() if one is not None}
        return MeasuredQuantity(name, samples, unit, null, kind=kind, data=runs.same_data)

    def at(
        self,
        name: str,
        kind: str,
        column: str,
        u: float,
        unit: str = "",
        *,
        layer: int = 1,
        null: bool = False,
    ) -> MeasuredQuantity:
        """A column of levels.parquet at nominal density ``u``."""

        def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
            level = runs.level_at(seed, u)
            return None if level is None else runs.cell(seed, level, column, layer)

        return self.gather(name, kind, sample, unit, null=null)

    def at_best(self, name: str, kind: str, column: str, unit: str = "") -> MeasuredQuantity:
        """A column of levels.parquet at the pruned level of the best validation accuracy."""

        def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
            level = runs.best_level(seed)
            return None if level is None else runs.cell(seed, level, column)

        return self.gather(name, kind, sample, unit)

    def at_cross_fitted(self, name: str, kind: str, column: str, unit: str = "") -> MeasuredQuantity:
        """A column of levels.parquet at the pruned level that is best on average over the other seeds."""

        def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
            level = runs.cross_fitted_levels.get(seed)
            return None if level is None else runs.cell(seed, level, column)

        return self.gather(name, kind, sample, unit)

    def at_last(
        self, name: str, kind: str, column: str, unit: str = "", *, layer: int = 1
    ) -> MeasuredQuantity:
        """A column of levels.parquet at the last level."""
        return self.gather(
            name, kind, lambda runs, seed: runs.cell(seed, runs.runs[seed].levels[-1], column, layer), unit
        )

    def curve(self, kind: str, column: str, layer: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
        """Density of the weights kept in the layer, and a column, one pair of arrays a seed."""
        curves = []
        for seed in sorted(self[kind].runs):
            rows = [row for row in self[kind].layer(seed, layer) if row.get(column) is not None]
            curves.append(
                (np.array([r["weight_density"] for r in rows]), np.array([r[column] for r in rows]))
            )
        return curves
