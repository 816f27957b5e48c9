"""Collect what the page shows of one run, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars
from numpy.typing import NDArray

from prunescope.analysis import input_wording
from prunescope.analysis.connectivity import fan_in_histogram
from prunescope.analysis.formats import number as written
from prunescope.analysis.groups import Group
from prunescope.analysis.locality import relative_locality, summed_locality
from prunescope.analysis.nulls import fan_in_null, sampled_z
from prunescope.errors import InputError
from prunescope.mask import ImageShape, Mask
from prunescope.model import Arrays
from prunescope.observables import most_connected, radius_of_gyration
from prunescope.observables.null_masks import shuffled_masks
from prunescope.report import encoding
from prunescope.report.encoding import SpriteSheet, number, numbers
from prunescope.runs.columns import shown_on
from prunescope.runs.directory import Run

ATLAS_NODES = 32
BARS = 32


# Columns that the page's list of numbers lays out itself (panels.js) or shows elsewhere; the others follow it.
LAID_OUT = {
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
    "heldout_images",
    "train_loss",
}


def run_data(run: Run, group: int) -> dict[str, Any]:
    """Return everything the page shows of a run, as JSON values; ``group`` is the number of its experiment.

    Raises InputError for tables, and for images that have not 1 or 3 channels.
    """
    if run.experiment.data.geometry == "none":
        raise InputError(
            f"{run.path}: its inputs have no geometry (data.geometry=none), which a report needs; prunescope show, compare "
            "and figure levels need none"
        )
    channels, height, width = run.shape
    series = height == 1
    if channels not in (1, 3) and not series:
        raise InputError(f"{run.path}: images have {channels} channels; a report shows images of 1 or 3")
    # Stored series are the rows of grey pictures, a row for each channel, from which the page draws curves.
    sheet = SpriteSheet((1, channels, width) if series else run.shape)
    first = run.table.filter(polars.col("layer") == 1)
    levels = [_level(run, row, sheet) for row in first.sort("level").to_dicts()]
    return {
        "name": run.experiment.name,
        "identity": run.experiment.identity,
        "seed": run.seed,
        "status": run.status,
        "group": group,
        "shape": list(run.shape),
        "unit": input_wording.unit(run),
        "inputs": input_wording.inputs(run),
        "classes": len(run.classes),
        "validation_images": run.data.get("validation_images"),
        "levels": levels,
        "sheet": sheet.to_json(),
    }


def _level(run: Run, row: dict[str, Any], sheet: SpriteSheet) -> dict[str, Any]:
    level = int(row["level"])
    alone = Group(run.experiment.name, (run,))
    observations = run.observations(level)
    return {
        "level": level,
        "u": row["nominal_density"],
        **{column.name: number(row.get(column.name)) for column in shown_on("page")},
        "further": [
            [column.title, written(row[column.name], column.format)]
            for column in shown_on("page")
            if column.name not in LAID_OUT and row.get(column.name) is not None
        ],
        **_atlas(_first_layer(run, level), observations, sheet),
        **_locality(alone, level),
        **_nulls(run, row),
        "histogram": _histogram(alone, level),
        "ablation": _ablation(observations),
    }


@dataclass(frozen=True)
class _FirstLayer:
    """The first layer at one level: its weights, its mask and a shuffled mask, each [n_out, n_in]."""

    weight: NDArray[np.float32]
    mask: Mask
    shuffled: Mask
    shape: ImageShape


def _first_layer(run: Run, level: int) -> _FirstLayer:
    mask = run.mask(level)
    return _FirstLayer(run.model(level).layers[0].weight, mask, next(shuffled_masks(mask)), run.shape)


def _atlas(first: _FirstLayer, observations: Arrays, sheet: SpriteSheet) -> dict[str, Any]:
    """Return the most connected nodes' masks, kept weights in the mask's order, and shuffled masks."""
    mask = first.mask
    nodes = most_connected(mask, ATLAS_NODES)
    radius = radius_of_gyration(Mask(mask.array[nodes]), first.shape)
    stored = {int(node): place for place, node in enumerate(observations.get("nodes", ()))}
    entries, values = [], []
    for node, gyration in zip(nodes, radius, strict=True):
        kept = first.weight[node][mask.array[node]]
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
            entry["images"] = [sheet.add(pixels) for pixels in observations["top_images"][place]]
            entry["activations"] = numbers(observations["top_activations"][place], 3)
        entries.append(entry)
    return {
        "nodes": entries,
        "masks": encoding.bits(mask.array[nodes]),
        "weights": encoding.octets(np.concatenate(values)),
        "shuffled": encoding.bits(first.shuffled.array[nodes]),
    }


def _locality(group: Group, level: int) -> dict[str, Any]:
    """Return S(d), the number of ordered pairs, and g by distance with the band of shuffled masks."""
    run, pairs = group.runs[0], summed_locality(group, level)
    relative = relative_locality(group, level)
    low, high = 1 - 2 * relative.radial_null_sd, 1 + 2 * relative.radial_null_sd
    connections = run.mask(level).fan_in.astype(np.float64)
    return {
        "same": encoding.counts(pairs.same),
        "different": encoding.counts(pairs.different) if run.shape[0] > 1 else None,
        "pairs": float((connections * (connections - 1)).sum()),
        "g": numbers(relative.radial),
        "g_low": numbers(low),
        "g_high": numbers(high),
    }


def _nulls(run: Run, row: dict[str, Any]) -> dict[str, Any]:
    """Return the closed-form null of the fan-in variance ratio, and from how many shuffles z comes if from any."""
    [fan_in] = fan_in_null(polars.DataFrame([row], infer_schema_length=None), int(np.prod(run.shape)))
    return {
        "fan_in_var_ratio_null": number(fan_in.mean),
        "fan_in_var_ratio_null_sd": number(fan_in.sd),
        "z_shuffles": sampled_z(row),
    }


def _histogram(group: Group, level: int) -> dict[str, Any]:
    """Return numbers of nodes by fan-in, and those that random pruning at the same density would leave."""
    bars = fan_in_histogram(group, level, BARS)
    starts = bars["fan_in_from"].to_list()
    return {
        "start": starts[0],
        "width": starts[1] - starts[0] if len(starts) > 1 else 1,
        "nodes": [int(nodes) for nodes in bars["nodes"]],
        "expected": numbers(bars["nodes_if_random"], 3),
        "mean": number(bars["binomial_mean"][0], 4),
    }


def _ablation(observations: Arrays) -> dict[str, Any] | None:
    """Return the accuracy with so many nodes removed, in three orders of fan-in; None where not measured."""
    orders = ("decreasing", "random", "increasing")
    if not all(f"ablation_{order}" in observations for order in orders):
        return None
    return {
        "removed": observations["ablation_removed"].tolist(),
        **{order: numbers(observations[f"ablation_{order}"]) for order in orders},
    }
