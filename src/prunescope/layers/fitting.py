"""Which scalars fit which kind of layer."""

from __future__ import annotations

from dataclasses import fields

from prunescope.layers.kinds import LayerMask
from prunescope.observables.measure import Scalar, measure

# What only inputs with geometry have, and what only layers with known weights have.
SPATIAL = ("locality", "half_width", "anisotropy", "radius_of_gyration")
OF_WEIGHTS = ("scaled_participation",)


def fitting_scalars(layer: LayerMask) -> dict[str, Scalar]:
    """Return the scalars that fit a layer, with their nulls, by name."""
    measured = measure(layer.mask, layer.form.inputs, weights=layer.weights)
    unfit = (() if layer.form.inputs else SPATIAL) + (OF_WEIGHTS if layer.weights is None else ())
    found = {field.name: getattr(measured, field.name) for field in fields(measured)}
    return {name: one for name, one in found.items() if isinstance(one, Scalar) and name not in unfit}
