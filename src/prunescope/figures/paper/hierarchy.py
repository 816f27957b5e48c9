"""These functions draw the pixels that reach deeper nodes and the nodes that feed them (paper Figs. 15, 16b)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from prunescope.analysis.groups import FigureOptions, Group, groups, shown_levels
from prunescope.analysis.input_wording import inputs
from prunescope.errors import InputError
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.pictures import (
    height_over_width,
    input_picture,
    mask_picture,
    weight_picture,
)
from prunescope.figures.parts.series import AXIS, columns_for, is_series, time_axis
from prunescope.figures.parts.style import BLUE, MUTED, PAGE, VERMILION
from prunescope.figures.parts.tiles import GAP, Position, blank, place, write
from prunescope.mask import ImageShape
from prunescope.model import Arrays
from prunescope.observables import Tier, effective_masks, hierarchy, most_connected
from prunescope.runs.directory import Run

SECOND_LAYER_NODES = 12
SAMPLES = 3
# The size of a block of feeding nodes; the weakest of further ones are left out.
BLOCK_COLUMNS, BLOCK_ROWS = 6, 4
WIDEST_TIER = 24
# Inches between two tiers, where the lines are drawn.
BETWEEN = 0.5


@dataclass(frozen=True)
class TreeLayout:
    """The layout of a tree: its tiles lie between ``left`` and ``right`` inches, each at most ``largest_tile`` wide."""

    left: float
    right: float
    largest_tile: float

    def tile(self, tier: Tier) -> float:
        """Return the width in inches of the tiles of a tier."""
        return min(self.largest_tile, (self.right - self.left) / max(1, len(tier.nodes)) - GAP)


def figure_15(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw second-layer nodes: the first-layer nodes that feed three of them, effective masks and top images.

    The nodes are the 12 that most pixels reach, at the sparsest level or ``options.levels[0]``; ``options.nodes``
    chooses those that are traced. On top are the masked weights of the nodes that feed them, grey being zero,
    framed by the sign of the weight into the second layer, strongest first. Images are drawn for runs that stored
    them. Data: nodes, effective masks, images, and nodes, weights and masks of each block. Raises InputError for
    a run with one hidden layer. Paper Fig. 15.
    """
    run, group = runs[0], groups(runs[:1])[0]
    level = (
        min(group.levels, key=group.density) if options.levels is None else shown_levels(group, options)[0]
    )
    masks = run.ticket(level).masks
    if len(masks) < 2:
        raise InputError(f"{run.path}: one hidden layer; figure 15 needs at least two")
    reached = effective_masks(masks[:2])[1]
    nodes = np.array(
        [
            node
            for node in most_connected(reached, columns_for(run.shape, SECOND_LAYER_NODES))
            if reached[node].any()
        ]
    )
    if not nodes.size:
        raise InputError(f"{run.path}: no input reaches the second layer at level {level}")
    blocks = [_feeding(run, level, int(node)) for node in nodes]
    samples = _samples(nodes, blocks, options, columns_for(run.shape, BLOCK_COLUMNS) * BLOCK_ROWS)
    images = _top_images(run, level, nodes)
    data: Arrays = {"level": np.array(level), "nodes": nodes, "masks": reached[nodes].reshape(-1, *run.shape)}
    if images is not None:
        data["top_images"] = images
    for place_of_node in samples:
        tier = blocks[place_of_node]
        name = f"node{nodes[place_of_node]}"
        data |= {f"{name}_feeding": tier.nodes, f"{name}_weights": tier.weights}
        data[f"{name}_masks"] = tier.effective.reshape(-1, *run.shape)
    return Drawing(_figure_15(group, level, data, blocks, samples), data)


def _feeding(run: Run, level: int, node: int) -> Tier:
    weights = [layer.weight for layer in run.model(level).layers[:2]]
    return hierarchy(run.ticket(level).masks[:2], weights, 2, node)[1]


def _samples(nodes: np.ndarray, blocks: Sequence[Tier], options: FigureOptions, most: int) -> list[int]:
    """Return the indices in ``nodes`` of the traced ones: those asked for, or of each third the one fed by most.

    Those that more than ``most`` nodes feed come last.
    """
    if options.nodes is not None:
        for node in options.nodes:
            if node not in nodes:
                raise InputError(f"no node {node} among the second-layer nodes shown: {nodes.tolist()}")
        return sorted(nodes.tolist().index(node) for node in options.nodes)[:SAMPLES]
    size = np.array([len(tier.nodes) for tier in blocks])
    size[size > most] = 0
    parts = [part for part in np.array_split(np.arange(len(nodes)), SAMPLES) if part.size]
    return [int(part[np.argmax(size[part])]) for part in parts]


