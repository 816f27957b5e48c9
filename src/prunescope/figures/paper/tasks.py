"""Tasks and amounts of data: gain over the dense network and what is left (paper Figs. 17, 18, 19)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from prunescope.analysis.compared_levels import ExperimentLevel, at_common_density
from prunescope.analysis.curves import gains
from prunescope.analysis.gains import dense_and_best, largest_against_data
from prunescope.analysis.groups import FigureOptions, Group, groups
from prunescope.figures.paper.accuracy import draw_legend, gain_panel, legend_room
from prunescope.figures.parts import published
from prunescope.figures.parts.curves import line_styles, table_arrays
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.samples import class_samples, draw_samples
from prunescope.figures.parts.side_by_side import Row, beside_panels, draw_columns
from prunescope.figures.parts.style import INK, MUTED, panel_letter
from prunescope.model import Arrays
from prunescope.runs.directory import Run

# The u at which the paper looks at the masks in Fig. 17, and in Figs. 18 and 19.
DENSITY_17, DENSITY = 0.007, 0.005
HEIGHT = 2.1
PANEL = 2.6  # inches, the narrowest panel
LABEL = 13  # characters of a label in a line below a dot


def figure_17(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """a: sample images of the classes, b: gain over the dense network, then S_sc and the fan-in's histogram.

    The latter at the same u, dashed in b: the level nearest to 0.7 %, or to the sparsest that all have reached.
    In a, columns are classes of the first task, rows of the next one that differs; it needs the images, and is left
    out with a note in the data where they are not at hand. Data: ``gain_…`` and ``columns_…`` tables,
    ``samples`` or ``note``. Paper Fig. 17.
    """
    found = groups(runs)
    picks = at_common_density(found, DENSITY_17, options)
    samples = class_samples(found)
    rows: tuple[Row, ...] = ("pairs", "fan_in")
    panels = 1 if isinstance(samples, str) else 2
    room = legend_room(found, PANEL)
    figure, parts, lower, width = beside_panels(picks, rows, panels, HEIGHT + room)
    data: Arrays = {}
    if isinstance(samples, str):
        data["note"] = np.array(samples)
    else:
        axes = parts[0].subplots()
        draw_samples(axes, samples)
        panel_letter(axes, "a")
        data["samples"] = samples.pictures
    data |= _gain(parts[-1], found, picks, "b" if panels > 1 else "a")
    return Drawing(figure, data | draw_columns(lower, picks, rows, width=width, page=False))


def figure_18(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """a: gain over the dense network, b: accuracy of the dense network (empty) and of the best pruned level (full).

    Then S_sc, the fan-in's histogram and the most connected masks, at the same u: the level nearest to 0.5 %, or to
    the sparsest that all have reached. Mean ± sd over seeds; masks are the first seed's. Data: ``gain_…``,
    ``accuracy_…`` and ``columns_…`` tables, maps and masks. Paper Fig. 18.
    """
    found = groups(runs)
    picks = at_common_density(found, DENSITY, options)
    rows: tuple[Row, ...] = ("pairs", "fan_in", "masks")
    figure, (left, right), lower, width = beside_panels(picks, rows, 2, HEIGHT + legend_room(found, PANEL))
    data = _gain(left, found, picks, "a")
    table = dense_and_best(found)
    axes = right.subplots()
    _dots(axes, found, table)
    panel_letter(axes, "b")
    data |= table_arrays("accuracy", table)
    return Drawing(figure, data | draw_columns(lower, picks, rows, width=width, page=False))


def figure_19(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """a: gain over the dense network, b: the largest gain of each seed against the amount of data.

    Then S_sc and the fan-in's histogram at the same u: the level nearest to 0.5 %, or to the sparsest that all have
    reached. Mean ± sd over seeds; a largest gain is positive by chance too, since it picks the best of many
    levels. Data: ``gain_…``, ``largest_…`` and ``columns_…`` tables, maps. Paper Fig. 19.
    """
    found = sorted(groups(runs), key=lambda group: -group.runs[0].experiment.data.fraction)
    picks = at_common_density(found, DENSITY, options)
    rows: tuple[Row, ...] = ("pairs", "fan_in")
    figure, (left, right), lower, width = beside_panels(picks, rows, 2, HEIGHT + legend_room(found, PANEL))
    data = _gain(left, found, picks, "a")
    table = largest_against_data(found)
    axes = right.subplots()
    _largest(axes, found, table)
    panel_letter(axes, "b")
    data |= table_arrays("largest", table)
    return Drawing(figure, data | draw_columns(lower, picks, rows, width=width, page=False))


def _gain(
    figure: FigureBase, found: Sequence[Group], picks: Sequence[ExperimentLevel], letter: str
) -> Arrays:
    axes = figure.subplots()
    table = gains(found)
    gain_panel(axes, found, table)
    for density in {round(pick.density, 9) for pick in picks}:
        axes.axvline(density, color=MUTED, lw=0.7, ls="--", zorder=1)
    draw_legend(figure, axes, found, PANEL)
    panel_letter(axes, letter)
    return table_arrays("gain", table)


def _dots(axes: Axes, found: Sequence[Group], table: polars.DataFrame) -> None:
    """Dense (empty) and best (full) accuracy of each experiment, the paper's bounds as faint lines."""
    for place, (group, row) in enumerate(zip(found, table.to_dicts(), strict=True)):
        colour = line_styles(len(found))[place]["color"]
        for name, fill in (("dense", "white"), ("best", colour)):
            if row[f"{name}_mean"] is None:
                continue
            y, sd = 100 * row[f"{name}_mean"], 100 * (row[f"{name}_sd"] or 0)
            axes.errorbar(place, y, sd, fmt="o", ms=5, color=colour, mfc=fill, elinewidth=0.9, capsize=2)
        bound = published.task_accuracy(group.runs[0].experiment)
        if bound is not None:
            axes.plot([place - 0.3, place + 0.3], [100 * bound] * 2, color=MUTED, lw=0.8, alpha=0.7)
    axes.plot([], [], "o", ms=5, color=INK, mfc="white", label="dense")
    axes.plot([], [], "o", ms=5, color=INK, label="best pruned")
    axes.set_xlim(-0.6, len(found) - 0.4)
    axes.set_xticks(range(len(found)), [textwrap.fill(group.label, LABEL) for group in found])
    axes.set_ylabel("best validation accuracy (%)")
    axes.margins(y=0.15)
    axes.legend(loc="best")


def _largest(axes: Axes, found: Sequence[Group], table: polars.DataFrame) -> None:
    """Largest gain (percentage points) against the share of the data, logarithmic."""
    known = table.filter(polars.col("largest_mean").is_not_null()).sort("fraction")
    x, y = 100 * known["fraction"].to_numpy(), 100 * known["largest_mean"].to_numpy()
    axes.plot(x, y, color=MUTED, lw=0.8, zorder=1)
    colours = dict(zip([group.label for group in found], line_styles(len(found)), strict=True))
    for row in known.to_dicts():
        look, sd = colours[row["experiment"]], 100 * (row["largest_sd"] or 0)
        place, mean = 100 * row["fraction"], 100 * row["largest_mean"]
        axes.errorbar(
            place, mean, sd, fmt=look["marker"], ms=4, color=look["color"], elinewidth=0.9, capsize=2
        )
    axes.axhline(0, color=INK, lw=0.7, ls=":", zorder=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("training images used (%)")
    axes.set_ylabel("largest gain (% points)")
