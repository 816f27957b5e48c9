"""This module tabulates training loss and validation error within a level, over seeds."""

from __future__ import annotations

import polars

from prunescope.analysis.groups import Group
from prunescope.errors import InputError


def training_curves(group: Group, level: int) -> polars.DataFrame:
    """Return the training loss and validation error at each evaluated step of a level, averaged over seeds.

    Columns are experiment, level, nominal_density, step, train_loss and validation_error (a share of 1). Raises
    InputError for a run without entries of the level.
    """
    entries = []
    for run in group.runs:
        own = [entry for entry in run.metrics if entry["level"] == level]
        if not own:
            raise InputError(f"{run.path}: metrics.jsonl has no entry of level {level}")
        entries += [
            {name: entry.get(name) for name in ("step", "train_loss", "val_accuracy")} for entry in own
        ]
    table = (
        polars.DataFrame(entries)
        .group_by("step")
        .agg(
            polars.col("train_loss").mean(), (1 - polars.col("val_accuracy")).mean().alias("validation_error")
        )
    )
    about = {"experiment": group.label, "level": level, "nominal_density": group.density(level)}
    return table.sort("step").select(
        *(polars.lit(value).alias(name) for name, value in about.items()), polars.all()
    )
