"""The masks of layers, from named masks and what is known of the layers around them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from prunescope.layers.kinds import LayerForm, LayerHints, LayerMask, Say, form_of
from prunescope.mask import Mask
from prunescope.tensors import NamedMask


def as_layer(
    named: NamedMask, hints: LayerHints | None = None, say: Say | None = None, *, takes_images: bool = False
) -> LayerMask:
    """Return a named mask as that of a layer.

    ``takes_images``: whether it may be the one that takes the network's images or patches: a linear layer is taken for it
    if it has as many inputs as these have numbers. In what is returned, channels are first among the inputs.
    """
    hints = hints or LayerHints()
    form = form_of(named, hints, say)
    flat = named.array.reshape(form.shape[0], -1)
    if takes_images and form.kind == "linear" and named.facts.get("kind") != "bilinear":
        form = _on_images(form, hints)
    if len(form.shape) == 2 and form.kind in ("linear", "patches") and form.inputs and hints.pixels == "hwc":
        channels, height, width = form.inputs
        pixels = flat.reshape(-1, height, width, channels)
        flat = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(flat.shape)
    return LayerMask(named.name, Mask.owning(flat), form, named.origin)


def _on_images(form: LayerForm, hints: LayerHints) -> LayerForm:
    """Return the form of a linear layer with images or patches as inputs, where it has as many inputs."""
    n_in, images = form.shape[1], hints.images
    if images is not None and n_in == math.prod(images):
        return replace(form, inputs=images)
    if hints.patch is not None:
        for channels in [images[0]] if images else [3, 1, 4]:
            if channels * hints.patch**2 == n_in:
                return replace(form, kind="patches", inputs=(channels, hints.patch, hints.patch))
    return form


def as_first(named: NamedMask) -> NamedMask:
    """Return the mask of a network's first layer: if it takes one channel, that is a grey image, and not one of many."""
    if named.array.ndim > 2 and named.array.shape[1] == 1 and "groups" not in named.facts:
        return replace(named, facts={**named.facts, "groups": 1})
    return named
