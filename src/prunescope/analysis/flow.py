"""This module tabulates the layers' densities and the flow of weight magnitude between them, over levels and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars

from prunescope.analysis.curves import over_seeds
from prunescope.analysis.groups import Group
from prunescope.analysis.run_observables import densities_against_erk, run_flow


def layer_densities(group: Group) -> polars.DataFrame:
    """Return the density of each hidden layer, one row for each level and layer, with mean and sd over seeds.

    ``layer_density`` is that of the layer, ``relative`` that over the density of all hidden layers, ``density``, and
    ``erk`` the Erdős–Rényi density of the layer at the same number of weights in all.
    """
    rows = []
    for run in group.runs:
        for level in group.levels:
            ticket = run.ticket(level)
            overall = ticket.weight_density
            measured, erk = densities_against_erk(ticket)
            rows += [
                {"level": level, "layer": layer, "seed": run.seed, "density": overall, "erk": expected}
                | {"layer_density": own, "relative": own / overall}
                for layer, (own, expected) in enumerate(zip(measured, erk, strict=True), 1)
                if overall > 0
            ]
    return _over_seeds(group, rows, ("layer_density", "relative"), ("density", "erk"))


def layer_flow(group: Group) -> polars.DataFrame:
    """Return the flow of a group (docs/science.md, "Flow"), one row for each level and hidden layer, over seeds.

    ``share`` is the layer's share of the weights' magnitude, ``exponent`` that of its change since the level before.
    """
    rows = []
    levels = group.densest_first()
    for run in group.runs:
        measured = run_flow(run, levels=levels)
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
    """Return mean and sd over seeds, one row for each level and layer; nan counts as missing."""
    table = polars.DataFrame(rows).with_columns(polars.col(polars.Float64).fill_nan(None))
    return over_seeds(table, names, by=("level", "layer"), same=same, experiment=group.label)
