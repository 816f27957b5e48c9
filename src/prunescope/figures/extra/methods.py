"""What each pruning method does to accuracy and to locality, in one plot."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from prunescope.analysis.compared_levels import by_method
from prunescope.analysis.curves import summary
from prunescope.analysis.groups import FigureOptions, groups
from prunescope.figures.paper.accuracy import accuracy_panel, draw_legend, legend_room, locality_panel
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import COLUMN, panel_letter
from prunescope.runs.directory import Run


def figure_methods(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Best validation accuracy and the first layer's locality index against u, one curve a method.

    Mean ± sd over seeds. Locality is shown against the first layer's own u, which methods that choose among all
    layers do not keep at the network's; the grey band is ± 2 sd of masks shuffled at matched fan-in, of every
    method. Methods that do not train the dense network share the dashed line of one that does. Data: one row an
    experiment and level.
    """
    found = by_method(groups(runs))
    figure = Figure(figsize=(COLUMN, 4.2 + legend_room(found)))
    upper, lower = figure.subplots(2, 1)
    table = summary(found)
    accuracy_panel(upper, found, table)
    upper.set_xlabel("unpruned weights $u$ of the network (%)")
    locality_panel(lower, found, table, x="weight_density_mean")
    lower.set_xlabel("unpruned weights $u$ of the first layer (%)")
    draw_legend(figure, upper, found)
    panel_letter(upper, "a")
    panel_letter(lower, "b")
    return Drawing(figure, table)
