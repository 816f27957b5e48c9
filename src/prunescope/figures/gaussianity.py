"""How far from Gaussian the first layer's preactivations are, and which weights make them so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars
from matplotlib.figure import Figure

from prunescope.errors import InputError
from prunescope.figures.choice import Group, groups
from prunescope.figures.curves import draw_curve, looks
from prunescope.figures.drawing import Drawing, Options
from prunescope.figures.style import COLUMN, FAINT, MUTED, density_axis, grid, panel_letter
from prunescope.observe import split_cavity, stored_cavity
from prunescope.store import Run

# Of a run's level: the mean over nodes with its null, and the cavity contrast, kept minus removed weights.
VALUES = ("kurtosis", "kurtosis_null", "kurtosis_null_sd", "contrast", "contrast_like_size")


def figure_kurtosis(runs: Sequence[Run], options: Options) -> Drawing:
    """Excess kurtosis of the first layer's preactivations (a) and cavity effect of its weights (b) against u.

    a: mean over nodes, then ± sd over seeds; 0 is Gaussian; grey is the same weights at random positions ± 2
    sd. b: how a node's kurtosis changes on removing one weight: the mean over weights that the next pruning keeps
    minus that over those it removes, for all of them and for those within a quarter of the pruning threshold. The
    effect grows with the weight, and kept weights are larger: only weights of like size compare like with like.
    Data: one row an experiment and level. Raises InputError for runs that did not measure it. Redman et al. 2024.
    """
    found = groups(runs)
    tables = [_table(group) for group in found]
    figure = Figure(figsize=(COLUMN, 4.0))
    top, bottom = grid(figure, 2, 1)[:, 0]
    for group, rows, look in zip(found, tables, looks(len(found)), strict=True):
        u, null = rows["nominal_density"].to_numpy(), rows["kurtosis_null_mean"].to_numpy()
        sd = rows["kurtosis_null_sd_mean"].to_numpy()
        shuffled = "same weights at random places" if group is found[0] else None
        top.fill_between(u, null - 2 * sd, null + 2 * sd, color=FAINT, lw=0, zorder=0.5, label=shuffled)
        top.plot(u, null, color=MUTED, lw=0.7, zorder=0.6)
        draw_curve(top, rows, "kurtosis", label=f"{group.label}, {group.n}", **look)
        for name, words, style in (
            ("contrast", "all weights", {"ls": "-"}),
            ("contrast_like_size", "weights of like size", {"ls": ":", "marker": "s"}),
        ):
            label = words if group is found[0] else None
            draw_curve(bottom, rows, name, label=label, **(look | style))
    bottom.axhline(0, color=MUTED, lw=0.7)
    top.set_ylabel("excess kurtosis\n(first layer, mean over nodes)")
    bottom.set_ylabel("its change on removing a\nweight: kept minus pruned")
    table = polars.concat(tables)
    for letter, axes in zip("ab", (top, bottom), strict=True):
        density_axis(axes, table["nominal_density"].to_list())
        panel_letter(axes, letter)
        axes.legend(loc="best")
    top.set_xlabel("")
    return Drawing(figure, table)


def _table(group: Group) -> polars.DataFrame:
    """Mean and sample sd over seeds of VALUES, one row a level, densest first."""
    rows = [_row(run, level, group.levels) for run in group.runs for level in group.levels]
    statistics = [polars.len().alias("seeds"), polars.col("nominal_density").mean()]
    statistics += [polars.col(name).mean().alias(f"{name}_mean") for name in VALUES]
    statistics += [polars.col(name).std().alias(f"{name}_sd") for name in VALUES]
    table = polars.DataFrame(
        rows, schema_overrides=dict.fromkeys(VALUES, polars.Float64), infer_schema_length=None
    )
    table = table.group_by("level").agg(statistics).sort("nominal_density", descending=True)
    return table.select(polars.lit(group.label).alias("experiment"), polars.all())


def _row(run: Run, level: int, levels: Sequence[int]) -> dict[str, Any]:
    row = run.table.filter(polars.col("level") == level, polars.col("layer") == 1).row(0, named=True)
    if "kurtosis" not in row:
        raise InputError(f"{run.path}: measured no kurtosis (an older run); figure kurtosis needs a new one")
    values = {name: row[name] for name in ("level", "nominal_density", *VALUES[:3])}
    effects = stored_cavity(run.observations(level))
    nothing = {"contrast": None, "contrast_like_size": None}
    if effects is None or level + 1 not in levels:
        return values | nothing
    mask, after = run.mask(level), run.mask(level + 1)
    if (after.array & ~mask.array).any():  # the next level was not pruned from this one
        return values | nothing
    parts = split_cavity(effects, run.model(level).layers[0].weight, after)
    like_size = _finite(parts.near_threshold())
    return values | {"contrast": _finite(parts.contrast), "contrast_like_size": like_size}


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
