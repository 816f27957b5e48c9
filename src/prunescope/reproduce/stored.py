"""The miniature's runs as numbers with their places: what claims and plots read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars

from prunescope.reproduce.rules import Quantity, Sample, difference_unit
from prunescope.store import Run

# Densities are told apart within this factor: levels are a factor 0.7 apart.
SAME_DENSITY = 1.1


class Kind:
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

    def best_level(self, seed: int) -> int:
        """The level of the best validation accuracy, the densest of equals."""
        return int(max(self.layer(seed), key=lambda row: row["best_val_accuracy"])["level"])

    def cell(self, seed: int, level: int, column: str, layer: int = 1) -> Sample | None:
        """One entry of levels.parquet; None where it is not defined."""
        rows = [row for row in self.layer(seed, layer) if row["level"] == level]
        value = rows[0].get(column) if rows else None
        if value is None:
            return None
        where = f"levels.parquet, level {level}, layer {layer}, {column}"
        return Sample(float(value), self.path(seed), where)


class Miniature:
    """All kinds of runs by name."""

    def __init__(self, kinds: Mapping[str, Sequence[Run]], base: Path) -> None:
        self.kinds = {name: Kind(runs, base) for name, runs in kinds.items()}

    def __getitem__(self, kind: str) -> Kind:
        return self.kinds.get(kind, Kind((), Path()))

    def gather(
        self,
        name: str,
        kind: str,
        sample: Callable[[Kind, int], Sample | None],
        unit: str = "",
        *,
        null: bool = False,
    ) -> Quantity:
        """A quantity from what ``sample`` says of each seed; seeds of which it says None are left out."""
        found = {seed: sample(self[kind], seed) for seed in sorted(self[kind].runs)}
        return Quantity(name, {seed: one for seed, one in found.items() if one is not None}, unit, null)

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
    ) -> Quantity:
        """A column of levels.parquet at nominal density ``u``."""

        def sample(runs: Kind, seed: int) -> Sample | None:
            level = runs.level_at(seed, u)
            return None if level is None else runs.cell(seed, level, column, layer)

        return self.gather(name, kind, sample, unit, null=null)

    def at_best(self, name: str, kind: str, column: str, unit: str = "") -> Quantity:
        """A column of levels.parquet at the level of the best validation accuracy."""
        return self.gather(
            name, kind, lambda runs, seed: runs.cell(seed, runs.best_level(seed), column), unit
        )

    def at_last(self, name: str, kind: str, column: str, unit: str = "", *, layer: int = 1) -> Quantity:
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


def difference(name: str, first: Quantity, second: Quantity) -> Quantity:
    """``first`` - ``second`` of the seeds that both have, with both places told."""
    samples = {}
    for seed in sorted(first.samples.keys() & second.samples.keys()):
        a, b = first.samples[seed], second.samples[seed]
        run = a.run if a.run == b.run else f"{a.run} ; {b.run}"
        samples[seed] = Sample(a.value - b.value, run, f"[{first.name}] - [{second.name}]")
    return Quantity(name, samples, difference_unit(first.unit), parts=(first, second))


def places(quantities: Iterable[Quantity]) -> set[str]:
    """Every run that the quantities come from."""
    runs = (sample.run for quantity in quantities for sample in quantity.samples.values())
    return {run for several in runs for run in several.split(" ; ")}
