"""The layers' densities and the flow of the weights' magnitude between them, over levels and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars

from prunescope.analysis.curves import over_seeds
from prunescope.analysis.groups import Group
from prunescope.observables import flow
from prunescope.pruning.layouts import erdos_renyi


def layer_densities(group: Group) -> polars.DataFrame:
    rows = []
    for run in group.runs:
        for level in group.levels:
            masks = run.ticket(level).masks
            size = np.array([mask.array.size for mask in masks])
            kept = np.array([mask.kept for mask in masks])
            sizes = (masks[0].n_in, *(mask.n_out for mask in masks), len(run.classes))
            overall = float(kept.sum() / size.sum())
            erk = erdos_renyi(sizes, overall)
            rows += [
                {"level": level, "layer": layer + 1, "seed": run.seed, "density": overall, "erk": erk[layer]}
                | {
                    "layer_density": kept[layer] / size[layer],
                    "relative": kept[layer] / size[layer] / overall,
                }
                for layer in range(len(masks))
                if overall > 0
            ]
    return _over_seeds(group, rows, ("layer_density", "relative"), ("density", "erk"))


def layer_flow(group: Group) -> polars.DataFrame:
    rows = []
    levels = group.densest_first()
    for run in group.runs:
        weights = [[layer.weight for layer in run.model(level).layers[:-1]] for level in levels]
        tickets = [run.ticket(level) for level in levels]
        kept = np.array([sum(mask.kept for mask in ticket.masks) for ticket in tickets], np.float64)
        measured = flow(weights, 1 - kept[1:] / np.maximum(kept[:-1], 1))
        exponent = np.vstack([np.full((1, measured.share.shape[1]), np.nan), measured.exponent])
        rows += [
            {"level": level, "layer": layer + 1, "seed": run.seed, "nominal_density": group.density(level)}
            | {"share": measured.share[n, layer], "exponent": exponent[n, layer]}
            for n, level in enumerate(levels)
            for layer in range(measured.share.shape[1])
        ]
    return _over_seeds(group, rows, ("share", "exponent"), ("nominal_density",))


def _over_seeds(
    group: Group, rows: list[dict[str, float]], names: Sequence[str], same: Sequence[str]
) -> polars.DataFrame:
    """One row a level and layer; nan is missing."""
    table = polars.DataFrame(rows).with_columns(polars.col(polars.Float64).fill_nan(None))
    return over_seeds(table, names, by=("level", "layer"), same=same, experiment=group.label)
