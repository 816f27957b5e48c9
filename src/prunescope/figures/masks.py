"""Masks of the most connected nodes, their weights and the images they answer to (paper Figs. 3 and 12)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunescope.errors import InputError
from prunescope.figures.choice import Group, groups, shown_levels
from prunescope.figures.drawing import Drawing, Options
from prunescope.figures.style import PAGE, frame, grid, picture
from prunescope.model import Arrays
from prunescope.observe import effective_masks, mask_image, most_connected, weight_image
from prunescope.store import Run

MASKS = 30
MASKS_A_ROW = 10
CHOSEN_NODES = 8


def figure_3a(runs: Sequence[Run], options: Options) -> Drawing:
    """Masks of the 30 first-layer nodes of largest fan-in at the level of best accuracy.

    Colours are the mask's three channels; numbers are fan-ins. Data: nodes, fan_in, masks bool [K, C, H, W].
    Paper Fig. 3a.
    """
    run, group, level = _one_run(runs, options)
    mask = run.mask(level)
    nodes = most_connected(mask, MASKS)
    figure = Figure(figsize=(PAGE, 0.72 * -(-len(nodes) // MASKS_A_ROW) + 0.28))
    images = [mask_image(mask.array[node], run.shape) for node in nodes]
    _sheet(grid(figure, -(-len(nodes) // MASKS_A_ROW), MASKS_A_ROW), images, mask.fan_in[nodes])
    figure.suptitle(
        f"{group.title(level)}: the {len(nodes)} most connected of {mask.n_out} nodes, with their $C_{{in}}$",
        fontsize=7,
    )
    data = {"nodes": nodes, "fan_in": mask.fan_in[nodes], "masks": mask.images(run.shape)[nodes]}
    return Drawing(figure, data | {"level": np.array(level)})


def figure_3b(runs: Sequence[Run], options: Options) -> Drawing:
    """Chosen first-layer nodes in columns: mask, masked weights and the three images that activate them most.

    Weights run from the node's minimum (black) to its maximum (white), pruned ones included as zeros. Nodes:
    ``options.nodes``, default the most connected. Data: nodes, fan_in, masks, weights, top_images,
    top_activations. Paper Fig. 3b.
    """
    run, group, level = _one_run(runs, options)
    mask, weight, seen = run.mask(level), run.model(level).layers[0].weight, run.observations(level)
    nodes = _chosen_nodes(run, level, seen, options)
    places = {int(node): place for place, node in enumerate(seen["nodes"])}
    figure = Figure(figsize=(max(2.0, 0.8 * len(nodes)), 4.1))
    axes = grid(figure, 5, len(nodes))
    for column, node in enumerate(nodes):
        picture(axes[0, column], mask_image(mask.array[node], run.shape), f"{mask.fan_in[node]}")
        picture(axes[1, column], weight_image(weight[node], mask.array[node], run.shape))
        for row, pixels in enumerate(seen["top_images"][places[node]][:3]):
            channels = pixels.reshape(run.shape).transpose(1, 2, 0) / 255
            picture(axes[2 + row, column], np.broadcast_to(channels, (*run.shape[1:], 3)))
    for row, text in enumerate(("mask", "weights", "top image", "second", "third")):
        axes[row, 0].set_ylabel(text)
    figure.suptitle(f"{group.title(level)}; numbers: $C_{{in}}$", fontsize=7)
    chosen = [places[node] for node in nodes]
    data = {
        "nodes": np.array(nodes),
        "fan_in": mask.fan_in[nodes],
        "masks": mask.images(run.shape)[nodes],
        "weights": (weight * mask.array)[nodes].reshape(-1, *run.shape),
        "top_images": seen["top_images"][chosen].reshape(len(nodes), -1, *run.shape),
        "top_activations": seen["top_activations"][chosen],
        "level": np.array(level),
    }
    return Drawing(figure, data)


def figure_12(runs: Sequence[Run], options: Options) -> Drawing:
    """The most connected masks of every hidden layer: of deeper ones the effective masks, the pixels that reach a node.

    At the level of best accuracy and the sparsest, or at ``options.levels``. Numbers are connected pixels.
    Data: nodes and masks of each level and layer. Paper Fig. 12.
    """
    run, group, _ = _one_run(runs, Options())
    default = sorted({group.best_level(), group.levels[-1]})
    shown = default if options.levels is None else shown_levels(group, options)
    layers = len(run.ticket(shown[0]).masks)
    rows = 2
    figure = Figure(figsize=(PAGE, len(shown) * layers * (0.62 * rows + 0.3)))
    blocks = np.asarray(figure.subfigures(len(shown) * layers, 1, squeeze=False))[:, 0]
    data: Arrays = {}
    for place, level in enumerate(shown):
        for layer, reached in enumerate(effective_masks(run.ticket(level).masks), start=1):
            nodes = most_connected(reached, rows * MASKS_A_ROW)
            block = blocks[place * layers + layer - 1]
            images = [mask_image(reached[node], run.shape) for node in nodes]
            _sheet(
                np.asarray(block.subplots(rows, MASKS_A_ROW, squeeze=False)),
                images,
                reached[nodes].sum(axis=1),
            )
            kind = "masks" if layer == 1 else "effective masks"
            block.suptitle(f"{group.title(level)}: {kind} of layer {layer}", fontsize=7)
            data[f"level{level}_layer{layer}_nodes"] = nodes
            data[f"level{level}_layer{layer}_masks"] = reached[nodes].reshape(-1, *run.shape)
    return Drawing(figure, data)


def _one_run(runs: Sequence[Run], options: Options) -> tuple[Run, Group, int]:
    """The first run, its group (itself alone) and the level shown."""
    group = groups(runs[:1])[0]
    level = shown_levels(group, options)[0] if options.levels is not None else group.best_level()
    return runs[0], group, level


def _sheet(places: np.ndarray, images: Sequence[np.ndarray], numbers: np.ndarray) -> None:
    """Images row by row, each under its number; places left over stay empty."""
    for axes, image, number in zip(places.flat, images, numbers, strict=False):
        picture(axes, image, f"{number}")
    for axes in list(places.flat)[len(images) :]:
        _empty(axes)


def _empty(axes: Axes) -> None:
    frame(axes)
    axes.set_visible(False)


def _chosen_nodes(run: Run, level: int, seen: Arrays, options: Options) -> list[int]:
    stored = [int(node) for node in seen["nodes"]]
    if options.nodes is None:
        return stored[:CHOSEN_NODES]
    for node in options.nodes:
        if node not in stored:
            raise InputError(
                f"{run.path}: level {level} holds no top images of node {node}; it holds those of {stored}"
            )
    if not options.nodes:
        raise InputError(f"{run.path}: no node given; level {level} holds top images of {stored}")
    return list(options.nodes)
