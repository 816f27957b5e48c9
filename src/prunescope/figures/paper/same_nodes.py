"""The same first-layer nodes, from the same initial weights, under different pruning (paper Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from prunescope.analysis.compared_levels import ExperimentLevel, at_compared_densities, by_method
from prunescope.analysis.formats import accuracy, mean_and_sd
from prunescope.analysis.groups import FigureOptions, Group, groups
from prunescope.analysis.statistics import spread
from prunescope.errors import InputError
from prunescope.figures.parts import published
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import INK, MUTED, PAGE
from prunescope.figures.parts.tiles import GAP, blank, place, write
from prunescope.model import Arrays
from prunescope.observables import mask_image, most_connected, weight_image
from prunescope.runs.directory import Run

NODES = 10
LEFT, RIGHT, TOP = 1.15, 0.85, 0.34
LARGEST_TILE = 0.6


@dataclass(frozen=True)
class PruningRow:
    """One kind of pruning: its run of the shown seed at a level; the dense network shows weights, not masks."""

    pick: ExperimentLevel
    run: Run
    dense: bool = False


def figure_4(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """The same nodes in columns: the dense network's weights, then the masks that each kind of pruning leaves.

    Of methods that go level by level, the levels nearest to 10 % and 1 %; of others, all their densities. One
    seed, the lowest that all have, so that all start from the same weights; nodes are ``options.nodes``, default
    the most connected of the iterative run at its sparsest level shown. The accuracies are mean ± sd over seeds.
    Data: ``nodes``, ``row_…``, and masks and weights [rows, nodes, C, H, W]. Paper Fig. 4.
    """
    found = by_method(groups(runs))
    picks = at_compared_densities(found, options)
    members = _members(found)
    rows = [PruningRow(pick, members[pick.group.label]) for pick in picks]
    iterative = _iterative(found)
    nodes = _nodes([row for row in rows if row.pick.group is iterative][-1], options)
    if 0 in iterative.levels:
        rows.insert(0, PruningRow(ExperimentLevel(iterative, 0), members[iterative.label], dense=True))
    # where nothing was pruned yet, the dense row says it all
    rows = [row for row in rows if row.dense or row.pick.level > 0] or rows
    return Drawing(_draw(rows, nodes), _data(rows, nodes))


def _members(found: Sequence[Group]) -> dict[str, Run]:
    """The run of each experiment with the lowest seed that all have; refuses different first layers."""
    first = found[0].runs[0]
    for group in found:
        run = group.runs[0]
        if (run.shape, run.experiment.network) != (first.shape, first.experiment.network):
            raise InputError(
                f"figure 4 compares nodes that started alike: {group.label} has another network or another size "
                f"of images than {found[0].label}; give runs with the same network"
            )
    common = set.intersection(*({run.seed for run in group.runs} for group in found))
    if not common:
        seeds = "; ".join(f"{group.label}: {sorted(run.seed for run in group.runs)}" for group in found)
        raise InputError(f"figure 4 needs a seed that all experiments have run, found {seeds}")
    seed = min(common)
    return {group.label: next(run for run in group.runs if run.seed == seed) for group in found}


def _iterative(found: Sequence[Group]) -> Group:
    """Iterative pruning where it is among them, else the experiment with the most levels."""
    by_method = [group for group in found if group.runs[0].experiment.prune.method == "imp"]
    return by_method[0] if by_method else max(found, key=lambda group: len(group.levels))


def _nodes(row: PruningRow, options: FigureOptions) -> list[int]:
    mask = row.run.mask(row.pick.level)
    if options.nodes is None:
        return [int(node) for node in most_connected(mask, NODES)]
    wrong = [node for node in options.nodes if not 0 <= node < mask.n_out]
    if wrong or not options.nodes:
        what = f"no node {wrong[0]}" if wrong else "no node given"
        raise InputError(f"{row.run.path}: {what}; first-layer nodes are 0 to {mask.n_out - 1}")
    return list(options.nodes)


def _draw(rows: Sequence[PruningRow], nodes: Sequence[int]) -> Figure:
    _, height, width = rows[0].run.shape
    side = min(LARGEST_TILE, (PAGE - LEFT - RIGHT) / len(nodes) - GAP)
    step = side * height / width + GAP
    page = LEFT + len(nodes) * (side + GAP) + RIGHT
    figure, axes = blank(page, TOP + len(rows) * step + GAP)
    write(axes, page - RIGHT / 2, TOP - 0.04, "best validation\naccuracy", fontsize=6)
    for column, node in enumerate(nodes):
        write(
            axes, LEFT + column * (side + GAP) + side / 2, TOP - 0.04, f"node {node}", color=MUTED, fontsize=5
        )
    for index, row in enumerate(rows):
        top = TOP + index * step
        write(axes, LEFT - 0.07, top + side / 2, _name(row), ha="right", va="center", fontsize=6.5)
        for column, image in enumerate(_images(row, nodes)):
            place(axes, image, LEFT + column * (side + GAP), top, side)
        write(axes, page - RIGHT / 2, top + side / 2, _accuracy(row), va="center", color=INK, fontsize=6.5)
    return figure


def _name(row: PruningRow) -> str:
    if row.dense:
        return "dense, weights"
    label, _, density = row.pick.title.rpartition(", $u$")
    return f"{label}\n$u${density}"


def _images(row: PruningRow, nodes: Sequence[int]) -> list[np.ndarray]:
    mask, shape = row.run.mask(row.pick.level), row.run.shape
    if not row.dense:
        return [mask_image(mask.array[node], shape) for node in nodes]
    weight = row.run.model(row.pick.level).layers[0].weight
    return [weight_image(weight[node], mask.array[node], shape) for node in nodes]


def _accuracy(row: PruningRow) -> str:
    text = mean_and_sd(spread(list(row.pick.by_seed("best_val_accuracy").values())), "percent", digits=1)
    reported = published.figure_4_accuracy(row.run.experiment, row.pick.density)
    return text if reported is None else f"{text}\n(paper {accuracy(reported)})"


def _data(rows: Sequence[PruningRow], nodes: Sequence[int]) -> Arrays:
    masks, weights = [], []
    for row in rows:
        mask = row.run.mask(row.pick.level).images(row.run.shape)[list(nodes)]
        weight = row.run.model(row.pick.level).layers[0].weight[list(nodes)].reshape(mask.shape)
        masks.append(mask)
        weights.append(weight * mask)
    accuracies = [spread(list(row.pick.by_seed("best_val_accuracy").values())) for row in rows]
    return {
        "nodes": np.array(nodes),
        "seed": np.array(rows[0].run.seed),
        "row_experiment": np.array([row.pick.group.label for row in rows]),
        "row_level": np.array([row.pick.level for row in rows]),
        "row_nominal_density": np.array([row.pick.density for row in rows]),
        "row_best_val_accuracy_mean": np.array([one.mean for one in accuracies], np.float64),
        "row_best_val_accuracy_sd": np.array([one.sd for one in accuracies], np.float64),
        "row_seeds": np.array([len(row.pick.group.runs) for row in rows]),
        "masks": np.stack(masks),
        "weights": np.stack(weights),
    }
