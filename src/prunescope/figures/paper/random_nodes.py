"""This module draws S_sc of nodes pruned at random, the locality that chance gives (paper Fig. 9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from prunescope.analysis.formats import percent
from prunescope.analysis.groups import FigureOptions, Group, groups
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.lags import chance
from prunescope.figures.parts.locality_maps import draw_pairs, label_pairs
from prunescope.figures.parts.pictures import flatness
from prunescope.figures.parts.series import is_series
from prunescope.figures.parts.style import MUTED, PAGE, grid
from prunescope.mask import ImageShape, Mask
from prunescope.model import Arrays
from prunescope.observables import locality, most_connected
from prunescope.randomness import generator
from prunescope.runs.directory import Run

# The shape of ImageNet32's images, which is used where no run is given.
PAPER_SHAPE: ImageShape = (3, 32, 32)
DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01)
MANY = 256
# The flatness of an image below which the labels of its rows are not turned, because they would not fit.
LEAST_TURNED = 0.6


def figure_9(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw S_sc of one node pruned at random to a given u (top), and of 256 such nodes together (bottom).

    Numbers in parentheses are the connections of the node. A single sparse node shows few, scattered displacements;
    many together approach the dense node's smooth fall-off, which follows from the image's finite size alone.
    Without a run the image has the paper's shape. With one it has the run's, and a third row shows the most connected
    node of the trained network at the level of the nearest u. Data: int64 [2H-1, 2W-1] for each map. Paper Fig. 9.
    """
    group = groups(runs[:1])[0] if runs else None
    shape = group.runs[0].shape if group else PAPER_SHAPE
    levels = [_nearest(group, u) for u in DENSITIES] if group else []
    names = ["one random\nnode", f"{MANY} random\nnodes", "one trained\nnode"][: 3 if group else 2]
    size = (PAGE, 1.33 * len(names) * max(0.55, flatness(shape)) + 0.35)
    figure = Figure(figsize=size, layout="compressed")
    places = grid(figure, len(names), len(DENSITIES))
    data: Arrays = {}
    for column, u in enumerate(DENSITIES):
        nodes = random_nodes(shape, u, MANY, seed=group.runs[0].seed if group else 0)
        maps = [locality(nodes, shape, nodes=[0]).same, locality(nodes, shape).same]
        shown = [Mask(nodes.array[:1]), nodes]
        titles = [f"$u$ = {percent(u)} ({nodes.fan_in[0]})", "", ""]
        if group:
            mask = group.runs[0].mask(levels[column])
            node = int(most_connected(mask, 1)[0])
            maps.append(locality(mask, shape, nodes=[node]).same)
            shown.append(Mask(mask.array[[node]]))
            titles[2] = f"$u$ = {percent(group.density(levels[column]))} ({mask.fan_in[node]})"
        nulls = [chance([one], shape) for one in shown]
        for row, (values, title) in enumerate(zip(maps, titles, strict=False)):
            axes = places[row, column]
            null = nulls[row]
            draw_pairs(axes, values, without_centre=True, null=null.same if null else None)
            label_pairs(axes, values, bottom=row == len(names) - 1, left=column == 0)
            axes.set_title(title)
            data[f"{'_'.join(names[row].split())}_u{u:g}"] = values
    for row, name in enumerate(names):
        upright = {"rotation": 0, "ha": "right", "va": "center"} if flatness(shape) < LEAST_TURNED else {}
        places[row, 0].set_ylabel(name if is_series(shape) else f"{name}, $d_y$", **upright)
    figure.supxlabel(
        "$S_{sc}(d)$; dashed: by chance" if is_series(shape) else "$S_{sc}(d)$, each from 0 to its maximum",
        fontsize=6.5,
        color=MUTED,
    )
    return Drawing(figure, data)


def random_nodes(shape: ImageShape, u: float, count: int, seed: int) -> Mask:
    """Return the mask of ``count`` nodes [count, n0], each with max(1, round(u·n0)) connections at uniform positions.

    ``u`` is a share of 1, n0 the number of inputs in an image of this shape. The same seed gives the same mask.
    """
    n_in = int(np.prod(shape))
    kept = max(1, round(u * n_in))
    rng = generator(seed, "random nodes", kept)
    array = np.zeros((count, n_in), np.bool_)
    np.put_along_axis(array, rng.random((count, n_in)).argsort(axis=1)[:, :kept], True, axis=1)
    return Mask(array)


def _nearest(group: Group, u: float) -> int:
    distances = [abs(np.log(group.density(level) / u)) for level in group.levels]
    return group.levels[int(np.argmin(distances))]
