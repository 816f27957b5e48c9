"""What is measured of layers whose inputs or outputs lie in an image, in a patch or on a grid of tokens."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from prunescope.layers.kinds import LayerMask
from prunescope.mask import ImageShape, Mask
from prunescope.observables.measure import Scalar, measure

# What only inputs with geometry have, and what only layers with known weights have.
SPATIAL = ("locality", "half_width", "anisotropy", "radius_of_gyration")
OF_WEIGHTS = ("scaled_participation",)
# In kernels without a side longer than this all pairs are near, so that locality says nothing.
LONGEST_NEAR = 3


def measured_scalars(layer: LayerMask) -> dict[str, Scalar]:
    """Return the scalars of ``measure`` that fit a layer, by name; those of positions where its inputs have some."""
    inputs = unit_inputs(layer)
    measured = measure(layer.mask, inputs, weights=layer.weights)
    unfit = (() if inputs else SPATIAL) + (OF_WEIGHTS if layer.weights is None else ())
    found = {field.name: getattr(measured, field.name) for field in fields(measured)}
    return {name: one for name, one in found.items() if isinstance(one, Scalar) and name not in unfit}


def output_scalars(layer: LayerMask) -> dict[str, Scalar]:
    """Return the scalars of positions of a layer whose outputs have some: those of the transposed mask."""
    if layer.form.outputs is None:
        return {}
    turned = Mask.owning(np.ascontiguousarray(layer.mask.array.T))
    measured = measure(turned, layer.form.outputs)
    return {f"output_{name}": getattr(measured, name) for name in SPATIAL}


def unit_inputs(layer: LayerMask) -> ImageShape | None:
    """Return (C, H, W) of a unit's inputs, of a convolution those of its kernel where that is long enough."""
    shape = layer.form.shape
    if layer.form.inputs is None and len(shape) == 4 and max(shape[2:]) > LONGEST_NEAR:
        return shape[1], shape[2], shape[3]
    return layer.form.inputs
