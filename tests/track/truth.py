"""The numbers that a tracker must hold, read from a run's files the obvious way."""

import json
import math

import polars

OF_THE_LEVEL = [
    "nominal_density",
    "best_val_accuracy",
    "best_step",
    "final_val_accuracy",
    "final_val_top5",
    "heldout_accuracy",
    "heldout_images",
    "train_loss",
    "seconds",
    "steps",
]


def numbers(run):
    """{(name, step): value} of a run directory."""
    steps = run.experiment.train.steps
    found = {}
    for line in (run.path / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        step = entry["level"] * steps + entry.pop("step")
        found |= {
            (f"evaluation/{name}", step): value
            for name, value in entry.items()
            if name not in ("identity", "seed")
        }
    for row in polars.read_parquet(run.path / "levels.parquet").drop("engine", "device").to_dicts():
        level, layer = row.pop("level"), row.pop("layer")
        for name, value in row.items():
            prefix = "level" if name in OF_THE_LEVEL else f"layer-{layer}"
            if value is not None and math.isfinite(value):
                found[f"{prefix}/{name}", level] = value
    return found
