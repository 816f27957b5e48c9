"""What deeper nodes are made of: their pixels, and the nodes that feed them (paper Figs. 15, 16b)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from prunescope.analysis.groups import FigureOptions, Group, groups, shown_levels
from prunescope.errors import InputError
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import BLUE, MUTED, PAGE, VERMILION
from prunescope.figures.parts.tiles import GAP, blank, place, write
from prunescope.model import Arrays
from prunescope.observables import Tier, effective_masks, hierarchy, mask_image, most_connected, weight_image
from prunescope.runs.directory import Run

SECOND_LAYER_NODES = 12
SAMPLES = 3
# A block of feeding nodes holds so many a row, and so many rows before the weakest are left out.
BLOCK_COLUMNS, BLOCK_ROWS = 6, 4
WIDEST_TIER = 24
# Inches between two tiers, for the lines.
BETWEEN = 0.5


def figure_15(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Second-layer nodes: the first-layer nodes that feed three of them, effective masks, top images.

    The 12 nodes that most pixels reach, at the sparsest level or ``options.levels[0]``; ``options.nodes``
    chooses those that are traced. Top: masked weights, grey being zero, framed by the sign of the weight into
    the second layer, strongest first. Images only of runs that stored them. Data: nodes, effective masks,
    images, and nodes, weights and masks of each block. Paper Fig. 15.
    """
    run, group = runs[0], groups(runs[:1])[0]
    level = (
        min(group.levels, key=group.density) if options.levels is None else shown_levels(group, options)[0]
    )
    masks = run.ticket(level).masks
    if len(masks) < 2:
        raise InputError(f"{run.path}: one hidden layer; figure 15 needs at least two")
    reached = effective_masks(masks[:2])[1]
    nodes = np.array([node for node in most_connected(reached, SECOND_LAYER_NODES) if reached[node].any()])
    if not nodes.size:
        raise InputError(f"{run.path}: no pixel reaches the second layer at level {level}")
    blocks = [_feeding(run, level, int(node)) for node in nodes]
    samples = _samples(nodes, blocks, options)
    images = _top_images(run, level, nodes)
    data: Arrays = {"level": np.array(level), "nodes": nodes, "masks": reached[nodes].reshape(-1, *run.shape)}
    if images is not None:
        data["top_images"] = images
    for place_of_node in samples:
        tier = blocks[place_of_node]
        name = f"node{nodes[place_of_node]}"
        data |= {f"{name}_feeding": tier.nodes, f"{name}_weights": tier.weights}
        data[f"{name}_masks"] = tier.effective.reshape(-1, *run.shape)
    return Drawing(_figure_15(run, group, level, data, blocks, samples), data)


def _feeding(run: Run, level: int, node: int) -> Tier:
    weights = [layer.weight for layer in run.model(level).layers[:2]]
    return hierarchy(run.ticket(level).masks[:2], weights, 2, node)[1]


def _samples(nodes: np.ndarray, blocks: Sequence[Tier], options: FigureOptions) -> list[int]:
    """Places in ``nodes`` of the traced ones: those asked for, or of each third the most fed one."""
    if options.nodes is not None:
        for node in options.nodes:
            if node not in nodes:
                raise InputError(f"no node {node} among the second-layer nodes shown: {nodes.tolist()}")
        return sorted(nodes.tolist().index(node) for node in options.nodes)[:SAMPLES]
    size = np.array([len(tier.nodes) for tier in blocks])
    size[size > BLOCK_COLUMNS * BLOCK_ROWS] = 0
    parts = [part for part in np.array_split(np.arange(len(nodes)), SAMPLES) if part.size]
    return [int(part[np.argmax(size[part])]) for part in parts]


