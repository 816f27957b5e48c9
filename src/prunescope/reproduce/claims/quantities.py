"""Numbers that claims need beyond entries of levels.parquet, each saying where in a run it comes from."""

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
    """Held-out accuracy at u = 0.97 %, a level fixed in advance, less that of the dense level.

    The best of several levels would gain from nothing but its choice, on whatever images it is measured.
    """
    sparse = mini.at(f"{name}, u = 0.97 %, held out", kind, "heldout_accuracy", SPARSE, "%")
    return difference(name, sparse, mini.at(f"{name}, dense, held out", kind, "heldout_accuracy", 1.0, "%"))


def described_gain(mini: Miniature, name: str, kind: str) -> MeasuredQuantity:
    """Held-out accuracy at the level that the other seeds choose, less that of the dense level.

    Its mean is unbiased. It describes and decides nothing: the seeds choose for one another.
    """
    chosen = mini.at_cross_fitted(f"{name}: held out", kind, "heldout_accuracy", "%")
    return difference(name, chosen, mini.at(f"{name}, dense, held out", kind, "heldout_accuracy", 1.0, "%"))


def log_density_of_best(mini: Miniature, kind: str, name: str) -> MeasuredQuantity:
    """log10 of the u at which validation accuracy is best: one of the grid of levels."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.best_level(seed)
        cell = None if level is None else runs.cell(seed, level, "nominal_density")
        return cell and Sample(math.log10(cell.value), cell.run, f"log10 of {cell.where}")

    return replace(mini.gather(name, kind, sample), half_step=mini[kind].half_step)


def ablated(mini: Miniature, name: str, order: str, u: float, share: float = REMOVED) -> MeasuredQuantity:
    """Validation accuracy with a share of the first layer's nodes removed in an order of fan-in."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        if level is None:
            return None
        seen = runs.runs[seed].observations(level)
        if f"ablation_{order}" not in seen:
            return None
        units = int(seen["ablation_removed"][-1])
        place = int(np.argmin(np.abs(seen["ablation_removed"] - share * units)))
        where = f"observations.safetensors, level {level}, ablation_{order}[{place}]"
        images = runs.images(seed, "final_val_accuracy", {})
        return Sample(float(seen[f"ablation_{order}"][place]), runs.path(seed), where, images)

    return mini.gather(name, "imp", sample, "%")


def mean_over_levels(
    mini: Miniature, name: str, kind: str, other: str, column: str, unit: str = ""
) -> MeasuredQuantity:
    """A column averaged over the levels that all runs of two experiments have."""
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

    return mini.gather(name, kind, sample, unit)


def layer_share(mini: Miniature, name: str, kind: str, layer: int, u: float) -> MeasuredQuantity:
    """The density of a layer's weights over the nominal one of all."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        cell = None if level is None else runs.cell(seed, level, "weight_density", layer)
        whole = None if level is None else runs.cell(seed, level, "nominal_density", layer)
        if cell is None or whole is None:
            return None
        return Sample(cell.value / whole.value, cell.run, f"{cell.where} / nominal_density")

    return mini.gather(name, kind, sample, "×")


def alive_share(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """The share of first-layer nodes that keep a connection."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        alive = None if level is None else runs.cell(seed, level, "units_alive")
        units = None if level is None else runs.cell(seed, level, "units")
        if alive is None or units is None:
            return None
        return Sample(alive.value / units.value, alive.run, f"{alive.where} / units")

    return mini.gather(name, kind, sample, "%")


def excess(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """locality - 1."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        cell = None if level is None else runs.cell(seed, level, "locality")
        return cell and Sample(cell.value - 1, cell.run, f"{cell.where} - 1")

    return mini.gather(name, kind, sample, "×")


def excess_of_imp(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """locality - 1 of IMP's run of the same seed at the density of ``kind``'s first layer, linear in its logarithm.

    Seeds whose first layer is denser or sparser than any of IMP's levels are left out.
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
    """The excess of locality over chance as a share of IMP's at the same density of the first layer."""
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


# A layer's measured density scatters by so much around its nominal one: the end of a curve still serves.
SLACK = 1.02


def fan_out_ratio(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """The variance of the pixels' fan-out over the binomial one, of the first layer's mask."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        if level is None:
            return None
        mask = runs.runs[seed].mask(level)
        where = f"masks.safetensors, level {level}, layer 1: variance of the fan-out / binomial"
        return Sample(variance_ratio(fan_out(mask), mask.n_out), runs.path(seed), where)

    return mini.gather(name, kind, sample, "×")


def cross_angle(mini: Miniature, name: str, kind: str, u: float) -> MeasuredQuantity:
    """The direction, in degrees counter-clockwise, along which pairs of a node's pixels prefer to lie."""

    def sample(runs: ExperimentRuns, seed: int) -> Sample | None:
        level = runs.level_at(seed, u)
        if level is None:
            return None
        run = runs.runs[seed]
        where = f"masks.safetensors, level {level}, layer 1: direction of S_sc"
        return Sample(direction(run.mask(level), run.shape), runs.path(seed), where)

    return mini.gather(name, kind, sample, "°")


def receptive_radius(mini: Miniature, name: str, kind: str, layer: int) -> MeasuredQuantity:
    """The mean radius of gyration, in pixels, of the inputs that reach a node of a layer, at the last level."""

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
    """Each hidden layer of a run and the density of its weights at the last level."""
    depths = [len(run.experiment.network.hidden) for run in mini[kind].runs.values()]
    for layer in range(1, min(depths, default=0) + 1):
        yield layer, mini.at_last(f"layer {layer} keeps", kind, "weight_density", "%", layer=layer)
