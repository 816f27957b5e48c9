"""These functions compare tasks and amounts of data: the gain over the dense network and what pruning leaves.

They draw the paper's Figs. 17, 18 and 19.
"""

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
from prunescope.analysis.input_wording import inputs_of
from prunescope.figures.paper.accuracy import draw_legend, gain_panel, legend_height, without_gain
from prunescope.figures.parts import published
from prunescope.figures.parts.curves import line_styles, table_arrays
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.samples import class_samples, draw_samples
from prunescope.figures.parts.side_by_side import Row, beside_panels, draw_columns
from prunescope.figures.parts.style import INK, MUTED, panel_letter
from prunescope.model import Arrays
from prunescope.runs.directory import Run

# The u at which the paper shows the masks in Fig. 17, and in Figs. 18 and 19.
DENSITY_17, DENSITY = 0.007, 0.005
HEIGHT = 2.1  # The height of a panel in inches without its legend.
PANEL = 2.6  # The width in inches of the narrowest panel.
LABEL = 13  # The characters in a line of the label below a dot.


def figure_17(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw sample images of the classes (a), the gain over the dense network (b), S_sc and the fan-in's histogram.

    The last two are at the same u, dashed in b: the level nearest to 0.7 %, or to the sparsest that all have reached.
    In a, columns are classes of the first task, rows those of the next one that differs. Where the images are not on
    this machine, a is left out with a note in the data. Data: ``gain_…`` and ``columns_…`` tables, ``samples`` or
    ``note``. docs/science.md, "Tasks". Paper Fig. 17.
    """
    found = groups(runs)
    shown = at_common_density(found, DENSITY_17, options)
    samples = class_samples(found)
    rows: tuple[Row, ...] = ("pairs", "fan_in")
    panels = 1 if isinstance(samples, str) else 2
    height = HEIGHT + legend_height(found, PANEL)
    figure, parts, lower, layout = beside_panels(shown, rows, panels, height)
    data: Arrays = {}
    if isinstance(samples, str):
        data["note"] = np.array(samples)
    else:
        axes = parts[0].subplots()
        draw_samples(axes, samples)
        panel_letter(axes, "a")
        data["samples"] = samples.pictures
    data |= _gain(parts[-1], found, shown, "b" if panels > 1 else "a")
    notes = without_gain(found, data["gain_experiment"])
    return Drawing(figure, data | draw_columns(lower, shown, layout), notes=notes)


def figure_18(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the gain over the dense network (a) and the accuracies of the dense network and the best pruned level (b).

    Empty dots in b are dense, full ones pruned. Columns then show S_sc, the fan-in's histogram and the most connected
    masks, at the same u: the level nearest to 0.5 %, or to the sparsest that all have reached. Accuracies are mean ±
    sd over seeds; masks are the first seed's. Data: ``gain_…``, ``accuracy_…`` and ``columns_…`` tables, maps and
    masks. Paper Fig. 18.
    """
    found = groups(runs)
    shown = at_common_density(found, DENSITY, options)
    rows: tuple[Row, ...] = ("pairs", "fan_in", "masks")
    figure, (left, right), lower, layout = beside_panels(shown, rows, 2, HEIGHT + legend_height(found, PANEL))
    data = _gain(left, found, shown, "a")
    table = dense_and_best(found)
    axes = right.subplots()
    _dots(axes, found, table)
    panel_letter(axes, "b")
    data |= table_arrays("accuracy", table)
    notes = without_gain(found, data["gain_experiment"])
    return Drawing(figure, data | draw_columns(lower, shown, layout), notes=notes)


def figure_19(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the gain over the dense network (a) and the largest gain of each seed against the amount of data (b).

    Columns then show S_sc and the fan-in's histogram at the same u: the level nearest to 0.5 %, or to the sparsest
    that all have reached. Gains are mean ± sd over seeds. A largest gain tends to be positive by chance alone, since
    it is the best of many levels. Data: ``gain_…``, ``largest_…`` and ``columns_…`` tables, maps. Paper Fig. 19.
    """
    found = sorted(groups(runs), key=lambda group: -group.runs[0].experiment.data.fraction)
    shown = at_common_density(found, DENSITY, options)
    rows: tuple[Row, ...] = ("pairs", "fan_in")
    figure, (left, right), lower, layout = beside_panels(shown, rows, 2, HEIGHT + legend_height(found, PANEL))
    data = _gain(left, found, shown, "a")
    table = largest_against_data(found)
    axes = right.subplots()
    _largest(axes, found, table)
    panel_letter(axes, "b")
    data |= table_arrays("largest", table)
    notes = without_gain(found, data["gain_experiment"])
    return Drawing(figure, data | draw_columns(lower, shown, layout), notes=notes)


def _gain(
    figure: FigureBase, found: Sequence[Group], shown: Sequence[ExperimentLevel], letter: str
) -> Arrays:
    axes = figure.subplots()
    table = gains(found)
    gain_panel(axes, found, table)
    for density in {round(one.density, 9) for one in shown}:
        axes.axvline(density, color=MUTED, lw=0.7, ls="--", zorder=1)
    draw_legend(figure, axes, found, PANEL)
    panel_letter(axes, letter)
    return table_arrays("gain", table)


def _dots(axes: Axes, found: Sequence[Group], table: polars.DataFrame) -> None:
    """Draw the dense (empty) and best (full) accuracy of each experiment, and the paper's bounds as faint lines."""
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
    """Draw the largest gain (percentage points) against the share of the data, logarithmic."""
    known = table.filter(polars.col("largest_mean").is_not_null()).sort("fraction")
    x, y = 100 * known["fraction"].to_numpy(), 100 * known["largest_mean"].to_numpy()
    axes.plot(x, y, color=MUTED, lw=0.8, zorder=1)
    colours = dict(zip([group.label for group in found], line_styles(len(found)), strict=True))
    for row in known.to_dicts():
        style, sd = colours[row["experiment"]], 100 * (row["largest_sd"] or 0)
        place, mean = 100 * row["fraction"], 100 * row["largest_mean"]
        axes.errorbar(
            place, mean, sd, fmt=style["marker"], ms=4, color=style["color"], elinewidth=0.9, capsize=2
        )
    axes.axhline(0, color=INK, lw=0.7, ls=":", zorder=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(f"training {inputs_of(run for group in found for run in group.runs)} used (%)")
    axes.set_ylabel("largest gain (% points)")
