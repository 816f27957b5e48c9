"""These functions draw experiments in columns: S_sc, the fan-in's histogram and the most connected masks of each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from prunescope.analysis.compared_levels import ExperimentLevel, level_table
from prunescope.analysis.connectivity import fan_in_histogram
from prunescope.analysis.locality import summed_locality
from prunescope.figures.parts.curves import table_arrays
from prunescope.figures.parts.histogram import draw_histogram
from prunescope.figures.parts.lags import LAG, chance
from prunescope.figures.parts.locality_maps import draw_pairs, label_pairs
from prunescope.figures.parts.pictures import flatness
from prunescope.figures.parts.series import draw_raster, is_series
from prunescope.figures.parts.style import BLUE, FAINT, MUTED, PAGE, frame
from prunescope.model import Arrays
from prunescope.observables import mask_image, most_connected

Row = Literal["pairs", "fan_in", "masks"]

WIDEST = 7  # The most columns beside each other; further ones begin a new block below.
USUAL = 4  # The columns of a page that holds fewer experiments.
BESIDE = 3  # The most columns that stand to the right of a figure's other panels.
MASKS, ACROSS = 12, 3  # The masks of an experiment, and how many of them a row holds.
CHARACTER = 0.062  # The mean width of a title's character in inches.
# Heights in inches of a title's line, of the legend, and of an axis with its labels.
TITLE_LINE, LEGEND, AXIS = 0.12, 0.25, 0.3
# The height of a row over the width of its column.
HEIGHTS: dict[Row, float] = {"pairs": 0.88, "fan_in": 0.72, "masks": MASKS / ACROSS**2 * 0.92}


@dataclass(frozen=True)
class ColumnLayout:
    """The layout of columns: the rows that each has, and the width of all of them together in inches.

    With ``page`` there are at least four columns, some of them empty, so that one experiment does not fill a page.
    """

    rows: Sequence[Row]
    width: float = PAGE
    page: bool = True


def shape_of(count: int, *, page: bool = True) -> tuple[int, int]:
    """Return the number of blocks and of columns in each for ``count`` experiments; ``page`` as in ColumnLayout."""
    blocks = -(-count // WIDEST)
    columns = -(-count // blocks)
    return blocks, max(columns, USUAL) if page else columns


def width_of(count: int) -> float:
    """Return the width in inches of a figure that holds only the columns of ``count`` experiments."""
    return PAGE * min(1.0, max(0.5, shape_of(count, page=False)[1] / USUAL))


def height_of(shown: Sequence[ExperimentLevel], layout: ColumnLayout) -> float:
    """Return the height in inches that draw_columns needs for these experiments."""
    blocks, columns = shape_of(len(shown), page=layout.page)
    own = layout.width / columns
    lines = max(_title(one, own).count("\n") + 1 for one in shown)
    axes = AXIS * sum(row != "masks" for row in layout.rows)
    return (
        blocks * (sum(_row_height(row, shown) for row in layout.rows) * own + axes + lines * TITLE_LINE)
        + LEGEND
    )


def _row_height(row: Row, shown: Sequence[ExperimentLevel]) -> float:
    """Return the height of a row over the width of its column, less for wide images than for square ones."""
    flat = 1.0 if row == "fan_in" else max(flatness(one.group.runs[0].shape) for one in shown)
    return HEIGHTS[row] * flat


def beside_panels(
    shown: Sequence[ExperimentLevel], rows: Sequence[Row], panels: int, height: float
) -> tuple[Figure, list[FigureBase], FigureBase, ColumnLayout]:
    """Make a page for ``panels`` panels, ``height`` inches high, and for experiments in columns of ``rows``.

    Up to three columns are placed to the right of the panels, more of them below. Returns the figure, the part of each
    panel, the part of the columns, and the columns' layout for draw_columns.
    """
    if len(shown) <= BESIDE:
        width = PAGE * (0.6 if len(shown) == BESIDE else 0.5)
        layout = ColumnLayout(rows, width, page=False)
        figure = Figure(figsize=(PAGE, max(height_of(shown, layout), panels * height)))
        left, right = np.asarray(figure.subfigures(1, 2, width_ratios=(PAGE - width, width)))
        return figure, _parts(left, panels, 1), right, layout
    layout = ColumnLayout(rows, page=False)
    below = height_of(shown, layout)
    figure = Figure(figsize=(PAGE, height + below))
    upper, lower = np.asarray(figure.subfigures(2, 1, height_ratios=(height, below)))
    return figure, _parts(upper, 1, panels), lower, layout


def _parts(figure: FigureBase, rows: int, columns: int) -> list[FigureBase]:
    return list(np.asarray(figure.subfigures(rows, columns, squeeze=False)).flat)


def draw_columns(
    figure: FigureBase, shown: Sequence[ExperimentLevel], layout: ColumnLayout, *, shared: bool = True
) -> Arrays:
    """Draw experiments, each at a level, in columns with ``layout.rows`` and return the numbers drawn.

    S_sc is summed over seeds, each map from 0 to its maximum; histograms are means over seeds with the binomial of
    random pruning; masks are the first seed's. With ``shared`` all histograms have the same horizontal scale.
    Data: ``columns_…`` a table of the columns, ``fan_in_…`` the bars, and for column k ``columnK_same`` int64
    [2H-1, 2W-1], ``columnK_nodes``, ``columnK_masks`` bool [K, C, H, W].
    """
    rows = layout.rows
    blocks, columns = shape_of(len(shown), page=layout.page)
    heights = [_row_height(row, shown) for row in rows] * blocks
    places = np.asarray(figure.subplots(blocks * len(rows), columns, squeeze=False, height_ratios=heights))
    data: Arrays = table_arrays("columns", level_table(shown))
    bars = []
    for axes in places.flat:
        axes.set_visible(False)
    for number, experiment_level in enumerate(shown):
        block, column = divmod(number, columns)
        for offset, row in enumerate(rows):
            axes = places[block * len(rows) + offset, column]
            axes.set_visible(True)
            if row == "pairs":
                data[f"column{number}_same"] = _pairs(axes, experiment_level, left=column == 0)
            elif row == "fan_in":
                bars.append((axes, _bars(axes, experiment_level, number, left=column == 0)))
            else:
                data |= _masks(axes, experiment_level, number, left=column == 0)
        places[block * len(rows), column].set_title(
            _title(experiment_level, layout.width / columns), fontsize=6.5
        )
    if bars:
        _scale(bars, shared=shared)
        figure.legend(*bars[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        data |= table_arrays("fan_in", polars.concat([part for _, part in bars]))
    return data


def _title(experiment_level: ExperimentLevel, width: float) -> str:
    """Return the label, broken to the width of a column, and u below it."""
    label, _, density = experiment_level.title.rpartition(", $u$")
    whole = (label or density).replace(" = ", "\u00a0=\u00a0").replace(" %", "\u00a0%")
    lines = textwrap.wrap(whole, max(8, int(width / CHARACTER)))
    return "\n".join([*lines, f"$u${density}"] if label else lines)


def _pairs(axes: Axes, experiment_level: ExperimentLevel, *, left: bool) -> np.ndarray:
    counts = summed_locality(experiment_level.group, experiment_level.level).same
    shape = experiment_level.group.runs[0].shape
    null = chance([run.mask(experiment_level.level) for run in experiment_level.group.runs], shape)
    draw_pairs(axes, counts, without_centre=True, null=None if null is None else null.same)
    label_pairs(axes, counts, bottom=True, left=left)
    axes.set_xlabel("$d_x$" if null is None else LAG, labelpad=1)
    axes.set_ylabel("" if not left else "$S_{sc}$,  $d_y$" if null is None else "$S_{sc}$ (pairs)")
    locality = experiment_level.mean("locality")
    if locality is not None:
        note = f"locality{' ' if null is None else chr(10)}{locality:.2f}"
        # In a map it is in a dark corner; curves over lags have their empty corners above.
        axes.text(
            0.96,
            0.04 if null is None else 0.96,
            note,
            transform=axes.transAxes,
            ha="right",
            va="bottom" if null is None else "top",
            fontsize=5.5,
            color="w" if null is None else MUTED,
        )
    return counts


def _bars(axes: Axes, experiment_level: ExperimentLevel, number: int, *, left: bool) -> polars.DataFrame:
    part = fan_in_histogram(experiment_level.group, experiment_level.level)
    draw_histogram(axes, part, BLUE)
    axes.set_xlabel("$C_{in}$", labelpad=1)
    axes.set_ylabel("nodes" if left else "")
    axes.tick_params(labelleft=left)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    return part.select(polars.lit(number).alias("column"), polars.all())


def _scale(bars: Sequence[tuple[Axes, polars.DataFrame]], *, shared: bool) -> None:
    highest = max(axes.get_ylim()[1] for axes, _ in bars)
    low = min(part["fan_in_from"].to_numpy().min() for _, part in bars)
    high = max(part["fan_in_to"].to_numpy().max() for _, part in bars)
    for axes, _ in bars:
        axes.set_ylim(0.3, highest)
        if shared:
            axes.set_xlim(low - 1, high + 1)


def _masks(axes: Axes, experiment_level: ExperimentLevel, number: int, *, left: bool) -> Arrays:
    mask, shape = experiment_level.mask, experiment_level.group.runs[0].shape
    nodes = most_connected(mask, MASKS)
    if is_series(shape):
        draw_raster(axes, mask.images(shape)[nodes][:, :, 0])
    else:
        axes.imshow(montage([mask_image(mask.array[node], shape) for node in nodes], ACROSS), vmin=0, vmax=1)
        frame(axes)
    axes.set_ylabel("most connected masks" if left else "")
    return {f"column{number}_nodes": nodes, f"column{number}_masks": mask.images(shape)[nodes]}


def montage(images: Sequence[np.ndarray], across: int) -> np.ndarray:
    """Return one picture of pictures [H, W, 3] in rows of ``across``, with light lines of one pixel between them."""
    height, width = images[0].shape[:2]
    down = -(-len(images) // across)
    sheet = np.ones((down * (height + 1) - 1, across * (width + 1) - 1, 3))
    sheet[height :: height + 1] = sheet[:, width :: width + 1] = to_rgb(FAINT)
    for number, image in enumerate(images):
        row, column = divmod(number, across)
        y, x = row * (height + 1), column * (width + 1)
        sheet[y : y + height, x : x + width] = image
    return sheet
