"""This module draws the most connected nodes beside the same nodes with their connections at random places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunescope.analysis.groups import FigureOptions, groups, shown_levels
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.pictures import mask_picture, weight_picture
from prunescope.figures.parts.series import columns_for
from prunescope.figures.parts.style import PAGE
from prunescope.figures.parts.tiles import TileSheet, stacked
from prunescope.observables import most_connected
from prunescope.observables.null_masks import shuffled_masks
from prunescope.runs.directory import Run

NODES = 24
COLUMNS = 12


def figure_atlas(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw masks and weights of the 24 most connected first-layer nodes, then the same ones at random places.

    The level is the sparsest that is no worse than the dense network (the sparsest of all, where none is; the title
    says which), or ``options.levels[0]``. Numbers are fan-ins. Data: nodes, fan_in, masks and weights [K, C, H, W],
    and both shuffled. docs/science.md, "Shuffled masks".
    """
    run, group = runs[0], groups(runs[:1])[0]
    level = shown_levels(group, options)[0] if options.levels is not None else group.told_level()[0]
    mask, weight = run.mask(level), run.model(level).layers[0].weight
    nodes = most_connected(mask, NODES)
    shuffled_mask = next(shuffled_masks(mask)).array[nodes]
    masks, weights = mask.array[nodes], (weight * mask.array)[nodes]
    shuffled_weights = np.zeros_like(weights)
    # Both masks keep the same number of weights in each row, so that every weight finds a place in its own row.
    shuffled_weights[shuffled_mask] = weights[masks]
    captions = [str(count) for count in mask.fan_in[nodes]]
    columns = columns_for(run.shape, COLUMNS)
    sheets = []
    for name, shown, values in (
        ("what pruning left", masks, weights),
        ("the same connections and weights at random places", shuffled_mask, shuffled_weights),
    ):
        rows = [
            [mask_picture(m, run.shape) for m in shown],
            [weight_picture(w, m, run.shape) for w, m in zip(values, shown, strict=True)],
        ]
        images = [
            picture
            for start in range(0, len(nodes), columns)
            for row in rows
            for picture in row[start : start + columns]
        ]
        labels = [
            label
            for start in range(0, len(nodes), columns)
            for label in (*captions[start : start + columns], *[""] * len(captions[start : start + columns]))
        ]
        sheets.append(TileSheet(f"{group.title(level)}: {name}", images, labels, columns))
    data = {
        "level": np.array(level),
        "nodes": nodes,
        "fan_in": mask.fan_in[nodes],
        "masks": masks.reshape(-1, *run.shape),
        "weights": weights.reshape(-1, *run.shape),
        "shuffled_masks": shuffled_mask.reshape(-1, *run.shape),
        "shuffled_weights": shuffled_weights.reshape(-1, *run.shape),
    }
    return Drawing(stacked(sheets, PAGE), data)
