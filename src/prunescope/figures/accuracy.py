"""Accuracy, locality and fan-in variance against u (paper Fig. 1a and an overview)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunescope.figures.choice import Group, groups, shown_levels
from prunescope.figures.drawing import Drawing, Options
from prunescope.figures.style import COLUMN, MUTED, PALETTE, density_axis, grid, panel_letter
from prunescope.store import Run

ACCURACIES = ("best_val_accuracy", "final_val_accuracy", "heldout_accuracy")
SCALARS = ("locality", "locality_null", "locality_null_sd", "locality_z", "fan_in_var_ratio")


def figure_1a(runs: Sequence[Run], options: Options) -> Drawing:
    """Best validation accuracy against u: mean ± sd over seeds, one curve an experiment.

    The dashed line is the dense network; circles mark the levels of Figs. 1b and 2b. Data: one row an
    experiment and level. Paper Fig. 1a.
    """
    found = groups(runs)
    figure = Figure(figsize=(COLUMN, 2.3))
    axes = figure.add_subplot()
    table = _summary(found)
    for group, colour in zip(found, _colours(len(found)), strict=True):
        _accuracy_curve(axes, table, group, colour, label=f"{group.label}, {group.seeds}")
        if len(found) == 1:
            rows = _of(table, group).filter(polars.col("level").is_in(shown_levels(group, options)))
            x, y = rows["nominal_density"], 100 * rows["best_val_accuracy_mean"]
            axes.plot(x, y, "o", ms=8, mfc="none", mec=colour, mew=0.8)
    density_axis(axes, table["nominal_density"].to_list())
    axes.set_ylabel("best validation accuracy (%)")
    axes.legend(loc="best")
    return Drawing(figure, table)


def levels(runs: Sequence[Run], options: Options) -> Drawing:
    """Accuracy, locality with its null, and the fan-in's variance over the binomial one, all against u.

    The grey band is locality ± 2 sd of masks shuffled at matched fan-in. Data: one row an experiment and level.
    """
    found = groups(runs)
    figure = Figure(figsize=(COLUMN, 5.0))
    top, middle, bottom = grid(figure, 3, 1)[:, 0]
    table = _summary(found)
    for group, colour in zip(found, _colours(len(found)), strict=True):
        _accuracy_curve(top, table, group, colour, label=f"{group.label}, {group.seeds}")
        rows = _of(table, group)
        _scalar_curve(middle, rows, "locality", colour)
        _scalar_curve(bottom, rows, "fan_in_var_ratio", colour)
        _null_band(middle, rows)
    top.set_ylabel("best validation accuracy (%)")
    top.legend(loc="best")
    middle.set_ylabel("locality (first layer)")
    bottom.set_ylabel("fan-in variance /\nbinomial variance")
    bottom.axhline(1, color=MUTED, lw=0.7, ls=":")
    for letter, axes in zip("abc", (top, middle, bottom), strict=True):
        density_axis(axes, table["nominal_density"].to_list())
        panel_letter(axes, letter)
        if axes is not bottom:
            axes.set_xlabel("")
    return Drawing(figure, table)


def _summary(found: Sequence[Group]) -> polars.DataFrame:
    """One row an experiment and level: mean and sample sd over seeds of the first layer's numbers."""
    parts = []
    for group in found:
        # Levels that only some seeds have reached would be means over other seeds than their neighbours.
        table = group.table().filter(polars.col("layer") == 1, polars.col("level").is_in(group.levels))
        names = [name for name in (*ACCURACIES, *SCALARS) if name in table.columns]
        statistics = [polars.len().alias("seeds"), polars.col("nominal_density").mean()]
        statistics += [polars.col(name).mean().alias(f"{name}_mean") for name in names]
        statistics += [polars.col(name).std().alias(f"{name}_sd") for name in names]
        part = table.group_by("level").agg(statistics).sort("level")
        parts.append(part.select(polars.lit(group.label).alias("experiment"), polars.all()))
    return polars.concat(parts, how="diagonal_relaxed")


def _of(table: polars.DataFrame, group: Group) -> polars.DataFrame:
    return table.filter(polars.col("experiment") == group.label)


def _colours(count: int) -> list[str]:
    return [PALETTE[number % len(PALETTE)] for number in range(count)]


def _accuracy_curve(axes: Axes, table: polars.DataFrame, group: Group, colour: str, label: str) -> None:
    rows = _of(table, group)
    _scalar_curve(axes, rows, "best_val_accuracy", colour, scale=100, label=label)
    dense = rows.filter(polars.col("level") == 0)
    if len(dense):
        value = 100 * float(dense["best_val_accuracy_mean"][0])
        axes.axhline(value, color=colour, lw=0.7, ls="--", alpha=0.6, label="dense", zorder=1)


def _scalar_curve(
    axes: Axes, rows: polars.DataFrame, name: str, colour: str, scale: float = 1, label: str | None = None
) -> None:
    """Mean with error bars of one sd; levels at which it is not defined are left out."""
    if f"{name}_mean" not in rows.columns:
        return
    rows = rows.filter(polars.col(f"{name}_mean").is_not_null())
    sd = scale * rows[f"{name}_sd"].cast(polars.Float64).fill_null(0).to_numpy()
    x, mean = rows["nominal_density"].to_numpy(), scale * rows[f"{name}_mean"].to_numpy()
    axes.plot(x, mean, "-o", color=colour, label=label)
    if np.any(sd > 0):
        axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.2, lw=0)


def _null_band(axes: Axes, rows: polars.DataFrame) -> None:
    if not {"locality_null_mean", "locality_null_sd_mean"} <= set(rows.columns):
        return
    rows = rows.filter(polars.col("locality_null_mean").is_not_null())
    x, mean = rows["nominal_density"].to_numpy(), rows["locality_null_mean"].to_numpy()
    sd = rows["locality_null_sd_mean"].cast(polars.Float64).fill_null(0).to_numpy()
    axes.fill_between(x, mean - 2 * sd, mean + 2 * sd, color=MUTED, alpha=0.35, lw=0)
    axes.plot(x, mean, color=MUTED, lw=0.7)
