"""What a run observes at the end of a level, with its data at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars
import torch

from prunescope import observe
from prunescope.data import Dataset
from prunescope.experiment import Experiment
from prunescope.levels import Level
from prunescope.model import Arrays, Ticket
from prunescope.network import batches, forward, network_inputs, torch_averages, torch_layers
from prunescope.observe.removal import remove_first_layer_nodes
from prunescope.observing_activations import kurtosis_columns, kurtosis_observations
from prunescope.randomness import generator
from prunescope.training.engine import Engine
from prunescope.training.loop import Trained

ATLAS_NODES = 48
TOP_IMAGES = 3
SECOND_LAYER_NODES = 12
ABLATION_SHARES = (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 1)
ROWS = 2000

SCHEMA: dict[str, Any] = {
    "level": polars.Int64,
    "layer": polars.Int64,
    "nominal_density": polars.Float64,
    "density": polars.Float64,
    "weight_density": polars.Float64,
    "units": polars.Int64,
    "units_alive": polars.Int64,
    "fan_in_mean": polars.Float64,
    "fan_in_max": polars.Int64,
    "fan_in_var_ratio": polars.Float64,
    "locality": polars.Float64,
    "locality_null": polars.Float64,
    "locality_null_sd": polars.Float64,
    "locality_z": polars.Float64,
    "half_width": polars.Float64,
    "half_width_null": polars.Float64,
    "anisotropy": polars.Float64,
    "anisotropy_null": polars.Float64,
    "anisotropy_null_sd": polars.Float64,
    "radius_of_gyration": polars.Float64,
    "radius_of_gyration_null": polars.Float64,
    "kurtosis": polars.Float64,
    "kurtosis_null": polars.Float64,
    "kurtosis_null_sd": polars.Float64,
    "best_val_accuracy": polars.Float64,
    "best_step": polars.Int64,
    "final_val_accuracy": polars.Float64,
    "final_val_top5": polars.Float64,
    "heldout_accuracy": polars.Float64,
    "heldout_images": polars.Int64,
    "train_loss": polars.Float64,
    "seconds": polars.Float64,
    "steps": polars.Int64,
    "engine": polars.String,
}


def level_rows(
    level: Level,
    trained: Trained,
    dataset: Dataset,
    engine: Engine,
    seed: int,
    seconds: float,
    observed: Arrays,
) -> list[dict[str, Any]]:
    """The rows of levels.parquet for one level, one a hidden layer (1 = first).

    ``heldout_accuracy`` is that of the parameters at the best validation step, on images that
    did not pick that step; null where there are none. Masks are those at the level's end, which the
    engine must hold; where they have moved since the best step, it is left with those of that step.
    Locality and its companions are measured on the first layer, whose inputs have a geometry; null
    elsewhere and where not defined. ``observed`` is what level_observations returned.
    """
    if trained.best_ticket != trained.ticket:  # masks have moved since: the level is over, and can be left
        engine.start(trained.best_model, trained.best_ticket)
    heldout = engine.evaluate(dataset.heldout, trained.best_model)
    whole = {
        "level": level.number,
        "nominal_density": _overall(trained.ticket)
        if level.nominal_density is None
        else level.nominal_density,
        "best_val_accuracy": trained.best,
        "best_step": trained.best_step,
        "final_val_accuracy": trained.last.val.accuracy,
        "final_val_top5": trained.last.val.correct5 / trained.last.val.images,
        "heldout_accuracy": heldout.accuracy if heldout.images else None,
        "heldout_images": heldout.images,
        "train_loss": trained.last.train_loss,
        "seconds": seconds,
        "steps": trained.last.step,
        "engine": engine.name,
    }
    rows = [
        whole | _layer_row(trained.ticket, index, dataset, seed) for index in range(len(trained.ticket.masks))
    ]
    return [rows[0] | kurtosis_columns(observed), *rows[1:]]


def _overall(ticket: Ticket) -> float:
    """Kept share of all hidden weights."""
    return sum(mask.kept for mask in ticket.masks) / sum(mask.array.size for mask in ticket.masks)


def _layer_row(ticket: Ticket, index: int, dataset: Dataset, seed: int) -> dict[str, Any]:
    mask = ticket.masks[index]
    measured = observe.measure(
        mask, dataset.shape if index == 0 and dataset.geometry != "none" else None, seed=seed
    )

    def defined(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    row: dict[str, Any] = {
        "layer": index + 1,
        "density": ticket.density(index),
        "weight_density": mask.density,
        "units": mask.n_out,
        "units_alive": ticket.units_alive[index],
        "fan_in_mean": float(mask.fan_in.mean()),
        "fan_in_max": int(mask.fan_in.max()),
        "fan_in_var_ratio": defined(measured.fan_in_variance_ratio.value),
    }
    for name in ("locality", "half_width", "anisotropy", "radius_of_gyration"):
        scalar = getattr(measured, name)
        row |= {
            name: defined(scalar.value),
            f"{name}_null": defined(scalar.null_mean),
            f"{name}_null_sd": defined(scalar.null_sd),
            f"{name}_z": defined(scalar.z),
        }
    return {key: value for key, value in row.items() if key in SCHEMA}


def level_observations(
    experiment: Experiment, level: Level, trained: Trained, dataset: Dataset, engine: Engine, seed: int
) -> Arrays:
    """Top images and ablation curves (store.Run.observations names them), and what kurtosis_observations adds."""
    mask = trained.ticket.masks[0]
    nodes = observe.most_connected(mask, min(ATLAS_NODES, mask.n_out))
    indices, values = _top_images(experiment, trained, dataset, nodes)
    removed = np.unique((np.array(ABLATION_SHARES) * mask.n_out).astype(np.int64))
    arrays: Arrays = {
        "nodes": nodes,
        "top_images": _pictures(dataset, indices),
        "top_activations": values.astype(np.float32),
        "ablation_removed": removed,
    }
    known: dict[int, float] = {}
    for order in ("decreasing", "increasing", "random"):
        ranked = observe.ablation_order(mask.fan_in, order, generator(seed, "ablation", level.number))
        for count in removed:
            if 0 < count < mask.n_out or count not in known:
                ablated = remove_first_layer_nodes(trained.model, ranked[:count])
                known[int(count)] = engine.evaluate(dataset.validation, ablated).accuracy
        arrays[f"ablation_{order}"] = np.array([known[int(count)] for count in removed])
    arrays |= _second_layer(experiment, trained, dataset)
    return arrays | kurtosis_observations(
        trained.model, mask, experiment.network.norm, dataset, seed, level.number
    )


def _second_layer(experiment: Experiment, trained: Trained, dataset: Dataset) -> Arrays:
    """Top images of the second-layer nodes that most pixels reach (Fig. 15); nothing of a single hidden layer."""
    masks = trained.ticket.masks
    if len(masks) < 2:
        return {}
    nodes = observe.most_connected(observe.effective_masks(masks[:2])[1], SECOND_LAYER_NODES)
    indices, _ = _top_images(experiment, trained, dataset, nodes, layer=2)
    return {"layer2_nodes": nodes, "layer2_top_images": _pictures(dataset, indices)}


@torch.no_grad()
def _top_images(
    experiment: Experiment, trained: Trained, dataset: Dataset, nodes: np.ndarray, layer: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Validation images that activate each of ``nodes`` of a layer most: indices and activations [K, 3]."""
    device = torch.device(experiment.run.device)
    layers = torch_layers(trained.model, trained.ticket, dataset.live_pixels, device)
    averages = torch_averages(trained.model, device)
    mean = torch.tensor(dataset.mean, device=device)
    top = observe.TopImages(len(nodes), TOP_IMAGES)
    for start, rows in batches(dataset.validation.pixels, ROWS):
        inputs = network_inputs(rows.to(device), mean)
        active, _ = forward(layers, inputs, experiment.network.norm, averages, depth=layer)
        top.update(active[:, torch.from_numpy(nodes)].cpu().numpy(), start)
    return top.result()


def _pictures(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """Validation images [K, 3, n0] as bytes."""
    pixels = np.asarray(dataset.validation.pixels[indices.ravel()])
    return _as_bytes(pixels.reshape(*indices.shape, -1))


def _as_bytes(pictures: np.ndarray) -> np.ndarray:
    """Pictures as uint8; floats (streams) are scaled from their own minimum to maximum, each picture alone."""
    if pictures.dtype == np.uint8:
        return pictures
    low, high = pictures.min(-1, keepdims=True), pictures.max(-1, keepdims=True)
    return np.round((pictures - low) / np.maximum(high - low, 1e-12) * 255).astype(np.uint8)
