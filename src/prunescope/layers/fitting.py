"""Which scalars fit which kind of layer, and what figures draw of that kind."""

from __future__ import annotations

import math
from collections.abc import Callable

from prunescope.layers.attention import attention_fit
from prunescope.layers.convolution import convolution_fit
from prunescope.layers.embedding import embedding_fit
from prunescope.layers.fitted import Arrays
from prunescope.layers.kinds import LayerMask
from prunescope.layers.recurrent import recurrent_fit
from prunescope.layers.spatial import measured_scalars, output_scalars
from prunescope.layers.unstructured import unstructured_scalars
from prunescope.observables.measure import Scalar

Fit = Callable[[LayerMask], tuple[dict[str, Scalar], Arrays]]
OF_KIND: dict[str, Fit] = {
    "attention": attention_fit,
    "embedding": embedding_fit,
    "recurrent": recurrent_fit,
}


def fitting(layer: LayerMask) -> tuple[dict[str, Scalar], Arrays]:
    """Return the scalars that fit a layer, with their nulls, and what figures draw of its kind, each by name."""
    fit = convolution_fit if len(layer.form.shape) > 2 else OF_KIND.get(layer.form.kind)
    scalars, arrays = fit(layer) if fit else ({}, {})
    known = measured_scalars(layer) | output_scalars(layer) | scalars
    found = unstructured_scalars(layer.mask, math.prod(layer.form.shape[2:]))
    plain = {name: one for name, one in found.items() if math.isfinite(one.value)}
    return known | {name: one for name, one in plain.items() if name not in known}, arrays
