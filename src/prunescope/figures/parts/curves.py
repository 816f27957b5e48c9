"""These functions draw numbers against u, one curve for each experiment: means and spreads over seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars
from matplotlib.axes import Axes

from prunescope._renamed import old_names
from prunescope.analysis.quantities import NOT_NEGATIVE
from prunescope.figures.parts.style import FAINT, MUTED, PALETTE

# Only six colours are easily told apart, so further curves repeat them with other markers and dashes.
LINES = (("o", "-"), ("s", "--"), ("^", ":"))


def line_styles(count: int) -> list[dict[str, Any]]:
    """Return the styles of ``count`` curves as keywords of ``Axes.plot``: color, marker and ls."""
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
    **style: Any,
) -> None:
    """Draw the mean of a column over seeds, with a band of ± 1 sd, against u; the band ends where the column must.

    ``rows`` is one experiment's part of ``analysis.curves.summary``, ``name`` the column without ``_mean``. ``x``
    names the column on the horizontal axis, ``scale`` multiplies the values, and ``style`` holds keywords of
    ``Axes.plot``. Levels at which the mean is not defined are left out; nothing is drawn where ``rows`` does not
    have the column.
    """
    if f"{name}_mean" not in rows.columns:
        return
    rows = rows.filter(polars.col(f"{name}_mean").is_not_null()).sort(x, descending=True)
    sd = scale * rows[f"{name}_sd"].cast(polars.Float64).fill_null(0).to_numpy()
    place, mean = rows[x].to_numpy(), scale * rows[f"{name}_mean"].to_numpy()
    style = {"marker": "o", "ls": "-"} | style
    # Where layers are pruned in turn the same u occurs at several levels, and a line would join unrelated points.
    if rows[x].n_unique() < len(rows):
        style["ls"] = ""
    axes.plot(place, mean, **style)
    if np.any(sd > 0) and style["ls"]:
        low = np.maximum(mean - sd, 0) if name in NOT_NEGATIVE else mean - sd
        axes.fill_between(place, low, mean + sd, color=style.get("color"), alpha=0.2, lw=0)


def draw_null(
    axes: Axes, rows: polars.DataFrame, *, x: str = "nominal_density", label: str | None = None
) -> None:
    """Draw the locality of shuffled masks, mean ± 2 sd, as a grey band behind everything else.

    Arguments are as in draw_curve. Nothing is drawn where ``rows`` does not hold it, and no band where the null has no
    sd. docs/science.md, "Shuffled masks".
    """
    if not {"locality_null_mean", "locality_null_sd_mean"} <= set(rows.columns):
        return
    rows = rows.filter(polars.col("locality_null_mean").is_not_null())
    rows = rows.unique(x, keep="first", maintain_order=True).sort(x, descending=True)
    place, mean = rows[x].to_numpy(), rows["locality_null_mean"].to_numpy()
    sd = rows["locality_null_sd_mean"].cast(polars.Float64).fill_null(np.nan).to_numpy()
    draw_band(axes, place, (mean, sd), label)


def draw_band(
    axes: Axes, place: np.ndarray, null: tuple[np.ndarray, np.ndarray], label: str | None = None
) -> None:
    """Draw a null's mean and sd, ``null``, as a line and a grey band of ± 2 sd, behind everything else."""
    mean, sd = null
    axes.fill_between(place, mean - 2 * sd, mean + 2 * sd, color=FAINT, lw=0, zorder=0.5, label=label)
    axes.plot(place, mean, color=MUTED, lw=0.7, zorder=0.6)


def table_arrays(prefix: str, table: polars.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns of a table as arrays named ``prefix_column``.

    Text becomes an array of strings, everything else float64 with nan for missing values.
    """
    return {
        f"{prefix}_{name}": np.array(table[name].to_list(), dtype=np.str_)
        if table[name].dtype == polars.String
        else table[name].cast(polars.Float64).fill_null(np.nan).to_numpy()
        for name in table.columns
    }


__getattr__ = old_names(__name__)
