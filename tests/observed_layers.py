"""Layers with a few of their scalars, which pages and figures draw."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from prunescope.layers import LayerForm, LayerMask, ObservedLayer
from prunescope.layers.pictures import drawn_arrays
from prunescope.mask import ImageShape, Mask
from prunescope.observables.measure import Scalar, measure


def observed_layer(name: str, array: np.ndarray, inputs: ImageShape | None = None) -> ObservedLayer:
    """A linear layer with the scalars of ``measure`` alone, which takes a millisecond."""
    layer = LayerMask(name, Mask(array), LayerForm("linear", array.shape, inputs))
    measured = measure(layer.mask, inputs)
    scalars = {
        field.name: one
        for field in fields(measured)
        if isinstance(one := getattr(measured, field.name), Scalar)
    }
    defined = {field: one for field, one in scalars.items() if np.isfinite(one.value)}
    return ObservedLayer(name, layer.form, "mask", layer.mask.kept, defined, drawn_arrays(layer))
