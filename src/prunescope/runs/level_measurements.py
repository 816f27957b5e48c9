"""Measurements at the end of a level fill the rows of levels.parquet and the arrays of observations.safetensors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from prunescope import observables
from prunescope.data import Dataset
from prunescope.errors import first_line
from prunescope.experiment import Experiment
from prunescope.model import Arrays
from prunescope.network.precision import matrix_units
from prunescope.observables.removal import remove_first_layer_nodes
from prunescope.observables.threads import using_threads
from prunescope.randomness import generator
from prunescope.runs import columns
from prunescope.runs.columns import LayerEnd, LevelEnd, Value
from prunescope.runs.correct_images import right_at_best, right_at_end, share_right
from prunescope.runs.level_network import ComputePlace, LevelNetwork
from prunescope.runs.piece_times import piece
from prunescope.runs.preactivations import first_layer_inputs, kurtosis_observations
from prunescope.training.engine import Engine
from prunescope.training.levels import Level, Setting
from prunescope.training.loop import Trained
from prunescope.training.torch.device import fault

ATLAS_NODES = 48
TOP_IMAGES = 3
SECOND_LAYER_NODES = 12
ABLATION_SHARES = (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 1)
ROWS = 2000  # images at once on a CPU
DEVICE_ROWS, FEW_ROWS = 10_000, 1000  # on a device, and on one whose memory is full
log = logging.getLogger(__name__)


def level_rows(end: LevelEnd) -> list[dict[str, Value]]:
    """Return the rows of levels.parquet for one level, one per hidden layer (1 = first).

    ``heldout_accuracy`` is that of the parameters at the best validation step, on images that
    did not pick that step; null where there are none. Masks are those at the level's end.
    Locality and its companions are measured on the first layer, whose inputs have a geometry; null
    elsewhere and where not defined.
    """
    shape = end.dataset.shape if end.dataset.geometry != "none" else None
    with piece("columns"), using_threads(torch.get_num_threads()):
        return [
            columns.row(
                LayerEnd(
                    **vars(end), index=index, measured=observables.measure(mask, None if index else shape)
                )
            )
            for index, mask in enumerate(end.ticket.masks)
        ]


def level_observations(level: Level, trained: Trained, setting: Setting, engine: Engine) -> Arrays:
    """Measure the arrays that Run.observations lists: top images, ablation, kurtosis, correct images.

    The engine must hold the masks at the level's end; afterwards it holds those of the best step.
    """
    dataset = setting.dataset
    assert dataset is not None
    with piece("right at the end"):
        at_end = right_at_end(engine, trained, dataset)
    alone = share_right(at_end["validation_right_end"], len(dataset.validation))
    measured = _Measured(level, trained, setting.experiment, dataset, setting.seed, engine, alone)
    with using_threads(torch.get_num_threads()), matrix_units(False):
        arrays = _where_it_fits(measured.device, measured.arrays)
    with piece("right at the best step"):
        return arrays | at_end | right_at_best(engine, trained, dataset, at_end)


def _where_it_fits(device: torch.device, measure: Callable[[ComputePlace], Arrays]) -> Arrays:
    """Measure on the device, in smaller pieces where its memory is full, and on the CPU where that is not enough."""
    here = ComputePlace(torch.device("cpu"), ROWS)
    if device.type == "cpu":
        return measure(here)
    for rows, otherwise in ((DEVICE_ROWS, "with fewer images at once"), (FEW_ROWS, "on the CPU")):
        try:
            return measure(ComputePlace(device, rows, remote=True))
        except RuntimeError as error:
            if fault(error) != "memory":
                raise
            log.warning("the end of the level is measured again, %s: %s", otherwise, first_line(error))
        torch.cuda.empty_cache()
    return measure(here)


@dataclass(frozen=True, eq=False)
class _Measured:
    """A level of which activations are measured; ``alone`` is the validation accuracy of its whole network."""

    level: Level
    trained: Trained
    experiment: Experiment
    dataset: Dataset
    seed: int
    engine: Engine
    alone: float

    @property
    def device(self) -> torch.device:
        return torch.device(self.experiment.run.device)

    def arrays(self, place: ComputePlace) -> Arrays:
        """Return everything that needs activations or preactivations, computed at a place."""
        if not place.remote:
            return self._activations(place) | self._kurtosis(place)
        # The host shuffles weights for the kurtosis while the device evaluates images for the rest.
        with ThreadPoolExecutor(1) as beside:
            kurtosis = beside.submit(copy_context().run, self._kurtosis, place)
            return self._activations(place) | kurtosis.result()

    def _activations(self, place: ComputePlace) -> Arrays:
        """Measure what needs activations: top images of two layers, and the ablation."""
        with piece("network to the device"):
            network = LevelNetwork.of(
                self.trained, self.dataset, self.experiment, place, self.engine.resident
            )
        with piece("top images"):
            arrays = self._top_images(network)
        with piece("ablation"):
            return arrays | self._ablation(network)

    def _kurtosis(self, place: ComputePlace) -> Arrays:
        """Measure the preactivations of the first layer."""
        mask, model = self.trained.ticket.masks[0], self.trained.model
        with piece("kurtosis"):
            inputs = first_layer_inputs(model, self.experiment.network.norm, self.dataset)
            return kurtosis_observations(
                model.layers[0].weight, mask, inputs, place.device if place.remote else None
            )

    def _top_images(self, network: LevelNetwork) -> Arrays:
        """Find the top images of the most connected nodes, and of those of the second layer that most pixels reach.

        Figs. 3b and 15; networks of one hidden layer have the first alone.
        """
        masks = self.trained.ticket.masks
        nodes = [observables.most_connected(masks[0], min(ATLAS_NODES, masks[0].n_out))]
        if len(masks) > 1:
            reached = observables.effective_masks(masks[:2])[1]
            nodes.append(observables.most_connected(reached, SECOND_LAYER_NODES))
        (first, values), *second = network.top_images(self.dataset.validation.pixels, nodes, TOP_IMAGES)
        arrays = {
            "nodes": nodes[0],
            "top_images": _pictures(self.dataset, first),
            "top_activations": values.astype(np.float32),
        }
        for indices, _ in second:
            arrays |= {"layer2_nodes": nodes[1], "layer2_top_images": _pictures(self.dataset, indices)}
        return arrays

    def _ablation(self, network: LevelNetwork) -> Arrays:
        """Measure the validation accuracy without the first nodes of each order (Fig. 1c)."""
        mask = self.trained.ticket.masks[0]
        counts = np.unique((np.array(ABLATION_SHARES) * mask.n_out).astype(np.int64)).tolist()
        orders = {
            order: observables.ablation_order(
                mask.fan_in, order, generator(self.seed, "ablation", self.level.number)
            )
            for order in ("decreasing", "increasing", "random")
        }
        # Nodes without weights make no difference, and without all others the order makes none.
        alive = mask.fan_in > 0
        without = {
            (order, count): tuple(np.sort(nodes[:count][alive[nodes[:count]]]).tolist())
            for order, nodes in orders.items()
            for count in counts
        }
        sets = [nodes for nodes in dict.fromkeys(without.values()) if nodes]
        accuracies = self._accuracies(network, [np.array(nodes, np.int64) for nodes in sets])
        found = {(): self.alone} | dict(zip(sets, accuracies, strict=True))
        curves = {
            f"ablation_{order}": np.array([found[without[order, count]] for count in counts])
            for order in orders
        }
        return {"ablation_removed": np.array(counts), **curves}

    def _accuracies(self, network: LevelNetwork, removals: list[NDArray[np.int64]]) -> list[float]:
        images, model = self.dataset.validation, self.trained.model
        if self.device.type != "cpu":
            return network.accuracies_without(images, removals)
        # On a CPU an engine may be faster than torch, and earlier runs stored what the engine found.
        without = (remove_first_layer_nodes(model, nodes) for nodes in removals)
        return [score.accuracy for score in self.engine.evaluate_each(images, without)]


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
