"""Collect what the page shows of a network's layers, as JSON values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.layers import ObservedLayer, ObservedNetwork
from prunescope.layers.histograms import count_histogram
from prunescope.observables.downscaling import block_means
from prunescope.observables.layer_densities import compare_densities
from prunescope.report import encoding
from prunescope.report.encoding import number, numbers
from prunescope.report.observed.kind_pictures import kind_pictures
from prunescope.report.observed.wording import words_of
from prunescope.tensors import shown

# Pictures of a mask have at most 256 rows and columns; of many layers fewer, so that the page stays portable.
MANY_LAYERS, SMALL_SIDE = 48, 128


def network_data(observed: ObservedNetwork) -> dict[str, Any]:
    """Return everything the page shows of a network: its layers in order, the words of its quantities, densities."""
    densities = compare_densities(
        [layer.form.shape for layer in observed], [layer.kept for layer in observed]
    )
    small = len(observed) > MANY_LAYERS
    farthest: dict[str, float] = {}
    for layer in observed:
        for name, scalar in layer.scalars.items():
            z = abs(scalar.z) if math.isfinite(scalar.z) else -1.0
            farthest[name] = max(farthest.get(name, -1.0), z)
    names = sorted(farthest, key=lambda name: -farthest[name])
    return {
        "overall": number(densities.overall),
        "erk_distance": densities.erk_distance,
        "quantities": [name for name in names if farthest[name] >= 0],
        "words": {name: words_of(name) for name in names},
        "kind_words": {
            kind: {name: own for name in names if (own := words_of(name, kind)) != words_of(name)}
            for kind in {layer.form.kind for layer in observed}
        },
        "layers": [
            layer_data(layer, erk, small=small) for layer, erk in zip(observed, densities.erk, strict=True)
        ],
    }


def layer_data(layer: ObservedLayer, erk: float, *, small: bool) -> dict[str, Any]:
    """Return everything the page shows of a layer; ``erk``: its Erdős–Rényi density; ``small``: with a small picture."""
    arrays, shape = layer.arrays, layer.form.shape
    units, inputs = shape[0], math.prod(shape[1:])
    return {
        "name": shown(layer.name),
        "kind": layer.form.kind,
        "shape": list(shape),
        "kept": layer.kept,
        "density": number(layer.density),
        "erk": number(erk),
        "patterns": list(layer.patterns),
        "scalars": {
            name: [number(one.value), number(one.null_mean), number(one.null_sd), number(one.z), one.shuffles]
            for name, one in layer.scalars.items()
            if math.isfinite(one.value)
        },
        "undefined": [name for name, one in layer.scalars.items() if not math.isfinite(one.value)],
        "fan_in": _histogram(arrays["fan_in"], inputs) if "fan_in" in arrays else None,
        "fan_out": _histogram(arrays["fan_out"], units) if "fan_out" in arrays else None,
        "picture": _picture(arrays, small=small) if "picture" in arrays else None,
        "units": _units(layer),
        "pictures": kind_pictures(layer),
    }


def _histogram(counts: NDArray[np.int64], places: int) -> dict[str, Any]:
    found = count_histogram(counts, places)
    return {
        "start": found.start,
        "width": found.width,
        "lines": [int(lines) for lines in found.lines],
        "expected": numbers(found.expected, 3),
        "mean": number(found.mean, 4),
    }


def _picture(arrays: Any, *, small: bool) -> dict[str, Any]:
    """Return the picture of a mask, in bits where each of its pixels is one weight."""
    picture, white = arrays["picture"], float(arrays["picture_white"][0])
    if small and max(picture.shape) > SMALL_SIDE:
        picture, factor = _halved(picture)
        white *= factor
    exact = bool(np.isin(picture, (0, 255)).all())
    return {
        "rows": picture.shape[0],
        "columns": picture.shape[1],
        "white": number(white, 4),
        "bits": exact,
        "data": encoding.bits(picture > 0) if exact else encoding.octets(picture),
    }


def _halved(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Return a picture with the means of two rows and columns each, scaled to 255 again, and the factor of its white."""
    rows, columns = (size if size <= SMALL_SIDE else -(-size // 2) for size in picture.shape)
    means = block_means(picture, rows, columns)
    top = float(means.max()) or 1.0
    return np.rint(means * (255 / top)).astype(np.uint8), top / 255


def _units(layer: ObservedLayer) -> dict[str, Any] | None:
    """Return the masks of the most connected units as images, and S_sc(d); None where inputs are no pixels."""
    masks = layer.arrays.get("unit_masks")
    if masks is None or masks.shape[1] not in (1, 3):
        return None
    numbers_of = layer.arrays["units"]
    same = layer.arrays.get("same_pairs")
    return {
        "shape": list(masks.shape[1:]),
        "numbers": numbers_of.tolist(),
        "fan_in": layer.arrays["fan_in"][numbers_of].tolist(),
        "masks": encoding.bits(masks),
        "same": encoding.counts(same) if same is not None else None,
    }
