"""Read numbers, with the places they come from, off the miniature's runs for claims and plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars

from prunescope.analysis import best_levels
from prunescope.analysis.replicates import same_data
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, Sample
from prunescope.runs.directory import Run

# Densities within this factor are the same level, because levels are a factor 0.7 apart.
SAME_DENSITY = 1.1
# For each accuracy, the field of levels.parquet or run.json with its number of images, and the name of the images.
IMAGES = {
    "heldout_accuracy": ("heldout_images", "held-out"),
    "best_val_accuracy": ("validation_images", "validation"),
    "final_val_accuracy": ("validation_images", "validation"),
}


class ExperimentRuns:
    """The runs of one experiment that have a level, by seed, with paths relative to ``base``."""

    def __init__(self, runs: Sequence[Run], base: Path) -> None:
        self.runs = {run.seed: run for run in runs if run.levels}
        self._base = base

    @cached_property
    def tables(self) -> dict[int, polars.DataFrame]:
        """The table levels.parquet of each run, by seed."""
        return {seed: run.table for seed, run in sorted(self.runs.items())}

    def path(self, seed: int) -> str:
        """Return a run's directory relative to the base, with forward slashes."""
        path = self.runs[seed].path.resolve()
        base = self._base.resolve()
        return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()

    def layer(self, seed: int, layer: int = 1) -> list[dict[str, Any]]:
        """Return the rows of one layer in levels.parquet, by ascending level."""
        return self.tables[seed].filter(polars.col("layer") == layer).sort("level").to_dicts()

    def level_at(self, seed: int, u: float) -> int | None:
        """Return the level whose nominal density is ``u`` within a factor of 1.1, or None."""
        rows = self.layer(seed)
        nearest = min(rows, key=lambda row: abs(math.log(row["nominal_density"] / u)))
        near = abs(math.log(nearest["nominal_density"] / u)) < math.log(SAME_DENSITY)
        return int(nearest["level"]) if near else None

    @cached_property
    def data(self) -> dict[int, dict[str, Any]]:
        """What run.json says about the data, by seed."""
        return {seed: run.data for seed, run in sorted(self.runs.items())}

    @property
    def same_data(self) -> str:
        """The data of all runs, as analysis.groups names them; empty when unknown or when runs differ."""
        found = {same_data(run) for run in self.runs.values()}
        return found.pop() if len(found) == 1 else ""

    @cached_property
    def densities(self) -> dict[int, float]:
        """The nominal density of each level, by ascending level."""
        rows = [row for seed in self.tables for row in self.layer(seed)]
        return {row["level"]: row["nominal_density"] for row in sorted(rows, key=lambda row: row["level"])}

    @property
    def half_step(self) -> float:
        """Half a step of the grid of levels in log10 of the density; inf where they form none."""
        step = best_levels.grid_step(self.densities.values())
        return math.inf if step is None else step / math.log(10) / 2

    def accuracies(self, seed: int) -> dict[int, float]:
        """Return the best validation accuracy of each level of a run."""
        rows = self.layer(seed)
        found = {row["level"]: row.get("best_val_accuracy") for row in rows}
        return {level: float(value) for level, value in found.items() if value is not None}

    def best_level(self, seed: int) -> int | None:
        """Return the pruned level of the best validation accuracy, the sparsest of equals, or None."""
        return best_levels.best(self.densities, self.accuracies(seed))

    @cached_property
    def cross_fitted_levels(self) -> dict[int, int]:
        """For each seed, the pruned level that is best in validation accuracy on average over the other seeds."""
        return best_levels.cross_fitted({seed: self.accuracies(seed) for seed in self.tables}, self.densities)

    def images(self, seed: int, column: str, row: Mapping[str, Any]) -> str:
        """Say on how many images an accuracy of a row was measured; empty for another column."""
        if column not in IMAGES:
            return ""
        name, images = IMAGES[column]
        count = row.get(name) or self.data[seed].get(name)
        return f"{count:,} {images}" if count else f"{images}, number not stored"

    def cell(self, seed: int, level: int, column: str, layer: int = 1) -> Sample | None:
        """Return one entry of levels.parquet with its place, or None where it is not defined."""
        rows = [row for row in self.layer(seed, layer) if row["level"] == level]
        value = rows[0].get(column) if rows else None
        if value is None:
            return None
        where = f"levels.parquet, level {level}, layer {layer}, {column}"
        return Sample(float(value), self.path(seed), where, self.images(seed, column, rows[0]))

    def ratio(self, seed: int, level: int, columns: tuple[str, str], layer: int = 1) -> Sample | None:
        """Return the first of two columns over the second at a level, or None where either is not defined."""
        cell, whole = (self.cell(seed, level, column, layer) for column in columns)
        if cell is None or whole is None:
            return None
        return Sample(cell.value / whole.value, cell.run, f"{cell.where} / {columns[1]}")


class Miniature:
    """All runs of the miniature, by the name of their experiment."""

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
    ) -> MeasuredQuantity:
        """Collect the quantity that ``sample`` measures in each seed; seeds where it returns None are left out."""
        runs = self[kind]
        found = {seed: sample(runs, seed) for seed in sorted(runs.runs)}
        samples = {seed: one for seed, one in found.items() if one is not None}
        return MeasuredQuantity(name, samples, unit, kind=kind, data=runs.same_data)

    def at(self, name: str, kind: str, column: str, u: float, unit: str = "") -> MeasuredQuantity:
        """Return a first-layer column of levels.parquet at nominal density ``u``."""

        def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
            level = runs.level_at(seed, u)
            return None if level is None else runs.cell(seed, level, column)

        return self.gather(name, kind, sample, unit)

    def null_at(self, name: str, kind: str, column: str, u: float) -> MeasuredQuantity:
        """Return a first-layer column that is the null of a claim, a ratio, at nominal density ``u``."""
        return replace(self.at(name, kind, column, u, "×"), null=True)

    def at_best(self, name: str, kind: str, column: str, unit: str = "") -> MeasuredQuantity:
        """Return a first-layer column at the pruned level of the best validation accuracy."""

        def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
            level = runs.best_level(seed)
            return None if level is None else runs.cell(seed, level, column)

        return self.gather(name, kind, sample, unit)

    def at_cross_fitted(self, name: str, kind: str, column: str, unit: str = "") -> MeasuredQuantity:
        """Return a first-layer column at the pruned level that is best on average over the other seeds."""

        def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
            level = runs.cross_fitted_levels.get(seed)
            return None if level is None else runs.cell(seed, level, column)

        return self.gather(name, kind, sample, unit)

    def at_last(
        self, name: str, kind: str, column: str, unit: str = "", *, layer: int = 1
    ) -> MeasuredQuantity:
        """Return a layer's column of levels.parquet at the last level."""
        return self.gather(
            name, kind, lambda runs, seed: runs.cell(seed, runs.runs[seed].levels[-1], column, layer), unit
        )

    def curve(self, kind: str, column: str, layer: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the layer's weight density and a column over its levels, one pair of arrays for each seed."""
        curves = []
        for seed in sorted(self[kind].runs):
            rows = [row for row in self[kind].layer(seed, layer) if row.get(column) is not None]
            curves.append(
                (np.array([r["weight_density"] for r in rows]), np.array([r[column] for r in rows]))
            )
        return curves
