"""This module computes the fan-in of the nodes of a group of runs, and the accuracy after removing nodes."""

from __future__ import annotations

import numpy as np
import polars

from prunescope.analysis.groups import Group
from prunescope.analysis.statistics import mean_and_sd
from prunescope.errors import InputError
from prunescope.observables import binomial_fan_in, fan_in

BARS = 36


def fan_in_histogram(group: Group, level: int, bars: int = BARS) -> polars.DataFrame:
    """Return the histogram of the first layer's fan-in at a level, with at most ``bars`` bars.

    Each row is a bar: the range of fan-ins, the number of nodes, and the number expected under random pruning at the
    same density (docs/science.md, "Fan-in and fan-out"), both averaged over seeds.
    """
    masks = [run.mask(level) for run in group.runs]
    counts = np.stack([np.bincount(fan_in(mask), minlength=mask.n_in + 1) for mask in masks]).mean(axis=0)
    density = float(np.mean([mask.density for mask in masks]))
    expected = masks[0].n_out * binomial_fan_in(masks[0].n_in, density)
    seen = np.flatnonzero((counts > 0) | (expected > 0.05))
    low, high = int(seen[0]), int(seen[-1])
    width = max(1, -(-(high + 1 - low) // bars))
    low -= low % width
    starts = np.arange(low, high + 1, width)
    return polars.DataFrame(
        {
            "level": np.full(len(starts), level),
            "nominal_density": np.full(len(starts), group.density(level)),
            "fan_in_from": starts,
            "fan_in_to": np.minimum(starts + width - 1, masks[0].n_in),
            "nodes": np.add.reduceat(counts[: high + 1], starts),
            "nodes_if_random": np.add.reduceat(expected[: high + 1], starts),
            "binomial_mean": np.full(len(starts), masks[0].n_in * density),
        }
    )


def ablation(group: Group, level: int, order: str) -> polars.DataFrame:
    """Return the accuracy after removing nodes in an order, relative to that of the whole network.

    ``order``: as in the stored curves (docs/science.md, "Ablation"). Each row is a number of removed nodes, with mean
    and sample sd over seeds and the relative accuracy of guessing. Raises InputError for a run that did not measure it, and for one
    whose whole network has no image right.
    """
    curves, guessing = [], []
    removed = np.empty(0, np.int64)
    for run in group.runs:
        seen = run.observations(level)
        if f"ablation_{order}" not in seen:
            raise InputError(f"{run.path}: level {level} holds no ablation curve")
        removed, accuracy = seen["ablation_removed"], seen[f"ablation_{order}"]
        whole = accuracy[np.argmin(removed)]
        if whole == 0:
            raise InputError(
                f"{run.path}: at level {level} the whole network has no image right: no accuracy is relative to 0; choose "
                "another level"
            )
        curves.append(accuracy / whole)
        guessing.append(1 / len(run.classes) / whole)
    mean, sd = mean_and_sd(np.array(curves))
    return polars.DataFrame(
        {
            "level": np.full(len(removed), level),
            "nominal_density": np.full(len(removed), group.density(level)),
            "order": [order] * len(removed),
            "removed": removed,
            "relative_accuracy": mean,
            "relative_accuracy_sd": sd,
            "guessing": np.full(len(removed), np.mean(guessing)),
            "validation_images": [group.images("validation")] * len(removed),
        }
    )
