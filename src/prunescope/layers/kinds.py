"""The kinds of layers, and which of them a mask belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.mask import ImageShape, Mask
from prunescope.model import FloatArray
from prunescope.tensors import NamedMask


@dataclass(frozen=True)
class LayerForm:
    """What a layer is, as far as names, shapes and its source say.

    ``kind``: "linear", "convolution", … ``shape``: of the weights, [n_out, n_in, *kernel].
    ``inputs``: (C, H, W) where the inputs of a linear layer are the pixels of an image.
    """

    kind: str
    shape: tuple[int, ...]
    inputs: ImageShape | None = None


@dataclass(frozen=True, eq=False)
class LayerMask:
    """A layer's mask [n_out, n_in · kernel], its name, where the mask comes from, and what the layer is.

    ``weights``: those of the layer [n_out, n_in · kernel], where they are known.
    """

    name: str
    mask: Mask
    form: LayerForm
    origin: str = "mask"
    weights: FloatArray | None = None


def form_of(named: NamedMask) -> LayerForm:
    """Return what a layer is."""
    shape = named.array.shape
    return LayerForm("linear" if len(shape) == 2 else "convolution", shape)


def as_layer(named: NamedMask, inputs: ImageShape | None = None) -> LayerMask:
    """Return a named mask as that of a layer.

    ``inputs``: (C, H, W) of the network's images, taken for the inputs of a linear layer that has C·H·W of them.
    """
    form = form_of(named)
    mask = Mask.owning(named.array.reshape(len(named.array), -1))
    if form.kind == "linear" and inputs is not None and mask.n_in == inputs[0] * inputs[1] * inputs[2]:
        form = LayerForm(form.kind, form.shape, inputs)
    return LayerMask(named.name, mask, form, named.origin)
