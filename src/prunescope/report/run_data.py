"""What the page shows of one run, level by level."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.model import Arrays
from prunescope.observe import (
    binomial_fan_in,
    fan_in,
    locality,
    most_connected,
    radial_profile,
    radius_of_gyration,
    shuffle_at_fan_in,
    uniform_null,
)
from prunescope.randomness import generator
from prunescope.report import encoding
from prunescope.report.encoding import Sheet, number, numbers
from prunescope.store import Run

ATLAS_NODES = 32
SHUFFLES = 8
BARS = 32
SHOWN = (
    "density",
    "weight_density",
    "units",
    "units_alive",
    "fan_in_mean",
    "fan_in_max",
    "fan_in_var_ratio",
    "locality",
    "locality_null",
    "locality_null_sd",
    "locality_z",
    "half_width",
    "anisotropy",
    "radius_of_gyration",
    "best_val_accuracy",
    "final_val_accuracy",
    "heldout_accuracy",
    "train_loss",
)


def run_data(run: Run, group: int) -> dict[str, Any]:
    """Everything the page shows of a run, as plain values; ``group`` is the number of its experiment."""
    if run.shape[0] not in (1, 3):
        raise InputError(f"{run.path}: inputs have {run.shape[0]} channels; a report shows images of 1 or 3")
    sheet = Sheet(run.shape)
    first = run.table.filter(polars.col("layer") == 1)
    levels = [_level(run, row, sheet) for row in first.sort("level").to_dicts()]
    return {
        "name": run.experiment.name,
        "identity": run.experiment.identity,
        "seed": run.seed,
        "status": run.status,
        "group": group,
        "shape": list(run.shape),
        "classes": len(run.classes),
        "levels": levels,
        "sheet": sheet.to_json(),
    }


def _level(run: Run, row: dict[str, Any], sheet: Sheet) -> dict[str, Any]:
    level = int(row["level"])
    mask = run.mask(level)
    seen = run.observations(level)
    shuffled = shuffle_at_fan_in(mask, generator(run.seed, "null", level, 0))
    return {
        "level": level,
        "u": row["nominal_density"],
        **{name: number(row.get(name)) for name in SHOWN},
        **_atlas(run, level, mask, shuffled, seen, sheet),
        **_locality(run, level, mask),
        "histogram": _histogram(mask),
        "ablation": _ablation(seen),
    }


def _atlas(run: Run, level: int, mask: Mask, shuffled: Mask, seen: Arrays, sheet: Sheet) -> dict[str, Any]:
    """The most connected nodes: masks, kept weights in the mask's order, and the same of the shuffled mask."""
    nodes = most_connected(mask, ATLAS_NODES)
    weight = run.model(level).layers[0].weight
    radius = radius_of_gyration(Mask(mask.array[nodes]), run.shape)
    stored = {int(node): place for place, node in enumerate(seen.get("nodes", ()))}
    entries, values = [], []
    for node, gyration in zip(nodes, radius, strict=True):
        kept = weight[node][mask.array[node]]
        low, high = encoding.finite_range([*kept, 0.0])
        values.append(encoding.levels_of_256(kept, low, high))
        entry: dict[str, Any] = {
            "node": int(node),
            "fan_in": kept.size,
            "radius": number(float(gyration), 3),
            "low": number(low),
            "high": number(high),
            "images": [],
            "activations": [],
        }
        if int(node) in stored:
            place = stored[int(node)]
            entry["images"] = [sheet.add(pixels) for pixels in seen["top_images"][place]]
            entry["activations"] = numbers(seen["top_activations"][place], 3)
        entries.append(entry)
    return {
        "nodes": entries,
        "masks": encoding.bits(mask.array[nodes]),
        "weights": encoding.octets(np.concatenate(values)),
        "shuffled": encoding.bits(shuffled.array[nodes]),
    }


def _locality(run: Run, level: int, mask: Mask) -> dict[str, Any]:
    """S(d), the number of ordered pairs (which fixes the null), and g by distance with that of shuffled masks."""
    shape = run.shape
    pairs, null = locality(mask, shape), uniform_null(mask.fan_in, shape)
    profiles = []
    for shuffle in range(SHUFFLES):
        random = shuffle_at_fan_in(mask, generator(run.seed, "null", level, shuffle))
        profiles.append(radial_profile(locality(random, shape).same, null.same))
    mean, sd = np.mean(profiles, axis=0), np.std(profiles, axis=0, ddof=1)
    connections = mask.fan_in.astype(np.float64)
    return {
        "same": encoding.counts(pairs.same),
        "different": encoding.counts(pairs.different) if shape[0] > 1 else None,
        "pairs": float((connections * (connections - 1)).sum()),
        "g": numbers(radial_profile(pairs.same, null.same)),
        "g_low": numbers(mean - 2 * sd),
        "g_high": numbers(mean + 2 * sd),
    }


def _histogram(mask: Mask) -> dict[str, Any]:
    """Nodes by fan-in, and how many random pruning at the same density would leave there."""
    counts = np.bincount(fan_in(mask), minlength=mask.n_in + 1)
    expected = mask.n_out * binomial_fan_in(mask.n_in, mask.density)
    seen = np.flatnonzero((counts > 0) | (expected > 0.05))
    low, high = int(seen[0]), int(seen[-1])
    width = max(1, -(-(high + 1 - low) // BARS))
    low -= low % width
    starts = np.arange(low, high + 1, width)
    return {
        "start": low,
        "width": width,
        "nodes": np.add.reduceat(counts[: high + 1], starts).tolist(),
        "expected": numbers(np.add.reduceat(expected[: high + 1], starts), 3),
        "mean": number(mask.n_in * mask.density, 4),
    }


def _ablation(seen: Arrays) -> dict[str, Any] | None:
    """Accuracy with so many nodes removed, in three orders of fan-in; None where not measured."""
    orders = ("decreasing", "random", "increasing")
    if not all(f"ablation_{order}" in seen for order in orders):
        return None
    return {
        "removed": seen["ablation_removed"].tolist(),
        **{order: numbers(seen[f"ablation_{order}"]) for order in orders},
    }
