"""What is left of the first layer in several experiments (paper Figs. 5, 13, 14)."""

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
from prunescope.figures.parts.side_by_side import Row, draw_columns, height_of, width_of
from prunescope.figures.parts.style import PAGE
from prunescope.figures.parts.tiles import TileSheet, stacked
from prunescope.model import Arrays
from prunescope.observables import mask_image, most_connected
from prunescope.runs.directory import Run

# Where the paper compares data and tasks.
DENSITY = 0.005
MASKS, ACROSS = 30, 15


def figure_5(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """S_sc, the fan-in's histogram and the most connected masks of each experiment, a column each.

    At the same u: the level nearest to 0.5 %, or to the sparsest that all have reached. S_sc is summed and
    histograms are averaged over seeds; masks are the first seed's. Paper Fig. 5.
    """
    return _beside(at_common_density(groups(runs), DENSITY, options), ("pairs", "fan_in", "masks"))


def figure_13(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Masks of the 30 first-layer nodes of largest fan-in of each experiment, first seed, at the same u.

    The level nearest to 0.5 %, or to the sparsest that all have reached. Numbers are fan-ins. Data: for sheet k
    ``sheetK_nodes``, ``sheetK_fan_in``, ``sheetK_masks`` bool [30, C, H, W]. Paper Fig. 13.
    """
    picks = at_common_density(groups(runs), DENSITY, options)
    data: Arrays = table_arrays("sheets", level_table(picks))
    sheets = []
    for number, pick in enumerate(picks):
        mask, shape = pick.mask, pick.group.runs[0].shape
        nodes = most_connected(mask, MASKS)
        images = [mask_image(mask.array[node], shape) for node in nodes]
        sheets.append(TileSheet(pick.title, images, [str(count) for count in mask.fan_in[nodes]], ACROSS))
        data[f"sheet{number}_nodes"], data[f"sheet{number}_fan_in"] = nodes, mask.fan_in[nodes]
        data[f"sheet{number}_masks"] = mask.images(shape)[nodes]
    return Drawing(stacked(sheets, PAGE), data)


def figure_14(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """S_sc and the fan-in's histogram of each method at each of its densities, a column each.

    Of methods that go level by level, the levels nearest to 10 % and 1 %. Summed and averaged over seeds.
    Paper Fig. 14.
    """
    return _beside(at_compared_densities(by_method(groups(runs)), options), ("pairs", "fan_in"), shared=False)


def _beside(picks: Sequence[ExperimentLevel], rows: Sequence[Row], *, shared: bool = True) -> Drawing:
    width = width_of(len(picks))
    figure = Figure(figsize=(width, height_of(picks, rows, width, page=False)))
    data = draw_columns(figure, picks, rows, width=width, page=False, shared=shared)
    return Drawing(figure, data)
