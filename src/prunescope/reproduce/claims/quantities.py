"""Compute the numbers that claims need beyond levels.parquet, each with its place in a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from prunescope.analysis.directions import direction
from prunescope.mask import Mask
from prunescope.observables import (
    effective_masks,
    fan_out,
    radius_of_gyration,
)
from prunescope.observables.connectivity import variance_ratio
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, Sample, difference
from prunescope.reproduce.claims.miniature import ExperimentRuns, Miniature

SPARSE = 0.7**13  # the level nearest to the paper's u of about 1 %
REMOVED = 0.1  # of the first layer's nodes


def gain(mini: Miniature, name: str, kind: str) -> MeasuredQuantity:
    """Return held-out accuracy at u = 0.97 %, a level fixed in advance, less that of the dense level.

    The level is fixed because the best of several levels would gain by being chosen, on any images.
    """
    sparse = mini.at(f"{name}, u = 0.97 %, held out", kind, "heldout_accuracy", SPARSE, "%")
    return difference(name, sparse, mini.at(f"{name}, dense, held out", kind, "heldout_accuracy", 1.0, "%"))


def described_gain(mini: Miniature, name: str, kind: str) -> MeasuredQuantity:
    """Return held-out accuracy at the level that the other seeds choose, less that of the dense level.

    Its mean is unbiased, but it decides no claim: the seeds choose for one another and so are not
    independent.
    """
    chosen = mini.at_cross_fitted(f"{name}: held out", kind, "heldout_accuracy", "%")
    return difference(name, chosen, mini.at(f"{name}, dense, held out", kind, "heldout_accuracy", 1.0, "%"))


def log_density_of_best(mini: Miniature, kind: str, name: str) -> MeasuredQuantity:
    """Return log10 of the nominal density at which validation accuracy is best, on the grid of levels."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.best_level(seed)
        cell = None if level is None else runs.cell(seed, level, "nominal_density")
        return cell and Sample(math.log10(cell.value), cell.run, f"log10 of {cell.where}")

    return replace(mini.gather(name, kind, sample), half_step=mini[kind].half_step)


def ablated(mini: Miniature, name: str, order: str, u: float, share: float = REMOVED) -> MeasuredQuantity:
    """Return validation accuracy with a share of the first layer's nodes removed in an order of fan-in."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        if level is None:
            return None
        observations = runs.runs[seed].observations(level)
        if f"ablation_{order}" not in observations:
            return None
        units = int(observations["ablation_removed"][-1])
        place = int(np.argmin(np.abs(observations["ablation_removed"] - share * units)))
        where = f"observations.safetensors, level {level}, ablation_{order}[{place}]"
        images = runs.images(seed, "final_val_accuracy", {})
        return Sample(float(observations[f"ablation_{order}"][place]), runs.path(seed), where, images)

    return mini.gather(name, "imp", sample, "%")


def mean_accuracy(mini: Miniature, name: str, kind: str, other: str) -> MeasuredQuantity:
    """Average the best validation accuracy of ``kind`` over the levels that all its and ``other``'s runs have."""
    column = "best_val_accuracy"
    several = [
        {row["level"]: row.get(column) for row in mini[one].layer(seed)}
        for one in (kind, other)
        for seed in mini[one].runs
    ]
    levels = [
        level for level in mini[kind].densities if all(found.get(level) is not None for found in several)
    ]

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        cells = [cell for level in levels if (cell := runs.cell(seed, level, column))]
        if not cells:
            return None
        where = f"levels.parquet, levels {levels[0]} to {levels[-1]}, layer 1, {column}: mean"
        return replace(cells[0], value=float(np.mean([cell.value for cell in cells])), where=where)

    return mini.gather(name, kind, sample, "%")


def layer_share(mini: Miniature, name: str, kind: str, layer: int, u: float) -> MeasuredQuantity:
    """Return the weight density of a layer over the nominal density of the network."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        return (
            None if level is None else runs.ratio(seed, level, ("weight_density", "nominal_density"), layer)
        )

    return mini.gather(name, kind, sample, "×")


def alive_share(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """Return the share of first-layer nodes that keep a connection."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        return None if level is None else runs.ratio(seed, level, ("units_alive", "units"))

    return mini.gather(name, kind, sample, "%")


