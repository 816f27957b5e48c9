"""These functions compare one experiment under several minimisers, networks or pruning parameters.

They draw the paper's Figs. 6, 7 and 8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from prunescope.analysis.compared_levels import at_best, at_shown
from prunescope.analysis.curves import of, summary
from prunescope.analysis.groups import FigureOptions, Group, groups
from prunescope.analysis.training_curves import training_curves
from prunescope.figures.paper.accuracy import accuracy_panel, locality_panel
from prunescope.figures.parts.curves import line_styles, table_arrays
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.side_by_side import ColumnLayout, draw_columns, height_of
from prunescope.figures.parts.style import INK, PAGE, panel_letter
from prunescope.model import Arrays
from prunescope.runs.directory import Run

TOP, TALL = 3.0, 3.6  # Heights of the curves in inches without their legend: without and with locality.
FEWEST_TICKS = 3
LEGEND_ROW, ACROSS = 0.14, 4
COLUMNS = ColumnLayout(("pairs", "fan_in"))
MEASURES = {"train_loss": "training loss", "validation_error": "validation error (%)"}


def figure_6(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw best validation accuracy against u (a) and the training curves of two levels (b, c) of each experiment.

    A square marks the best level in a. b and c are training loss and validation error against the step, of the dense
    network and of the best level. Curves are means over seeds, in a with ± 1 sd. The training loss is the mean
    cross-entropy since the evaluation before. Data: ``accuracy_…`` and ``training_…`` tables. Paper Fig. 6.
    """
    found = groups(runs)
    figure = Figure(figsize=(PAGE, TOP + _legend_height(found)))
    return Drawing(figure, _curves(figure, found, options))


def figure_7(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the panels of Fig. 6, and S_sc and the fan-in's histogram of each experiment (d).

    d is at the level at which masks are shown, which is the best one where its masks are sparse (``Group.shown_level``).

    S_sc is summed and histograms are averaged over seeds. Data: tables, and ``columnK_same`` of experiment K.
    Paper Fig. 7.
    """
    return _with_columns(groups(runs), options, locality=False)


def figure_8(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the panels of Fig. 7, and below a the locality index against u with the band of shuffled masks.

    Data: as of Fig. 7. Paper Fig. 8.
    """
    return _with_columns(groups(runs), options, locality=True)


def _with_columns(found: Sequence[Group], options: FigureOptions, *, locality: bool) -> Drawing:
    shown = at_shown(found, options)
    top = (TALL if locality else TOP) + _legend_height(found)
    bottom = height_of(shown, COLUMNS)
    figure = Figure(figsize=(PAGE, top + bottom))
    upper, lower = np.asarray(figure.subfigures(2, 1, height_ratios=(top, bottom)))
    data = _curves(upper, found, options, locality=locality)
    data |= draw_columns(lower, shown, COLUMNS, shared=False)
    lower.text(0.008, 0.99, "d", ha="left", va="top", fontweight="bold", fontsize=8)
    return Drawing(figure, data)


def _curves(
    figure: FigureBase, found: Sequence[Group], options: FigureOptions, *, locality: bool = False
) -> Arrays:
    """Draw panels a, b and c with one legend below and return their numbers."""
    left, right = np.asarray(figure.subfigures(1, 2, width_ratios=(1, 1.15)))
    axes, *below = left.subplots(1 + locality, 1, squeeze=False)[:, 0]
    table = summary(found)
    accuracy_panel(axes, found, table)
    for lower in below:
        axes.set_xlabel("")
        locality_panel(lower, found, table)
    panel_letter(axes, "a")
    best = at_best(found, options)
    for one, style in zip(best, line_styles(len(found)), strict=True):
        row = of(table, one.group).filter(polars.col("level") == one.level)
        y = 100 * row["best_val_accuracy_mean"]
        axes.plot(row["nominal_density"], y, "s", ms=7, mfc="none", mec=style["color"], mew=0.9)
    places = np.asarray(right.subplots(2, 2))
    dense = [(group, 0) for group in found if 0 in group.levels]
    parts = _training_row(places[0], dense, found, "dense")
    parts += _training_row(places[1], [(one.group, one.level) for one in best], found, "best level")
    for axes_of_row, letter in zip(places, "bc", strict=True):
        panel_letter(axes_of_row[0], letter)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=_across(found))
    return table_arrays("accuracy", table) | table_arrays("training", polars.concat(parts))


def _training_row(
    places: np.ndarray, shown: Sequence[tuple[Group, int]], found: Sequence[Group], title: str
) -> list[polars.DataFrame]:
    parts = []
    colours = dict(zip([group.label for group in found], line_styles(len(found)), strict=True))
    for group, level in shown:
        part = training_curves(group, level)
        parts.append(part)
        # A single evaluation is a point, of which a line would show nothing.
        style = colours[group.label] | ({"marker": ""} if len(part) > 1 else {})
        for axes, (name, scale) in zip(places, (("train_loss", 1), ("validation_error", 100)), strict=True):
            axes.plot(part["step"], scale * part[name], **style)
    for axes, name in zip(places, MEASURES.values(), strict=True):
        _step_axis(axes)
        axes.set_ylabel(name)
        axes.set_title(title, loc="right", color=INK)
    return parts


def _step_axis(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("step")
    low, high = axes.get_xlim()
    for numerals in ((1,), (1, 3), (1, 2, 5)):
        ticks = [m * 10**e for e in range(8) for m in numerals if low <= m * 10**e <= high]
        if len(ticks) >= FEWEST_TICKS:
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", "\u2009")))


def _across(found: Sequence[Group]) -> int:
    longest = max(len(group.label) for group in found)
    return max(1, min(ACROSS, len(found), 110 // (longest + 10)))


def _legend_height(found: Sequence[Group]) -> float:
    return LEGEND_ROW * -(-(len(found) + 1) // _across(found)) + 0.1
