"""This module draws how far from Gaussian the first layer's preactivations are, and which weights cause that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars
from matplotlib.figure import Figure

from prunescope.analysis.groups import FigureOptions, groups
from prunescope.analysis.kurtosis import kurtosis_table
from prunescope.figures.parts.curves import draw_band, draw_curve, line_styles
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import COLUMN, MUTED, density_axis, grid, panel_letter
from prunescope.runs.directory import Run


def figure_kurtosis(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the excess kurtosis of the first layer's preactivations (a) and the cavity effect of its weights (b).

    Both are drawn against u. a: mean over nodes, then ± sd over seeds (no band at n = 1); 0 is Gaussian; grey is the
    same weights at random positions ± 2 sd. b: the change of a node's kurtosis when one weight is removed, as the mean over weights
    that the next pruning keeps minus that over those it removes, for all of them and for those within a quarter of
    the pruning threshold. The latter are compared because the effect grows with the weight, and kept weights are
    larger. Data: one row for each experiment and level. Raises InputError for runs that did not measure it.
    docs/science.md, "Kurtosis" and "Cavity"; Redman et al. 2024.
    """
    found = groups(runs)
    tables = [kurtosis_table(group) for group in found]
    figure = Figure(figsize=(COLUMN, 4.0))
    top, bottom = grid(figure, 2, 1)[:, 0]
    for group, rows, style in zip(found, tables, line_styles(len(found)), strict=True):
        u, null = rows["nominal_density"].to_numpy(), rows["kurtosis_null_mean"].to_numpy()
        sd = rows["kurtosis_null_sd_mean"].to_numpy()
        count = group.runs[0].observations(group.levels[-1]).get("kurtosis_null", np.empty(0)).size
        words = f"random places ± 2 sd ({count} shuffles)" if count else "random places ± 2 sd"
        draw_band(top, u, (null, sd), words if group is found[0] else None)
        draw_curve(top, rows, "kurtosis", label=f"{group.label}, {group.n}", **style)
        for name, words, own in (
            ("contrast", "all weights", {"ls": "-"}),
            ("contrast_like_size", "weights of like size", {"ls": ":", "marker": "s"}),
        ):
            label = words if group is found[0] else None
            draw_curve(bottom, rows, name, label=label, **(style | own))
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
