"""This module draws the accuracy and the locality of each pruning method against u."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from prunescope.analysis.compared_levels import by_method
from prunescope.analysis.curves import summary
from prunescope.analysis.groups import FigureOptions, groups
from prunescope.figures.paper.accuracy import accuracy_panel, draw_legend, legend_height, locality_panel
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import COLUMN, panel_letter
from prunescope.runs.directory import Run


def figure_methods(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw best validation accuracy (a) and the first layer's locality index (b) against u, one curve a method.

    Curves are mean ± sd over seeds. Locality is shown against the first layer's own u, because it differs from the
    network's where a method chooses among all layers; the grey band is ± 2 sd of masks shuffled at matched fan-in,
    of every method. Methods that do not train the dense network share the dashed line of one that does. Data: one
    row for each experiment and level. docs/science.md, "Scalars".
    """
    found = by_method(groups(runs))
    figure = Figure(figsize=(COLUMN, 4.2 + legend_height(found)))
    upper, lower = figure.subplots(2, 1)
    table = summary(found)
    accuracy_panel(upper, found, table)
    upper.set_xlabel("unpruned weights $u$ (%)")
    locality_panel(lower, found, table, x="weight_density_mean")
    lower.set_xlabel("weight density of layer 1 (%)")
    draw_legend(figure, upper, found)
    panel_letter(upper, "a")
    panel_letter(lower, "b")
    return Drawing(figure, table)
