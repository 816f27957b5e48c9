"""Numbers against u, one curve an experiment: means and spreads over seeds, gains over the dense network."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars
from matplotlib.axes import Axes

from prunescope._renamed import old_names
from prunescope.figures.parts.style import FAINT, MUTED, PALETTE

# Six colours are told apart safely; further curves repeat them with other markers and dashes.
LINES = (("o", "-"), ("s", "--"), ("^", ":"))
# What the main text of a figure calls these shuffles, with their spread.
SHUFFLED = "shuffled ± 2 sd"


def line_styles(count: int) -> list[dict[str, Any]]:
    """Colour, marker and dashes of so many curves."""
    result = []
    for number in range(count):
        marker, dashes = LINES[number // len(PALETTE) % len(LINES)]
        result.append({"color": PALETTE[number % len(PALETTE)], "marker": marker, "ls": dashes})
    return result


def draw_curve(
    axes: Axes,
    rows: polars.DataFrame,
    name: str,
    *,
    x: str = "nominal_density",
    scale: float = 1,
    **look: Any,
) -> None:
    """Mean with a band of one sd against u; levels at which it is not defined are left out."""
    if f"{name}_mean" not in rows.columns:
        return
    rows = rows.filter(polars.col(f"{name}_mean").is_not_null()).sort(x, descending=True)
    sd = scale * rows[f"{name}_sd"].cast(polars.Float64).fill_null(0).to_numpy()
    place, mean = rows[x].to_numpy(), scale * rows[f"{name}_mean"].to_numpy()
    look = {"marker": "o", "ls": "-"} | look
    if rows[x].n_unique() < len(rows):  # layers pruned in turn come by the same u again: no line through that
        look["ls"] = ""
    axes.plot(place, mean, **look)
    if np.any(sd > 0) and look["ls"]:
        axes.fill_between(place, mean - sd, mean + sd, color=look.get("color"), alpha=0.2, lw=0)


def draw_null(
    axes: Axes, rows: polars.DataFrame, *, x: str = "nominal_density", label: str | None = None
) -> None:
    """Locality of shuffled masks: mean ± 2 sd as a grey band, behind everything."""
    if not {"locality_null_mean", "locality_null_sd_mean"} <= set(rows.columns):
        return
    rows = rows.filter(polars.col("locality_null_mean").is_not_null())
    rows = rows.unique(x, keep="first", maintain_order=True).sort(x, descending=True)
    place, mean = rows[x].to_numpy(), rows["locality_null_mean"].to_numpy()
    sd = rows["locality_null_sd_mean"].cast(polars.Float64).fill_null(0).to_numpy()
    axes.fill_between(place, mean - 2 * sd, mean + 2 * sd, color=FAINT, lw=0, zorder=0.5, label=label)
    axes.plot(place, mean, color=MUTED, lw=0.7, zorder=0.6)


def table_arrays(prefix: str, table: polars.DataFrame) -> dict[str, np.ndarray]:
    """A table as arrays, ``prefix_column``: text as text, all else float64 with nan for what is missing."""
    return {
        f"{prefix}_{name}": np.array(table[name].to_list(), dtype=np.str_)
        if table[name].dtype == polars.String
        else table[name].cast(polars.Float64).fill_null(np.nan).to_numpy()
        for name in table.columns
    }


__getattr__ = old_names(__name__)
