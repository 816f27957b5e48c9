"""These functions draw what pruning leaves of the first layer in several experiments (paper Figs. 5, 13, 14)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from prunescope.analysis.compared_levels import (
    ExperimentLevel,
    at_common_density,
    at_compared_densities,
    by_method,
    level_table,
)
from prunescope.analysis.groups import FigureOptions, groups
from prunescope.figures.parts.curves import table_arrays
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.sheets import mask_sheet
from prunescope.figures.parts.side_by_side import ColumnLayout, Row, draw_columns, height_of, width_of
from prunescope.figures.parts.style import PAGE
from prunescope.figures.parts.tiles import Sheet, stacked
from prunescope.model import Arrays
from prunescope.observables import most_connected
from prunescope.runs.directory import Run

# The u at which the paper compares data and tasks.
DENSITY = 0.005
MASKS, ACROSS = 30, 15


def figure_5(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw S_sc, the fan-in's histogram and the most connected masks of each experiment, in a column each.

    All are at the same u: the level nearest to 0.5 %, or to the sparsest that all have reached. S_sc is summed and
    histograms are averaged over seeds; masks are the first seed's. Data: as draw_columns returns it. Paper Fig. 5.
    """
    return _beside(at_common_density(groups(runs), DENSITY, options), ("pairs", "fan_in", "masks"))


def figure_13(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw masks of the 30 first-layer nodes of largest fan-in of each experiment, first seed, at the same u.

    The level is that nearest to 0.5 %, or to the sparsest that all have reached. Numbers are fan-ins. Data: for sheet k
    ``sheetK_nodes``, ``sheetK_fan_in``, ``sheetK_masks`` bool [30, C, H, W]. Paper Fig. 13.
    """
    shown = at_common_density(groups(runs), DENSITY, options)
    data: Arrays = table_arrays("sheets", level_table(shown))
    sheets: list[Sheet] = []
    for number, experiment_level in enumerate(shown):
        mask, shape = experiment_level.mask, experiment_level.group.runs[0].shape
        nodes = most_connected(mask, MASKS)
        sheets.append(mask_sheet(experiment_level.title, mask.array[nodes], shape, ACROSS))
        data[f"sheet{number}_nodes"], data[f"sheet{number}_fan_in"] = nodes, mask.fan_in[nodes]
        data[f"sheet{number}_masks"] = mask.images(shape)[nodes]
    return Drawing(stacked(sheets, PAGE), data)


def figure_14(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw S_sc and the fan-in's histogram of each method at each of its densities, in a column each.

    Methods that go level by level are shown at the levels nearest to 10 % and 1 %. S_sc is summed and histograms are
    averaged over seeds. Data: as draw_columns returns it. Paper Fig. 14.
    """
    return _beside(at_compared_densities(by_method(groups(runs)), options), ("pairs", "fan_in"), shared=False)


def _beside(shown: Sequence[ExperimentLevel], rows: Sequence[Row], *, shared: bool = True) -> Drawing:
    layout = ColumnLayout(rows, width_of(len(shown)), page=False)
    figure = Figure(figsize=(layout.width, height_of(shown, layout)))
    data = draw_columns(figure, shown, layout, shared=shared)
    return Drawing(figure, data)