def excess(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """Return the locality less 1, its value by chance."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        cell = None if level is None else runs.cell(seed, level, "locality")
        return cell and Sample(cell.value - 1, cell.run, f"{cell.where} - 1")

    return mini.gather(name, kind, sample, "×")


def excess_of_imp(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """Return the excess locality of IMP's run of the same seed at the density of ``kind``'s first layer.

    It is interpolated linearly in the logarithm of the density. Seeds whose first layer is denser or sparser
    than all of IMP's levels are left out.
    """

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        density = None if level is None else runs.cell(seed, level, "weight_density")
        if density is None or seed not in mini["imp"].runs:
            return None
        rows = [row for row in mini["imp"].layer(seed) if row.get("locality") is not None][::-1]
        logs = [math.log(row["weight_density"]) for row in rows]
        at = math.log(density.value)
        if len(rows) < 2 or not logs[0] * SLACK <= at <= logs[-1]:
            return None
        reference = float(np.interp(at, logs, [row["locality"] for row in rows]))
        where = f"imp's locality - 1 at {density.where}"
        return Sample(reference - 1, f"{density.run} ; {mini['imp'].path(seed)}", where)

    return mini.gather(name, kind, sample, "×")


def excess_share(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """Return the excess locality as a share of IMP's at the same density of the first layer."""
    own = excess(mini, f"{name}: locality - 1", kind, u)
    reference = excess_of_imp(mini, f"{name}: IMP's locality - 1", kind, u)
    samples = {
        seed: replace(
            whole, value=own.samples[seed].value / whole.value, where=f"[{own.name}] / [{reference.name}]"
        )
        for seed, whole in reference.samples.items()
        if seed in own.samples
    }
    return replace(own, name=name, samples=samples, parts=(own, reference))


# A layer's measured density scatters around its nominal one by up to this factor; within it the end of a curve is used.
SLACK = 1.02


def fan_out_ratio(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """Return the variance of the pixels' fan-out in the first layer's mask over the binomial variance."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        if level is None:
            return None
        mask = runs.runs[seed].mask(level)
        where = f"masks.safetensors, level {level}, layer 1: variance of the fan-out / binomial"
        return Sample(variance_ratio(fan_out(mask), mask.n_out), runs.path(seed), where)

    return mini.gather(name, kind, sample, "×")


def cross_angle(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """Return the direction that pairs of a node's pixels prefer, in degrees counter-clockwise."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        if level is None:
            return None
        run = runs.runs[seed]
        where = f"masks.safetensors, level {level}, layer 1: direction of S_sc"
        return Sample(direction(run.mask(level), run.shape), runs.path(seed), where)

    return mini.gather(name, kind, sample, "°")


def receptive_radius(mini: Miniature, name: str, kind: str, layer: int) -> MeasuredQuantity:
    """Return the mean radius of gyration of the inputs that reach a layer's nodes, in pixels, at the last level."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        run = runs.runs[seed]
        level = run.levels[-1]
        masks = run.ticket(level).masks[:layer]
        if len(masks) < layer:
            return None
        radii = radius_of_gyration(Mask(effective_masks(masks)[-1]), run.shape)
        if np.isnan(radii).all():
            return None
        where = f"masks.safetensors, level {level}, layers 1 to {layer}: mean radius of gyration"
        return Sample(float(np.nanmean(radii)), runs.path(seed), where)

    return mini.gather(name, kind, sample)


def pruned_layers(mini: Miniature, kind: str) -> Iterator[tuple[int, MeasuredQuantity]]:
    """Yield each hidden layer's number and the density of its weights at the last level."""
    depths = [len(run.experiment.network.hidden) for run in mini[kind].runs.values()]
    for layer in range(1, min(depths, default=0) + 1):
        yield layer, mini.at_last(f"layer {layer} keeps", kind, "weight_density", "%", layer=layer)
