"""This module draws how much of their kept weights masks of runs share, as stored and with their units matched."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from prunescope.analysis.groups import FigureOptions, groups
from prunescope.analysis.overlaps import compared_levels, overlap_table
from prunescope.figures.parts.curves import draw_curve
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import (
    BLUE,
    COLUMN,
    FAINT,
    INK,
    MUTED,
    PAGE,
    VERMILION,
    density_axis,
    grid,
    panel_letter,
)
from prunescope.runs.directory import Run

# What is drawn of a pair of masks, by the prefix of its columns: its colour and its name.
SIDES = {"": (BLUE, "units as stored"), "matched_": (VERMILION, "units matched")}
STYLES = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))
MOST_LAYERS = 6


def figure_overlap(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the share of kept weights that two masks have in common (top), and that share over chance's (bottom).

    Of several experiments the first is compared with each other one, seed by seed; of one experiment each seed with the
    next; of one run each level with the next, whose units keep their places and are not matched. Columns are layers,
    dashes what is compared: mean ± sd over pairs of runs. Bands are random masks with the same fan-ins and fan-outs, mean
    ± 2 sd, whose units are matched in the same way. Data: one row for each comparison, level and layer, with z.
    docs/science.md, "Overlap" and "Matched units".
    """
    table = overlap_table(compared_levels(groups(runs), options.levels))
    sides = [side for side in SIDES if table[f"{side}share_mean"].null_count() < len(table)]
    layers = _shown(sorted(set(table["layer"])))
    labels = list(dict.fromkeys(table["compared"]))
    figure = Figure(figsize=(PAGE if len(layers) > 1 else COLUMN, 3.6))
    axes = grid(figure, 2, len(layers))
    for column, layer in enumerate(layers):
        for label, style in zip(labels, STYLES * len(labels), strict=False):
            of_layer = (polars.col("layer") == layer) & (polars.col("compared") == label)
            rows = table.filter(of_layer).sort("nominal_density", descending=True)
            for side in sides:
                _draw_side(list(axes[:, column]), rows, side, style)
        axes[0, column].set_title(f"layer {layer}")
    names = "kept weights in common (%)", "the same, times chance"
    for letter, row, name, around in zip("ab", axes, names, (0.0, 1.0), strict=True):
        panel_letter(row[0], letter)
        row[0].set_ylabel(name)
        _same_scale(row, table["nominal_density"].to_list(), around)
    for one in axes[0]:
        one.set_xlabel("")
    for one in axes[1]:
        one.axhline(1, color=MUTED, lw=0.7, zorder=0.7)
    _legend(figure, sides, [_name(table, label) for label in labels])
    return Drawing(figure, table)


def _shown(layers: Sequence[int]) -> list[int]:
    """Return at most MOST_LAYERS of the layers, evenly spread; the data hold all."""
    places = np.linspace(0, len(layers) - 1, min(MOST_LAYERS, len(layers)))
    return [layers[round(place)] for place in places]


def _draw_side(axes: Sequence[Axes], rows: polars.DataFrame, side: str, style: tuple[str, str]) -> None:
    """Draw the share of one layer, as stored or matched, with its null: itself, and over the null's mean."""
    colour, (dashes, marker) = SIDES[side][0], style
    rows = rows.filter(polars.col(f"{side}null_mean") > 0)
    chance = polars.col(f"{side}null_mean")
    names = [f"{side}{name}" for name in ("share_mean", "share_sd", "null_mean", "null_spread_mean")]
    for one, part in (
        (axes[0], rows.with_columns(polars.col(*names) * 100)),
        (axes[1], rows.with_columns(polars.col(*names) / chance)),
    ):
        draw_curve(one, part, f"{side}share", color=colour, ls=dashes, marker=marker, zorder=3)
        place, mean = part["nominal_density"].to_numpy(), part[f"{side}null_mean"].to_numpy()
        sd = part[f"{side}null_spread_mean"].cast(polars.Float64).fill_null(0).to_numpy()
        low = np.maximum(mean - 2 * sd, 0)
        if len(place) == 1:  # A band of one level has no width.
            one.errorbar(place, mean, [mean - low, 2 * sd], color=colour, alpha=0.2, elinewidth=7, zorder=0.5)
        one.fill_between(place, low, mean + 2 * sd, color=colour, alpha=0.2, lw=0, zorder=0.5)
        if one is axes[0]:
            one.plot(place, mean, color=colour, lw=0.6, ls=dashes, alpha=0.8, zorder=0.6)


def _same_scale(row: Sequence[Axes], densities: Sequence[float], around: float) -> None:
    """Give the panels of a row the same scales, and numbers to the first of them alone.

    They hold every curve; a null that spreads further is cut off. ``around``: the value about which they are, 0 or 1.
    Panels about 0 begin there, and so do those about 1 that reach 2; others show what lies next to 1.
    """
    drawn = [np.asarray(line.get_ydata(), float) for one in row for line in one.get_lines()]
    values = [value for value in np.concatenate(drawn).tolist() if math.isfinite(value)] or [0.0]
    bottom, high = 0.0, 1.08 * max(values)
    if around == 1.0 and max(values) < 2:
        low, high = min(1.0, *values), max(1.0, *values)
        margin = max(0.02, 0.15 * (high - low))
        bottom, high = max(0.0, low - margin), high + margin
    high = high or 1.0
    for place, one in enumerate(row):
        density_axis(one, densities)
        one.set_ylim(bottom, high)
        one.yaxis.set_major_locator(MaxNLocator(5))
        one.tick_params(labelleft=place == 0)


def _name(table: polars.DataFrame, label: str) -> str:
    """Return the name of a comparison with the number of pairs of masks at a level, where there are several."""
    count = table.filter(polars.col("compared") == label)["pairs"].to_list()
    return label if max(count) == 1 else f"{label}, {max(count)} pairs"


def _legend(figure: Figure, sides: Sequence[str], labels: Sequence[str]) -> None:
    """Draw a legend with the colours of matching, the dashes of what is compared, and the null."""
    entries: list[Line2D | Patch] = [
        Line2D([], [], color=SIDES[side][0], lw=2, label=SIDES[side][1]) for side in sides
    ]
    entries.append(Patch(facecolor=FAINT, lw=0, label="chance at the same margins, ± 2 sd"))
    entries += [
        Line2D([], [], color=INK, ls=dashes, marker=marker, label=label)
        for label, (dashes, marker) in zip(labels, STYLES * len(labels), strict=False)
    ]
    figure.legend(handles=entries, loc="outside upper center", ncols=min(len(entries), 4))
