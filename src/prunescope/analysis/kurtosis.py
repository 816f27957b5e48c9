"""This module tabulates the kurtosis of the first layer's preactivations and its weights' cavity effects."""

from __future__ import annotations

from collections.abc import Sequence

import polars

from prunescope.analysis.curves import over_seeds
from prunescope.analysis.groups import Group
from prunescope.analysis.run_observables import run_cavity
from prunescope.errors import InputError
from prunescope.runs.directory import Run

# These are, of a level of a run, the mean over nodes with its null, and the cavity contrast of kept minus removed
# weights.
VALUES = ("kurtosis", "kurtosis_null", "kurtosis_null_sd", "contrast", "contrast_like_size")


def kurtosis_table(group: Group) -> polars.DataFrame:
    """Return mean and sample sd over seeds of VALUES, one row for each level, densest first.

    Raises InputError for a run that did not measure the kurtosis. See docs/science.md, "Kurtosis" and "Cavity".
    """
    rows = [_row(run, level, group.levels) for run in group.runs for level in group.levels]
    table = polars.DataFrame(
        rows, schema_overrides=dict.fromkeys(VALUES, polars.Float64), infer_schema_length=None
    )
    return over_seeds(table, VALUES, experiment=group.label)


def _row(run: Run, level: int, levels: Sequence[int]) -> dict[str, float | None]:
    row = run.table.filter(polars.col("level") == level, polars.col("layer") == 1).row(0, named=True)
    if "kurtosis" not in row:
        raise InputError(f"{run.path}: measured no kurtosis (an older run); figure kurtosis needs a new one")
    values = {name: row[name] for name in ("level", "nominal_density", *VALUES[:3])}
    parts = run_cavity(run, level) if level + 1 in levels else None
    if parts is None:
        return values | {"contrast": None, "contrast_like_size": None}
    like_size = _finite(parts.near_threshold())
    return values | {"contrast": _finite(parts.contrast), "contrast_like_size": like_size}


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
