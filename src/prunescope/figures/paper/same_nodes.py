"""This module draws the same first-layer nodes, from the same initial weights, under different pruning methods.

It is the paper's Fig. 4.
"""

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
from prunescope.figures.parts.pictures import Picture, height_over_width, mask_picture, weight_picture
from prunescope.figures.parts.series import AXIS, columns_for, is_series, time_axis
from prunescope.figures.parts.style import INK, MUTED, PAGE
from prunescope.figures.parts.tiles import GAP, Position, blank, place, write
from prunescope.model import Arrays
from prunescope.observables import most_connected
from prunescope.runs.directory import Run

NODES = 10
LEFT, RIGHT, TOP = 1.15, 0.85, 0.34
LARGEST_TILE = 0.6
LEAST_ROW = 0.26  # The height in inches that the name of a row takes.


@dataclass(frozen=True)
class PruningRow:
    """A row of the figure: an experiment at a level, and its run of the shown seed.

    The row of the dense network (``dense``) shows weights, the others show masks.
    """

    experiment_level: ExperimentLevel
    run: Run
    dense: bool = False


def figure_4(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the same nodes in columns: the dense network's weights, then the masks that each pruning method leaves.

    Methods that go level by level are shown at the levels nearest to 10 % and 1 %, others at all their densities.
    The seed is the lowest that all have, so that all start from the same weights. The nodes are ``options.nodes``,
    by default the most connected of the iterative run at its sparsest level shown. The accuracies are mean ± sd over
    seeds. Data: ``nodes``, ``row_…``, and masks and weights [rows, nodes, C, H, W]. Raises InputError for
    experiments without a common seed or with different networks or image sizes. Paper Fig. 4.
    """
    found = by_method(groups(runs))
    shown = at_compared_densities(found, options)
    run_of = _runs_of_common_seed(found)
    rows = [PruningRow(one, run_of[one.group.label]) for one in shown]
    iterative = _iterative(found)
    nodes = _nodes([row for row in rows if row.experiment_level.group is iterative][-1], options)
    if 0 in iterative.levels:
        rows.insert(0, PruningRow(ExperimentLevel(iterative, 0), run_of[iterative.label], dense=True))
    # An experiment that has pruned nothing yet is already shown by the row of the dense network.
    rows = [row for row in rows if row.dense or row.experiment_level.level > 0] or rows
    return Drawing(_draw(rows, nodes), _data(rows, nodes))


def _runs_of_common_seed(found: Sequence[Group]) -> dict[str, Run]:
    """Return the run of each experiment, by its label, with the lowest seed that all have."""
    first = found[0].runs[0]
    for group in found:
        run = group.runs[0]
        if (run.shape, run.experiment.network) != (first.shape, first.experiment.network):
            raise InputError(
                f"figure 4 compares nodes that started alike: {group.label} has another network or another size "
                f"of inputs than {found[0].label}; give runs with the same network"
            )
    common = set.intersection(*({run.seed for run in group.runs} for group in found))
    if not common:
        seeds = "; ".join(f"{group.label}: {sorted(run.seed for run in group.runs)}" for group in found)
        raise InputError(f"figure 4 needs a seed that all experiments have run, found {seeds}")
    seed = min(common)
    return {group.label: next(run for run in group.runs if run.seed == seed) for group in found}


def _iterative(found: Sequence[Group]) -> Group:
    """Return the experiment of iterative pruning where there is one, else that with the most levels."""
    by_method = [group for group in found if group.runs[0].experiment.prune.method == "imp"]
    return by_method[0] if by_method else max(found, key=lambda group: len(group.levels))


def _nodes(row: PruningRow, options: FigureOptions) -> list[int]:
    mask = row.run.mask(row.experiment_level.level)
    if options.nodes is None:
        return [int(node) for node in most_connected(mask, columns_for(row.run.shape, NODES))]
    wrong = [node for node in options.nodes if not 0 <= node < mask.n_out]
    if wrong or not options.nodes:
        what = f"no node {wrong[0]}" if wrong else "no node given"
        raise InputError(f"{row.run.path}: {what}; first-layer nodes are 0 to {mask.n_out - 1}")
    return list(options.nodes)


def _draw(rows: Sequence[PruningRow], nodes: Sequence[int]) -> Figure:
    shape = rows[0].run.shape
    series = is_series(shape)
    side = min(LARGEST_TILE * (1 + series), (PAGE - LEFT - RIGHT) / len(nodes) - GAP)
    tall = side * height_over_width(shape)
    step = max(tall, LEAST_ROW) + GAP
    page = LEFT + len(nodes) * (side + GAP) + RIGHT
    middle = tall / 2
    figure, axes = blank(page, TOP + len(rows) * step + GAP + AXIS * series)
    write(axes, page - RIGHT / 2, TOP - 0.04, "best validation\naccuracy", fontsize=6)
    for column, node in enumerate(nodes):
        write(
            axes, LEFT + column * (side + GAP) + side / 2, TOP - 0.04, f"node {node}", color=MUTED, fontsize=5
        )
        if series:
            corner = LEFT + column * (side + GAP), TOP + len(rows) * step - GAP
            time_axis(axes, corner, side, shape[2])
    for index, row in enumerate(rows):
        top = TOP + index * step
        write(axes, LEFT - 0.07, top + middle, _name(row), ha="right", va="center", fontsize=6.5)
        for column, image in enumerate(_images(row, nodes)):
            place(axes, image, Position(LEFT + column * (side + GAP), top, side))
        write(axes, page - RIGHT / 2, top + middle, _accuracy(row), va="center", color=INK, fontsize=6.5)
    return figure


def _name(row: PruningRow) -> str:
    if row.dense:
        return "dense, weights"
    label, _, density = row.experiment_level.title.rpartition(", $u$")
    return f"{label}\n$u${density}"


def _images(row: PruningRow, nodes: Sequence[int]) -> list[Picture]:
    mask, shape = row.run.mask(row.experiment_level.level), row.run.shape
    if not row.dense:
        return [mask_picture(mask.array[node], shape) for node in nodes]
    weight = row.run.model(row.experiment_level.level).layers[0].weight
    return [weight_picture(weight[node], mask.array[node], shape) for node in nodes]


def _accuracy(row: PruningRow) -> str:
    text = mean_and_sd(
        spread(list(row.experiment_level.by_seed("best_val_accuracy").values())), "percent", digits=1
    )
    reported = published.figure_4_accuracy(row.run.experiment, row.experiment_level.density)
    return text if reported is None else f"{text}\n(paper {accuracy(reported)})"


def _data(rows: Sequence[PruningRow], nodes: Sequence[int]) -> Arrays:
    masks, weights = [], []
    for row in rows:
        mask = row.run.mask(row.experiment_level.level).images(row.run.shape)[list(nodes)]
        weight = row.run.model(row.experiment_level.level).layers[0].weight[list(nodes)].reshape(mask.shape)
        masks.append(mask)
        weights.append(weight * mask)
    accuracies = [spread(list(row.experiment_level.by_seed("best_val_accuracy").values())) for row in rows]
    return {
        "nodes": np.array(nodes),
        "seed": np.array(rows[0].run.seed),
        "row_experiment": np.array([row.experiment_level.group.label for row in rows]),
        "row_level": np.array([row.experiment_level.level for row in rows]),
        "row_nominal_density": np.array([row.experiment_level.density for row in rows]),
        "row_best_val_accuracy_mean": np.array([one.mean for one in accuracies], np.float64),
        "row_best_val_accuracy_sd": np.array([one.sd for one in accuracies], np.float64),
        "row_seeds": np.array([len(row.experiment_level.group.runs) for row in rows]),
        "masks": np.stack(masks),
        "weights": np.stack(weights),
    }
