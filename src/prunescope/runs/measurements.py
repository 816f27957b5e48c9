"""Measurements at the end of a level fill the rows of levels.parquet and the arrays of observations.safetensors."""

from __future__ import annotations

import numpy as np
import torch

from prunescope import observables
from prunescope.data import Dataset
from prunescope.experiment import Experiment
from prunescope.model import Arrays
from prunescope.network.forward import batches, forward, network_inputs, torch_averages, torch_layers
from prunescope.observables.removal import remove_first_layer_nodes
from prunescope.randomness import generator
from prunescope.runs import columns
from prunescope.runs.columns import LayerEnd, LevelEnd, Value
from prunescope.runs.correct_images import right_at_best, right_at_end, share_right
from prunescope.runs.preactivations import first_layer_inputs, kurtosis_observations
from prunescope.training.engine import Engine
from prunescope.training.levels import Level, Setting
from prunescope.training.loop import Trained

ATLAS_NODES = 48
TOP_IMAGES = 3
SECOND_LAYER_NODES = 12
ABLATION_SHARES = (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 1)
ROWS = 2000


def level_rows(end: LevelEnd) -> list[dict[str, Value]]:
    """Return the rows of levels.parquet for one level, one per hidden layer (1 = first).

    ``heldout_accuracy`` is that of the parameters at the best validation step, on images that
    did not pick that step; null where there are none. Masks are those at the level's end.
    Locality and its companions are measured on the first layer, whose inputs have a geometry; null
    elsewhere and where not defined.
    """
    shape = end.dataset.shape if end.dataset.geometry != "none" else None
    return [
        columns.row(
            LayerEnd(**vars(end), index=index, measured=observables.measure(mask, None if index else shape))
        )
        for index, mask in enumerate(end.ticket.masks)
    ]


def level_observations(level: Level, trained: Trained, setting: Setting, engine: Engine) -> Arrays:
    """Measure the arrays that Run.observations lists: top images, ablation, kurtosis, correct images.

    The engine must hold the masks at the level's end; afterwards it holds those of the best step.
    """
    experiment, dataset, seed = setting.experiment, setting.dataset, setting.seed
    assert dataset is not None
    mask = trained.ticket.masks[0]
    nodes = observables.most_connected(mask, min(ATLAS_NODES, mask.n_out))
    indices, values = _top_images(experiment, trained, dataset, nodes)
    removed = np.unique((np.array(ABLATION_SHARES) * mask.n_out).astype(np.int64))
    arrays: Arrays = {
        "nodes": nodes,
        "top_images": _pictures(dataset, indices),
        "top_activations": values.astype(np.float32),
        "ablation_removed": removed,
    }
    at_end = right_at_end(engine, trained, dataset)
    known = {0: share_right(at_end["validation_right_end"], len(dataset.validation))}
    for order in ("decreasing", "increasing", "random"):
        ranked = observables.ablation_order(mask.fan_in, order, generator(seed, "ablation", level.number))
        for count in removed:
            if 0 < count < mask.n_out or count not in known:
                ablated = remove_first_layer_nodes(trained.model, ranked[:count])
                known[int(count)] = engine.evaluate(dataset.validation, ablated).accuracy
        arrays[f"ablation_{order}"] = np.array([known[int(count)] for count in removed])
    arrays |= at_end | right_at_best(engine, trained, dataset, at_end)
    arrays |= _second_layer(experiment, trained, dataset)
    inputs = first_layer_inputs(trained.model, experiment.network.norm, dataset)
    weights = trained.model.layers[0].weight
    return arrays | kurtosis_observations(weights, mask, inputs)


def _second_layer(experiment: Experiment, trained: Trained, dataset: Dataset) -> Arrays:
    """Find the top images of the second-layer nodes that most pixels reach (Fig. 15); {} with one hidden layer."""
    masks = trained.ticket.masks
    if len(masks) < 2:
        return {}
    nodes = observables.most_connected(observables.effective_masks(masks[:2])[1], SECOND_LAYER_NODES)
    indices, _ = _top_images(experiment, trained, dataset, nodes, layer=2)
    return {"layer2_nodes": nodes, "layer2_top_images": _pictures(dataset, indices)}


@torch.no_grad()
def _top_images(
    experiment: Experiment, trained: Trained, dataset: Dataset, nodes: np.ndarray, layer: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Find the validation images that activate each of ``nodes`` of a layer most: indices and activations [K, 3]."""
    device = torch.device(experiment.run.device)
    layers = torch_layers(trained.model, trained.ticket, dataset.live_pixels, device)
    averages = torch_averages(trained.model, device)
    mean = torch.tensor(dataset.mean, device=device)
    top = observables.TopImages(len(nodes), TOP_IMAGES)
    for start, rows in batches(dataset.validation.pixels, ROWS):
        inputs = network_inputs(rows.to(device), mean)
        active, _ = forward(layers, inputs, experiment.network.norm, averages, depth=layer)
        top.update(active[:, torch.from_numpy(nodes)].cpu().numpy(), start)
    return top.result()


def _pictures(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """Return the validation images of ``indices`` [K, 3] as bytes [K, 3, n0]."""
    pixels = np.asarray(dataset.validation.pixels[indices.ravel()])
    return _as_bytes(pixels.reshape(*indices.shape, -1))


def _as_bytes(pictures: np.ndarray) -> np.ndarray:
    """Return pictures as uint8; each picture of floats (streams) is scaled from its own minimum to its maximum."""
    if pictures.dtype == np.uint8:
        return pictures
    low, high = pictures.min(-1, keepdims=True), pictures.max(-1, keepdims=True)
    return np.round((pictures - low) / np.maximum(high - low, 1e-12) * 255).astype(np.uint8)
