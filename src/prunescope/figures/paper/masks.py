"""These functions draw masks of the most connected nodes, their weights and the images that activate them most.

They are the paper's Figs. 3 and 12.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from prunescope.analysis.groups import FigureOptions, Group, groups, shown_levels
from prunescope.errors import InputError
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.pictures import Picture, input_picture, mask_picture, weight_picture
from prunescope.figures.parts.series import AXIS, SeriesPicture, is_series, time_axis
from prunescope.figures.parts.sheets import mask_sheet
from prunescope.figures.parts.style import PAGE
from prunescope.figures.parts.tiles import GAP, Position, blank, place, stacked, write
from prunescope.model import Arrays
from prunescope.observables import effective_masks, most_connected
from prunescope.runs.directory import Run

MASKS = 30
# The height over the width of an image from which the names of rows beside it fit upright.
LEAST_UPRIGHT = 0.6
CHOSEN_NODES = 8
LARGEST_TILE = 0.8
# The same for series, whose curves need the width.
CHOSEN_SERIES = 4
LARGEST_SERIES = 1.6


def figure_3a(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw masks of the 30 first-layer nodes of largest fan-in at the level of best accuracy.

    Colours are the mask's three channels; numbers are fan-ins. Masks of series are the rows of a raster over time.
    Data: nodes, fan_in, masks bool [K, C, H, W].
    Paper Fig. 3a.
    """
    run, group, level = _one_run(runs, options)
    mask = run.mask(level)
    nodes = most_connected(mask, MASKS)
    title = (
        f"{group.title(level)}: the {len(nodes)} most connected of {mask.n_out} nodes, with their $C_{{in}}$"
    )
    data = {"nodes": nodes, "fan_in": mask.fan_in[nodes], "masks": mask.images(run.shape)[nodes]}
    sheet = mask_sheet(title, mask.array[nodes], run.shape, columns=10)
    return Drawing(stacked([sheet], PAGE), data | {"level": np.array(level)})


