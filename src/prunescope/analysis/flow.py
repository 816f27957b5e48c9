"""The layers' densities and the flow of the weights' magnitude between them, over levels and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars

from prunescope.analysis.curves import over_seeds
from prunescope.analysis.groups import Group
from prunescope.analysis.run_observables import densities_against_erk, run_flow


def layer_densities(group: Group) -> polars.DataFrame:
    """The density of each hidden layer, over that of all of them, and Erdős–Rényi's: one row a level and layer."""
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
    """Each layer's share of the magnitude and the exponent of its change: one row a level and layer."""
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
    """One row a level and layer; nan is missing."""
    table = polars.DataFrame(rows).with_columns(polars.col(polars.Float64).fill_nan(None))
    return over_seeds(table, names, by=("level", "layer"), same=same, experiment=group.label)
