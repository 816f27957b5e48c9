"""Names and shapes as JAX and TensorFlow give them to parameters and masks: flax, jaxpruner, RigL.

Kernels are [*kernel, n_in, n_out] there. A mask has the name of its weight under a word "masks" or "mask", or is called
"mask" beside its weight. jaxpruner may pack masks, eight weights a byte, the first weight the highest bit.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from prunescope.mask import LARGE_BYTES
from prunescope.memory import check_memory
from prunescope.tensors.named_tensor import Fact, NamedTensor, Rows, array_rows, check_axes
from prunescope.tensors.printable import shown

Words = tuple[str, ...]
Shapes = Mapping[Words, tuple[int, ...]]

PARAMETERS = "params"
MASKS = frozenset({"masks", "mask"})
# The names of weights of which the inputs come before the outputs; the second only where slashes say TensorFlow.
KERNEL, WEIGHTS = "kernel", "weights"
# The layers of flax's attention with kernels [n_in, heads, size of a head], and the one with [heads, size, n_out].
PROJECTIONS = ("query", "key", "value")
OUTPUT = "out"


def in_layouts_of_jax(tensors: Sequence[NamedTensor]) -> list[NamedTensor]:
    """Return the tensors with what names of JAX and TensorFlow say: which are masks, the order of axes, attention heads.

    Where there are parameters under "params", what is neither there nor a mask is left out: the state of an optimiser
    has the shapes, and often the zeros, of weights.
    """
    words = [tuple(re.split("[./]", tensor.name)) for tensor in tensors]
    shapes = _shapes(zip(words, tensors, strict=True))
    has_parameters = any(PARAMETERS in own for own in words)
    layers = [_masked_layer(tensor, own, shapes) for tensor, own in zip(tensors, words, strict=True)]
    # State dicts of torch with masks beside them are read by mask_names.
    layers = [one if one and (has_parameters or one[-1] in (KERNEL, WEIGHTS)) else None for one in layers]
    again = Counter(layer for layer in layers if layer is not None)
    kept = []
    for tensor, own, layer in zip(tensors, words, layers, strict=True):
        if layer is not None:
            tensor = _as_mask(tensor, layer, shapes, keep_name=again[layer] > 1)
            kept.append(_with_order(tensor, layer, shapes))
        elif PARAMETERS in own or not has_parameters:
            kept.append(_with_order(tensor, own, shapes))
    return kept


def _shapes(named: Iterable[tuple[Words, NamedTensor]]) -> Shapes:
    """Return the shapes of all tensors by the ends of their names, those of parameters where several have one end."""
    shapes: dict[Words, tuple[int, ...]] = {}
    for own, tensor in sorted(named, key=lambda entry: PARAMETERS not in entry[0]):
        if not MASKS.intersection(own):
            for start in range(len(own)):
                shapes.setdefault(own[start:], tensor.shape)
    return shapes


def _masked_layer(tensor: NamedTensor, own: Words, shapes: Shapes) -> Words | None:
    """Return the name of the weight that a tensor is the mask of; None for a tensor that is no mask."""
    for place in reversed(range(len(own) - 1)):
        if own[place] in MASKS:
            return own[place + 1 :]
    if own[-1] != "mask":
        return None
    for beside in (KERNEL, WEIGHTS):
        if shapes.get((*own[:-1], beside)) == tensor.shape:
            return (*own[:-1], beside)
    return (*own[:-1], WEIGHTS) if "/" in tensor.name else None


def _as_mask(tensor: NamedTensor, layer: Words, shapes: Shapes, *, keep_name: bool) -> NamedTensor:
    """Return a tensor as a mask with the name of its weight, unpacked where it is packed."""
    keep_name = keep_name or tensor.name.endswith("mask") or layer not in shapes
    name = tensor.name if keep_name else ".".join(layer)
    shape = shapes.get(layer, ())
    if len(shape) > 1 and tensor.dtype == "uint8" and tensor.shape == (-(-math.prod(shape) // 8),):
        begin = partial(_unpacked_rows, tensor, shape)
        return replace(tensor, name=name, shape=shape, dtype="bool", begin=begin, is_mask=True)
    return replace(tensor, name=name, is_mask=True)


def _unpacked_rows(packed: NamedTensor, shape: tuple[int, ...]) -> Rows:
    check_axes(shape)
    found = np.concatenate([part.ravel() for part in packed.parts()])
    return array_rows(np.unpackbits(found, count=math.prod(shape)).view(np.bool_).reshape(shape))


def _with_order(tensor: NamedTensor, layer: Words, shapes: Shapes) -> NamedTensor:
    """Return a weight, or its mask, with the order of its axes, and with two axes where it is one of attention."""
    if len(tensor.shape) < 2 or not (layer[-1] == KERNEL or (layer[-1] == WEIGHTS and "/" in tensor.name)):
        return tensor
    tensor = replace(tensor, order="io")
    if len(tensor.shape) != 3 or len(layer) < 2 or not _is_of_attention(layer, shapes):
        return tensor
    first, second, third = tensor.shape
    if layer[-2] == OUTPUT:
        facts: dict[str, Fact] = {**tensor.facts, "heads": first, "head_size": second}
        shape = first * second, third
        return replace(tensor, shape=shape, facts=facts, begin=partial(_joined_rows, tensor, shape))
    facts = {**tensor.facts, "heads": second, "head_size": third}
    return replace(tensor, shape=(first, second * third), facts=facts)


def _is_of_attention(layer: Words, shapes: Shapes) -> bool:
    """Return whether a kernel of 3 axes is one of flax's attention, which has three others of 3 axes beside it."""
    beside = [shapes.get((*layer[:-2], one, layer[-1]), ()) for one in PROJECTIONS]
    return layer[-2] in (*PROJECTIONS, OUTPUT) and all(len(shape) == 3 for shape in beside)


def _joined_rows(tensor: NamedTensor, shape: tuple[int, int]) -> Rows:
    """Return the rows of a tensor whose first two axes are one."""
    check_axes(shape)
    if tensor.size * 4 > LARGE_BYTES:
        check_memory(tensor.size * 4, f"{shown(tensor.name)}")
    return array_rows(np.concatenate(list(tensor.parts())).reshape(shape))