def figure_3b(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw mask, masked weights and the three images that activate it most of chosen first-layer nodes, in columns.

    Weights run from the node's minimum (black) to its maximum (white), pruned ones included as zeros; those of series
    are areas over time from zero, on one scale for all channels, and each strongest series lies between its least and
    its largest value. The nodes are
    ``options.nodes``, by default the most connected. Data: nodes, fan_in, masks, weights, top_images,
    top_activations. Raises InputError for nodes without stored images. docs/science.md, "Strongest images". Paper
    Fig. 3b.
    """
    run, group, level = _one_run(runs, options)
    mask, seen = run.mask(level), run.observations(level)
    weight = run.model(level).layers[0].weight
    nodes = _chosen_nodes(run, level, seen, options)
    stored = seen["nodes"].tolist()
    places = [stored.index(node) for node in nodes]
    columns = []
    for node, k in zip(nodes, places, strict=True):
        columns.append(
            [
                mask_picture(mask.array[node], run.shape),
                weight_picture(weight[node], mask.array[node], run.shape),
                *(input_picture(pixels, run.shape) for pixels in seen["top_images"][k]),
            ]
        )
    captions = [f"node {node}\n$C_{{in}}$ = {mask.fan_in[node]}" for node in nodes]
    data = {
        "nodes": np.array(nodes),
        "fan_in": mask.fan_in[nodes],
        "masks": mask.images(run.shape)[nodes],
        "weights": (weight * mask.array)[nodes].reshape(-1, *run.shape),
        "top_images": seen["top_images"][places].reshape(len(nodes), -1, *run.shape),
        "top_activations": seen["top_activations"][places],
        "level": np.array(level),
    }
    return Drawing(_columns(group.title(level), columns, captions), data)


def figure_12(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the most connected masks of every hidden layer; those of deeper layers are the pixels that reach a node.

    The levels are that of best accuracy and the sparsest, or ``options.levels``. Numbers are connected pixels; nodes
    that no pixel reaches are left out. Data: nodes and masks of each level and layer. docs/science.md, "Hierarchy
    and effective masks". Paper Fig. 12.
    """
    run, group, _ = _one_run(runs, FigureOptions())
    default = sorted({group.shown_level()[0], group.levels[-1]})
    shown = default if options.levels is None else shown_levels(group, options)
    sheets = []
    data: Arrays = {}
    for level in shown:
        for layer, reached in enumerate(effective_masks(run.ticket(level).masks), start=1):
            nodes = [node for node in most_connected(reached, MASKS) if reached[node].any()]
            kind = "masks" if layer == 1 else "effective masks"
            title = f"{group.title(level)}: {kind} of layer {layer}"
            sheets.append(mask_sheet(title, reached[nodes], run.shape, columns=15))
            data[f"level{level}_layer{layer}_nodes"] = np.array(nodes, np.int64)
            data[f"level{level}_layer{layer}_masks"] = reached[nodes].reshape(-1, *run.shape)
    return Drawing(stacked(sheets, PAGE), data)


def _one_run(runs: Sequence[Run], options: FigureOptions) -> tuple[Run, Group, int]:
    """Return the first run, its group (itself alone) and the level shown."""
    group = groups(runs[:1])[0]
    level = shown_levels(group, options)[0] if options.levels is not None else group.shown_level()[0]
    return runs[0], group, level


def _columns(title: str, columns: Sequence[Sequence[Picture]], captions: Sequence[str]) -> Figure:
    """Return a page of pictures in labelled rows, one column for each node."""
    picture = columns[0][0]
    wide = not isinstance(picture, SeriesPicture) and picture.shape[0] / picture.shape[1] < LEAST_UPRIGHT
    left, top = (0.55 if wide else 0.25), 0.55
    series = isinstance(picture, SeriesPicture)
    side = min(LARGEST_SERIES if series else LARGEST_TILE, (PAGE - left - GAP) / max(1, len(columns)) - GAP)
    height, width = picture.shape[:2]
    step = side * height / width + GAP
    names = (
        "mask",
        "weights",
        *(f"{'series' if series else 'image'} {k + 1}" for k in range(len(columns[0]) - 2)),
    )
    page_width = max(2.2, left + len(columns) * (side + GAP) + GAP)
    figure, axes = blank(page_width, top + len(names) * step + AXIS * series)
    write(axes, left, 0.2, title, ha="left")
    for row, name in enumerate(names):
        if wide:
            write(axes, left - GAP, top + (row + 0.5) * step, name, ha="right", va="center", fontsize=6)
        else:
            write(axes, 0.13, top + (row + 0.5) * step, name, rotation=90, va="center")
    for column, (images, caption) in enumerate(zip(columns, captions, strict=True)):
        for row, image in enumerate(images):
            x, y = left + column * (side + GAP), top + row * step
            place(axes, image, Position(x, y, side), caption if row == 0 else "")
        if isinstance(picture, SeriesPicture):
            x = left + column * (side + GAP)
            time_axis(axes, (x, top + len(names) * step - GAP), side, picture.values.shape[1])
    return figure


def _chosen_nodes(run: Run, level: int, seen: Arrays, options: FigureOptions) -> list[int]:
    if not {"nodes", "top_images", "top_activations"} <= seen.keys() or not len(seen["nodes"]):
        raise InputError(
            f"{run.path}: level {level} holds no top images, which this figure shows; figure 3a shows masks alone"
        )
    stored = [int(node) for node in seen["nodes"]]
    if options.nodes is None:
        return stored[: CHOSEN_SERIES if is_series(run.shape) else CHOSEN_NODES]
    for node in options.nodes:
        if node not in stored:
            raise InputError(
                f"{run.path}: level {level} holds no top images of node {node}; it holds those of {stored}"
            )
    if not options.nodes:
        raise InputError(f"{run.path}: no node given; level {level} holds top images of {stored}")
    return list(options.nodes)