def _top_images(run: Run, level: int, nodes: np.ndarray) -> np.ndarray | None:
    """Return the stored images that activate second-layer nodes most, [K, 3, C, H, W], or None without any."""
    seen = run.observations(level)
    if "layer2_nodes" not in seen:
        return None
    stored = seen["layer2_nodes"].tolist()
    if not set(nodes.tolist()) <= set(stored):
        return None
    places = [stored.index(node) for node in nodes]
    return seen["layer2_top_images"][places].reshape(len(nodes), -1, *run.shape)


def _figure_15(
    group: Group, level: int, data: Arrays, blocks: Sequence[Tier], samples: Sequence[int]
) -> Figure:
    run = group.runs[0]
    left = 0.3
    side = (PAGE - left) / columns_for(run.shape, SECOND_LAYER_NODES) - GAP
    tall = height_over_width(run.shape)
    across = columns_for(run.shape, BLOCK_COLUMNS)
    most = across * BLOCK_ROWS
    block = (PAGE - left) / SAMPLES - 0.15
    largest = max(1, *(min(len(blocks[k].nodes), most) for k in samples))
    tile = min(side, block / min(largest, across) - GAP)
    rows = -(-largest // across)
    second = 0.4 + rows * (tile * tall + GAP) + 0.5
    count = data["top_images"].shape[1] if "top_images" in data else 0
    axis = AXIS if is_series(run.shape) else 0.0
    figure, axes = blank(PAGE, second + (side * tall + GAP) * (1 + count) + 0.1 + 0.2 * (count == 0) + axis)
    write(axes, left, 0.2, f"{group.title(level)}: second-layer nodes and what feeds them", ha="left")
    for text, x, colour in (
        ("frame: weight into layer 2", PAGE - 1.02, MUTED),
        ("positive", PAGE - 0.55, VERMILION),
        ("negative", PAGE - GAP, BLUE),
    ):
        write(axes, x, 0.2, text, ha="right", color=colour, fontsize=6)
    write(axes, 0.18, (second - 0.05) / 2, "layer 1", rotation=90, va="center")
    _draw_second_layer(axes, run, data, Position(left, second, side))
    for number, sample in enumerate(samples):
        x = left + number * (block + 0.15)
        wide = min(len(blocks[sample].nodes), across) * (tile + GAP) - GAP
        _draw_block(axes, run, level, blocks[sample], Position(x + (block - wide) / 2, 0.4, tile))
        top = (x + block / 2, second - 0.4)
        if (whole := len(blocks[sample].nodes)) > most:
            note = f"the {most} strongest of {whole} nodes"
            write(axes, top[0], top[1] - 0.02, note, color=MUTED, fontsize=5.5)
        end = (left + sample * (side + GAP) + side / 2, second - 0.13)
        axes.plot(top[0] + np.array([-0.5, 0.5]) * wide, [top[1]] * 2, color=MUTED, lw=0.7)
        axes.plot(*np.transpose([top, end]), color=MUTED, lw=0.7)
    return figure


def _draw_second_layer(axes: Axes, run: Run, data: Arrays, first: Position) -> None:
    """Draw effective masks in a row, the first at this position, with the top images of each node below it."""
    left, y, side = first.x, first.y, first.width
    shape = run.shape
    count = data["top_images"].shape[1] if "top_images" in data else 0
    step = side * height_over_width(shape) + GAP
    write(axes, 0.18, y + (step - GAP) / 2, "layer 2", rotation=90, va="center")
    for column, mask in enumerate(data["masks"]):
        x = left + column * (side + GAP)
        place(axes, mask_picture(mask.ravel(), shape), Position(x, y, side), str(mask.sum()))
        for row in range(count):
            below = Position(x, y + (1 + row) * step + GAP, side)
            place(axes, input_picture(data["top_images"][column, row], shape), below)
        if is_series(shape):
            time_axis(
                axes, (x, y + (1 + count) * step - GAP * (not count)), side, shape[2], words=column == 0
            )
    if count:
        write(axes, 0.18, y + (1 + count / 2) * step + GAP, inputs(run), rotation=90, va="center")
    else:
        text = f"this run stored no top {inputs(run)} of its second layer"
        write(
            axes,
            left,
            y + step + 0.15 + (AXIS if is_series(shape) else 0),
            text,
            ha="left",
            color=MUTED,
            fontsize=6,
        )


def _draw_block(axes: Axes, run: Run, level: int, tier: Tier, first: Position) -> None:
    """Draw the masked weights of first-layer nodes, framed by the sign of the weight into the second layer.

    The first one is at this position.
    """
    tile = first.width
    mask, weight = run.mask(level), run.model(level).layers[0].weight
    sign = dict(zip(tier.children.tolist(), np.sign(tier.weights).tolist(), strict=True))
    step = tile * height_over_width(run.shape) + GAP
    across = columns_for(run.shape, BLOCK_COLUMNS)
    for number, node in enumerate(tier.nodes[: across * BLOCK_ROWS].tolist()):
        row, column = divmod(number, across)
        corner = first.x + column * (tile + GAP), first.y + row * step
        image = weight_picture(weight[node], mask.array[node], run.shape, symmetric=True)
        place(axes, image, Position(*corner, tile))
        colour = VERMILION if sign[node] > 0 else BLUE
        axes.add_patch(Rectangle(corner, tile, step - GAP, fill=False, edgecolor=colour, linewidth=0.9))


def draw_tree(axes: Axes, shape: ImageShape, tiers: Sequence[Tier], y: float, layout: TreeLayout) -> None:
    """Draw tiers of masks below each other, the traced node on top at ``y`` inches, joined by lines for weights.

    The colour of a line is the weight's sign, vermilion for positive ones, and its width the weight's magnitude.
    """
    middles: dict[int, float] = {}
    ends = y
    left, right = layout.left, layout.right
    for tier in tiers:
        side = layout.tile(tier)
        height = side * height_over_width(shape)
        start = left + (right - left - len(tier.nodes) * (side + GAP)) / 2
        total = f"layer {tier.layer}\n{len(tier.nodes)} node{'s' if len(tier.nodes) > 1 else ''}"
        write(axes, GAP, y + height / 2, total, ha="left", va="center", color=MUTED)
        order = _below_parents(tier, middles)
        steps = np.arange(len(order)) * (side + GAP)
        places = dict(zip(tier.nodes[order].tolist(), (start + side / 2 + steps).tolist(), strict=True))
        strongest = max(np.abs(tier.weights), default=1.0)
        for fed, feeding, weight in zip(tier.parents, tier.children, tier.weights, strict=True):
            x = [places[int(feeding)], middles[int(fed)]]
            colour, line = VERMILION if weight > 0 else BLUE, 0.3 + 1.2 * abs(weight) / strongest
            axes.plot(x, [y - 0.01, ends + 0.01], color=colour, lw=line, alpha=0.6, zorder=0)
        for k in order:
            corner = places[int(tier.nodes[k])] - side / 2
            place(axes, mask_picture(tier.effective[k], shape), Position(corner, y, side))
        middles, ends = places, y + height
        y = ends + BETWEEN


def _below_parents(tier: Tier, middles: dict[int, float]) -> list[int]:
    """Return a tier's nodes ordered by the mean place of the nodes they feed, so that fewer lines cross."""
    if not middles:
        return list(range(len(tier.nodes)))
    fed = [tier.parents[tier.children == node] for node in tier.nodes]
    order: list[int] = np.argsort([np.mean([middles[int(node)] for node in nodes]) for nodes in fed]).tolist()
    return order


def tree_height(shape: ImageShape, tiers: Sequence[Tier], layout: TreeLayout) -> float:
    """Return the height in inches that draw_tree takes for masks of this image shape."""
    return sum(map(layout.tile, tiers)) * height_over_width(shape) + BETWEEN * (len(tiers) - 1)


def traced(run: Run, level: int, layer: int, options: FigureOptions) -> tuple[Tier, ...]:
    """Return the hierarchy of nodes under ``options.nodes[0]`` of ``layer``, as tiers from ``layer`` down to the first.

    By default the node is the one that most pixels reach, among those whose feeding nodes fit a row. Where there is
    none, only the strongest feeding nodes are kept. Raises InputError when no pixel reaches the layer.
    docs/science.md, "Hierarchy and effective masks".
    """
    masks = run.ticket(level).masks[:layer]
    weights = [one.weight for one in run.model(level).layers[:layer]]
    if options.nodes:
        return hierarchy(masks, weights, layer, options.nodes[0], top=WIDEST_TIER)
    reached = effective_masks(masks)[-1]
    best: tuple[Tier, ...] | None = None
    for node in most_connected(reached, masks[-1].n_out):
        if not reached[node].any():
            continue
        tiers = hierarchy(masks, weights, layer, int(node))
        widest = max(len(tier.nodes) for tier in tiers)
        if widest <= WIDEST_TIER:
            return tiers
        best = best or hierarchy(masks, weights, layer, int(node), top=WIDEST_TIER)
    if best is None:
        raise InputError(f"{run.path}: no input reaches layer {layer} at level {level}")
    return best
