"""This module draws progressive pruning, one layer after the other, and the nodes that feed one deep node.

It is the paper's Fig. 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars
from matplotlib.axes import Axes

from prunescope.analysis.groups import FigureOptions, Group, groups
from prunescope.errors import InputError
from prunescope.figures.paper.hierarchy import WIDEST_TIER, TreeLayout, draw_tree, traced, tree_height
from prunescope.figures.parts.curves import line_styles
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import MUTED, PAGE, density_axis
from prunescope.figures.parts.tiles import axes_at, blank, panel, write
from prunescope.runs.directory import Run

TRACED_LAYER = 3
# Inches: the left edge of the curves and their height.
LEFT, CURVES = 0.5, 2.0
TREE = TreeLayout(left=0.85, right=PAGE, largest_tile=0.62)


@dataclass(frozen=True)
class Stage:
    """The pruning of one layer in a progressive run: the levels, from the one that it starts from.

    ``densities`` are the layer's weight densities and ``accuracies`` the best validation accuracies at these levels, shares
    of 1. ``kept`` is the level whose mask the layer keeps: the last that is at least as accurate as the dense
    network, or the start where none is.
    """

    layer: int
    levels: tuple[int, ...]
    densities: tuple[float, ...]
    accuracies: tuple[float, ...]
    kept: int


def stages(run: Run, through: Sequence[int] | None = None) -> list[Stage]:
    """Return the stages of a progressive run, one for each pruned layer, from the layers' stored densities.

    A level prunes the deepest layer that is not dense. ``through`` are the levels that count, by default all.
    Raises InputError for a run that prunes several layers at once, or none. docs/science.md, "Other methods".
    """
    table = run.table.filter(polars.col("level").is_in(list(through or run.levels)))
    rows = table.select("level", "layer", "weight_density", "best_val_accuracy").to_dicts()
    density = {(row["level"], row["layer"]): row["weight_density"] for row in rows}
    accuracy = {row["level"]: row["best_val_accuracy"] for row in rows}
    layers = sorted({row["layer"] for row in rows})
    by_layer: dict[int, list[int]] = {}
    for level in sorted(accuracy):
        pruned = [layer for layer in layers if density[level, layer] < 1]
        if pruned:
            by_layer.setdefault(pruned[-1], []).append(level)
    if 0 not in accuracy or not by_layer:
        raise InputError(
            f"{run.path}: nothing is pruned yet; figure 16 needs a run of prune.method=progressive"
        )
    first = min(level for levels in by_layer.values() for level in levels)
    at_once = [layer for layer in layers if density[first, layer] < 1]
    if len(at_once) > 1:
        raise InputError(
            f"{run.path}: level {first} prunes {len(at_once)} layers at once; "
            "figure 16 needs a run of prune.method=progressive"
        )
    found, start = [], 0
    for layer, pruning in sorted(by_layer.items()):
        levels = (start, *pruning)
        good = [level for level in levels if accuracy[level] >= accuracy[0]]
        start = good[-1] if good else start
        densities = tuple(density[level, layer] for level in levels)
        found.append(Stage(layer, levels, densities, tuple(accuracy[level] for level in levels), start))
    return found


def figure_16(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw accuracy against each layer's weight density as layers are pruned in turn (a) and a traced third-layer node (b).

    White dots mark the last level that is at least as accurate as the dense network, from which the next layer
    starts; the dotted line is ``prune.tolerance`` below the dense network, where the pruning of a layer ends. b shows
    all nodes that feed the node in the masks at that level of layer 3 (of an earlier layer, where 3 could not be
    pruned), with effective masks above and masks of the first layer below; lines are weights, vermilion positive.
    The node is ``options.nodes[0]``, by default the one that most pixels reach. Data: the curves, and the nodes and
    masks of each layer. Raises InputError for a run that is not progressive. Paper Fig. 16.
    """
    run, group = runs[0], groups(runs[:1])[0]
    found = stages(run, group.levels)
    reachable = [stage for stage in found if stage.layer <= TRACED_LAYER]
    last = next((stage for stage in reversed(reachable) if stage.kept != stage.levels[0]), reachable[-1])
    tiers = traced(run, last.kept, last.layer, options)
    below = 0.35 + CURVES + 0.5
    figure, page = blank(PAGE, below + 0.35 + tree_height(run.shape, tiers, TREE) + 0.1)
    tolerance = run.experiment.prune.tolerance
    _curves(axes_at(figure, LEFT, 0.35, PAGE - LEFT - 1.3, CURVES), group, found, tolerance)
    panel(page, 0.05, 0.2, "a")
    panel(page, 0.05, below + 0.1, "b")
    whole = all(len(tier.nodes) < WIDEST_TIER for tier in tiers)
    what = "all nodes" if whole else f"the {WIDEST_TIER} strongest nodes of each layer"
    title = f"node {tiers[0].nodes[0]} of layer {last.layer} and {what} that feed it, level {last.kept}"
    write(page, 0.25, below + 0.1, title, ha="left", va="baseline")
    draw_tree(page, run.shape, tiers, below + 0.3, TREE)
    data = {"level": np.array(last.kept)}
    for stage in found:
        data |= {
            f"layer{stage.layer}_{name}": np.array(value)
            for name, value in vars(stage).items()
            if name != "layer"
        }
    for tier in tiers:
        data[f"traced{tier.layer}_nodes"] = tier.nodes
        data[f"traced{tier.layer}_masks"] = tier.effective.reshape(-1, *run.shape)
    return Drawing(figure, data)


def _curves(axes: Axes, group: Group, found: Sequence[Stage], tolerance: float) -> None:
    for stage, style in zip(found, line_styles(len(found)), strict=True):
        x, y = np.array(stage.densities), 100 * np.array(stage.accuracies)
        axes.plot(x, y, label=f"layer {stage.layer}", **style)
        kept = stage.levels.index(stage.kept)
        axes.plot(x[kept], y[kept], "o", ms=8, mfc="w", mec=style["color"], mew=1.2, zorder=4)
    dense = 100 * found[0].accuracies[0]
    axes.axhline(dense, color=MUTED, lw=0.7, ls="--", zorder=1, label="dense")
    if tolerance:
        least = f"dense - {100 * tolerance:g}"
        axes.axhline(dense - 100 * tolerance, color=MUTED, lw=0.7, ls=":", zorder=1, label=least)
    density_axis(axes, [u for stage in found for u in stage.densities])
    axes.set_xlabel("weight density of the layer being pruned (%)")
    axes.set_ylabel("best validation accuracy (%)")
    axes.set_title(f"{group.label}, n = 1")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
