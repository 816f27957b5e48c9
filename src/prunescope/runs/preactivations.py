"""The preactivations of a run's first layer are measured by their excess kurtosis and its cavity effects."""

from __future__ import annotations

import numpy as np
import torch

from prunescope import observables
from prunescope.data import Dataset
from prunescope.mask import Mask
from prunescope.model import Arrays, FloatArray, Model
from prunescope.network.forward import EPSILON
from prunescope.observables.kurtosis import cavity_of, operands, random_keys
from prunescope.observables.null_masks import SHUFFLES, null_generators
from prunescope.observables.scattered import SPARSE_BELOW, scattered
from prunescope.observables.threads import in_order
from prunescope.runs.layer_inputs import DeviceInputs, LayerInputs, Shuffled, Weights

IMAGES = 2000
CAVITY_NODES = 24
NULL_BYTES = 1 << 29  # shuffled weights that may be in memory at once


def first_layer_inputs(model: Model, norm: str, dataset: Dataset, images: int = IMAGES) -> FloatArray:
    """Return what the first layer's weights multiply in an evaluation, γ ⊙ x̂, float32 [images, n0].

    Up to ``images`` validation images are used, evenly spaced because a file may be sorted by class. x̂ uses the
    moving averages; the constant β is left out, and pixels that never vary are 0. Without a norm before the map it
    is x.
    """
    pixels = dataset.validation.pixels
    chosen = np.linspace(0, len(pixels) - 1, min(images, len(pixels))).round().astype(np.int64)
    rows = np.asarray(pixels[chosen])
    inputs = rows.astype(np.float32)
    # This repeats network_inputs, whose last bits differ from those that runs have stored.
    if rows.dtype == np.uint8:
        inputs = (inputs - dataset.mean) / np.float32(255)
    if norm != "before":
        return inputs
    first = model.layers[0]
    spread = np.sqrt(first.variance + np.float32(EPSILON))
    return np.asarray((inputs - first.mean) * (first.gamma * dataset.live_pixels / spread), np.float32)


def kurtosis_observations(
    weights: FloatArray, mask: Mask, inputs: FloatArray, device: torch.device | None = None
) -> Arrays:
    """Measure the excess kurtosis of the first layer's preactivations, and the cavity effects in a sample of nodes.

    ``weights`` [n_out, n0] multiply ``inputs`` [images, n0], as first_layer_inputs returns them; the random positions
    of the null are a function of what the mask keeps. ``device``: where torch does the dense algebra; by default NumPy does.

    Returns ``kurtosis`` float32 [n_out], nan where a node's preactivation does not vary; ``kurtosis_null``
    [SHUFFLES], its mean over nodes with each node's weights at random positions; ``cavity_place`` int32 [M, 2], node
    and input of every kept weight of up to CAVITY_NODES nodes spread over the ranks of fan-in; ``cavity_effect``
    float32 [M]. Definitions: docs/science.md, "Kurtosis" and "Cavity".
    """
    ranked = observables.most_connected(mask, int(np.count_nonzero(mask.fan_in)))
    spread = np.linspace(0, len(ranked) - 1, min(CAVITY_NODES, len(ranked)))
    sampled = ranked[spread.round().astype(np.int64)]
    masked, inputs = operands(weights, mask, inputs)
    given = LayerInputs(inputs) if device is None else DeviceInputs(inputs, device)
    rngs = null_generators(mask, "null-kurtosis", SHUFFLES)
    kept = masked[mask.array] if mask.density < SPARSE_BELOW else None

    def moved(rng: np.random.Generator) -> Weights:
        if kept is not None:
            return scattered(kept, mask, rng)
        shuffled = Shuffled(masked, random_keys(masked.shape, rng))
        return shuffled if device is not None else shuffled.dense()

    shuffled = in_order(moved, rngs, NULL_BYTES // masked.nbytes)
    null = [_mean(given.kurtosis(rows)) for rows in shuffled]
    v = masked[sampled].astype(np.float64)
    effects = cavity_of(given.joint_moments(v), v, sampled, mask)
    return {
        "kurtosis": given.kurtosis(masked).astype(np.float32),
        "kurtosis_null": np.array(null),
        "cavity_place": np.stack([effects.node, effects.input], axis=1).astype(np.int32),
        "cavity_effect": effects.effect.astype(np.float32),
    }


def kurtosis_columns(observed: Arrays) -> dict[str, float | None]:
    """Return the kurtosis columns of levels.parquet: the mean over nodes, and the mean and sample sd of its null."""
    null = observed["kurtosis_null"]
    scalar = observables.Scalar.against(_mean(observed["kurtosis"]), null.tolist())
    values = {
        "kurtosis": scalar.value,
        "kurtosis_null": scalar.null_mean,
        "kurtosis_null_sd": scalar.null_sd,
    }
    return {name: float(value) if np.isfinite(value) else None for name, value in values.items()}


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if finite.size else float("nan")