def _top_images(run: Run, level: int, nodes: np.ndarray) -> np.ndarray | None:
    """The stored images that activate second-layer nodes most, [K, 3, C, H, W]; None where there are none."""
    seen = run.observations(level)
    if "layer2_nodes" not in seen:
        return None
    stored = seen["layer2_nodes"].tolist()
    if not set(nodes.tolist()) <= set(stored):
        return None
    places = [stored.index(node) for node in nodes]
    return seen["layer2_top_images"][places].reshape(len(nodes), -1, *run.shape)


def _figure_15(
    run: Run, group: Group, level: int, data: Arrays, blocks: Sequence[Tier], samples: Sequence[int]
) -> Figure:
    left = 0.3
    side = (PAGE - left) / SECOND_LAYER_NODES - GAP
    tall = run.shape[1] / run.shape[2]
    block = (PAGE - left) / SAMPLES - 0.15
    largest = max(1, *(min(len(blocks[k].nodes), BLOCK_COLUMNS * BLOCK_ROWS) for k in samples))
    tile = min(side, block / min(largest, BLOCK_COLUMNS) - GAP)
    rows = -(-largest // BLOCK_COLUMNS)
    second = 0.4 + rows * (tile * tall + GAP) + 0.5
    count = data["top_images"].shape[1] if "top_images" in data else 0
    figure, axes = blank(PAGE, second + (side * tall + GAP) * (1 + count) + 0.1 + 0.2 * (count == 0))
    write(axes, left, 0.2, f"{group.title(level)}: second-layer nodes and what feeds them", ha="left")
    for text, x, colour in (
        ("frame: weight into layer 2", PAGE - 1.02, MUTED),
        ("positive", PAGE - 0.55, VERMILION),
        ("negative", PAGE - GAP, BLUE),
    ):
        write(axes, x, 0.2, text, ha="right", color=colour, fontsize=6)
    write(axes, 0.18, (second - 0.05) / 2, "layer 1", rotation=90, va="center")
    _draw_second_layer(axes, run, data, left, second, side, count)
    for number, sample in enumerate(samples):
        x = left + number * (block + 0.15)
        wide = min(len(blocks[sample].nodes), BLOCK_COLUMNS) * (tile + GAP) - GAP
        _draw_block(axes, run, level, blocks[sample], x + (block - wide) / 2, 0.4, tile)
        top = (x + block / 2, second - 0.4)
        if (whole := len(blocks[sample].nodes)) > BLOCK_COLUMNS * BLOCK_ROWS:
            note = f"the {BLOCK_COLUMNS * BLOCK_ROWS} strongest of {whole} nodes"
            write(axes, top[0], top[1] - 0.02, note, color=MUTED, fontsize=5.5)
        end = (left + sample * (side + GAP) + side / 2, second - 0.13)
        axes.plot(top[0] + np.array([-0.5, 0.5]) * wide, [top[1]] * 2, color=MUTED, lw=0.7)
        axes.plot(*np.transpose([top, end]), color=MUTED, lw=0.7)
    return figure


def _draw_second_layer(
    axes: Axes, run: Run, data: Arrays, left: float, y: float, side: float, count: int
) -> None:
    """Effective masks in a row from (left, y), ``count`` images below each."""
    step = side * run.shape[1] / run.shape[2] + GAP
    write(axes, 0.18, y + (step - GAP) / 2, "layer 2", rotation=90, va="center")
    for column, mask in enumerate(data["masks"]):
        x = left + column * (side + GAP)
        place(axes, mask_image(mask.ravel(), run.shape), x, y, side, str(mask.sum()))
        for row in range(count):
            picture = data["top_images"][column, row].transpose(1, 2, 0) / 255
            place(axes, np.broadcast_to(picture, (*run.shape[1:], 3)), x, y + (1 + row) * step + GAP, side)
    if count:
        write(axes, 0.18, y + (1 + count / 2) * step + GAP, "images", rotation=90, va="center")
    else:
        text = "this run stored no top images of its second layer"
        write(axes, left, y + step + 0.15, text, ha="left", color=MUTED, fontsize=6)


def _draw_block(axes: Axes, run: Run, level: int, tier: Tier, x: float, y: float, tile: float) -> None:
    """Masked weights of first-layer nodes, framed by the sign of what they send on."""
    mask, weight = run.mask(level), run.model(level).layers[0].weight
    sign = dict(zip(tier.children.tolist(), np.sign(tier.weights).tolist(), strict=True))
    step = tile * run.shape[1] / run.shape[2] + GAP
    for number, node in enumerate(tier.nodes[: BLOCK_COLUMNS * BLOCK_ROWS].tolist()):
        row, column = divmod(number, BLOCK_COLUMNS)
        corner = x + column * (tile + GAP), y + row * step
        place(axes, weight_image(weight[node], mask.array[node], run.shape, symmetric=True), *corner, tile)
        colour = VERMILION if sign[node] > 0 else BLUE
        axes.add_patch(Rectangle(corner, tile, step - GAP, fill=False, edgecolor=colour, linewidth=0.9))


def draw_tree(
    axes: Axes, run: Run, tiers: Sequence[Tier], y: float, left: float, width: float, most: float
) -> None:
    """Tiers of masks below each other, the traced node on top, joined by lines of the weights' sign.

    ``most``: the largest side of a tile.
    """
    middles: dict[int, float] = {}
    ends = y
    for tier in tiers:
        side = min(most, (width - left) / max(1, len(tier.nodes)) - GAP)
        height = side * run.shape[1] / run.shape[2]
        start = left + (width - left - len(tier.nodes) * (side + GAP)) / 2
        total = f"layer {tier.layer}\n{len(tier.nodes)} node{'s' if len(tier.nodes) > 1 else ''}"
        write(axes, GAP, y + height / 2, total, ha="left", va="center", color=MUTED)
        order = _below_parents(tier, middles)
        steps = np.arange(len(order)) * (side + GAP)
        places = dict(zip(tier.nodes[order].tolist(), (start + side / 2 + steps).tolist(), strict=True))
        strongest = max(np.abs(tier.weights), default=1.0)
        for parent, child, weight in zip(tier.parents, tier.children, tier.weights, strict=True):
            x = [places[int(child)], middles[int(parent)]]
            colour, line = VERMILION if weight > 0 else BLUE, 0.3 + 1.2 * abs(weight) / strongest
            axes.plot(x, [y - 0.01, ends + 0.01], color=colour, lw=line, alpha=0.6, zorder=0)
        for k in order:
            corner = places[int(tier.nodes[k])] - side / 2
            place(axes, mask_image(tier.effective[k], run.shape), corner, y, side)
        middles, ends = places, y + height
        y = ends + BETWEEN


def _below_parents(tier: Tier, middles: dict[int, float]) -> list[int]:
    """The order of a tier's nodes by the mean place of the nodes they feed: fewer lines cross."""
    if not middles:
        return list(range(len(tier.nodes)))
    fed = [tier.parents[tier.children == child] for child in tier.nodes]
    order: list[int] = np.argsort([np.mean([middles[int(node)] for node in nodes]) for nodes in fed]).tolist()
    return order


def tree_height(run: Run, tiers: Sequence[Tier], left: float, width: float, most: float) -> float:
    """The height in inches that draw_tree takes."""
    sides = [min(most, (width - left) / max(1, len(tier.nodes)) - GAP) for tier in tiers]
    return sum(sides) * run.shape[1] / run.shape[2] + BETWEEN * (len(tiers) - 1)


def traced(run: Run, level: int, layer: int, options: FigureOptions) -> tuple[Tier, ...]:
    """The hierarchy under ``options.nodes[0]`` of ``layer``, default the node that most pixels reach.

    Of those whose feeding nodes fit a row; where there is none, the strongest feeding nodes of the first.
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
        raise InputError(f"{run.path}: no pixel reaches layer {layer} at level {level}")
    return best
