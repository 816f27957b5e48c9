"""The kinds of layers, and which of them a mask belongs to.

What a torch module or a configuration says of a layer comes first, then what the user says, then names and shapes.
Where the shape shows that a guess is wrong, that is said (docs/science.md, "Kinds of layers").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from prunescope.errors import InputError
from prunescope.layers.heads import AttentionShape, attention_shape
from prunescope.layers.layer_names import (
    is_embedding_name,
    is_recurrent,
    mixes_tokens,
    projection,
    takes_patches,
)
from prunescope.mask import ImageShape, Mask
from prunescope.model import FloatArray
from prunescope.tensors import NamedMask, shown
from prunescope.tensors.module_facts import GATES
from prunescope.tensors.named_masks import silent
from prunescope.tensors.named_tensor import Fact
from prunescope.tensors.printable import size_words

Kind = Literal[
    "linear", "patches", "tokens", "convolution", "depthwise", "attention", "embedding", "recurrent"
]
Pixels = Literal["chw", "hwc"]
Say = Callable[[str], None]
# Convolutions of images of at most so many channels with square, even kernels of this side or more embed patches.
IMAGE_CHANNELS, SMALLEST_PATCH = 4, 8


@dataclass(frozen=True)
class LayerHints:
    """What the user says of a network that its source may not say.

    ``heads``: of attention. ``patch``: the side P of the patches that a linear layer takes. ``tokens``: (H, W) of the
    grid of tokens that token-mixing layers take. ``pixels``: the order of the inputs of a linear layer on images or
    patches. ``images``: (C, H, W) of the network's images.
    """

    heads: int | None = None
    patch: int | None = None
    tokens: tuple[int, int] | None = None
    pixels: Pixels = "chw"
    images: ImageShape | None = None

    def __post_init__(self) -> None:
        for name, count, words in (
            ("heads", 0, "a whole number"),
            ("patch", 0, "a whole number"),
            ("tokens", 2, "(H, W), two whole numbers"),
            ("images", 3, "C, H, W, three whole numbers"),
        ):
            given = getattr(self, name)
            if given is not None and not _are_sizes(given, count):
                called = "shape" if name == "images" else name
                raise InputError(f"{called} is {shown(repr(given))}: give {words} above 0")
        if self.pixels not in get_args(Pixels):
            raise InputError(f"pixels is {self.pixels!r}: give chw or hwc")


def _are_sizes(given: object, count: int) -> bool:
    """Return whether what was given is so many whole numbers above 0; of count 0, whether it is one alone."""
    numbers: Sequence[object] = given if count and isinstance(given, Sequence) else [given]
    return len(numbers) == max(1, count) and all(
        isinstance(number, int | np.integer) and not isinstance(number, bool) and number > 0
        for number in numbers
    )


@dataclass(frozen=True)
class LayerForm:
    """What a layer is, as far as names, shapes and its source say.

    ``kind``: a Kind. ``shape``: of the weights, [n_out, n_in, *kernel].
    ``inputs``: (C, H, W) where a unit's inputs lie in an image, a patch or on the grid of tokens (C = 1); ``outputs``:
    the same of the outputs. ``groups``: of a convolution. ``attention``: heads of a projection of attention.
    ``gates``: of a recurrent layer, None where that is not known.
    """

    kind: str
    shape: tuple[int, ...]
    inputs: ImageShape | None = None
    outputs: ImageShape | None = None
    groups: int = 1
    attention: AttentionShape | None = None
    gates: int | None = None

    @property
    def shape_text(self) -> str:
        """The shape of the weights as 64x3x3x3."""
        return size_words(self.shape)


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


def form_of(named: NamedMask, hints: LayerHints | None = None, say: Say | None = None) -> LayerForm:
    """Return what a layer is.

    ``say``: is told what is not known of it, and which guess its shape contradicts, in lines without its name.
    """
    about = _About(named, hints or LayerHints(), say or silent)
    shape = about.shape
    if about.facts_kind.startswith("embedding") or (
        not about.facts_kind and len(shape) == 2 and is_embedding_name(named.name)
    ):
        return LayerForm("embedding", shape)
    if len(shape) > 2:
        return _convolution(about)
    if is_recurrent(named.name):
        return _recurrent(about)
    part = projection(named.name, inside=about.facts_kind == "attention")
    if part is not None:
        attention = attention_shape(part, named, about.hints.heads, about.told)
        return LayerForm("attention", shape, attention=attention)
    return _on_patches(about) or _on_tokens(about) or LayerForm("linear", shape)


@dataclass(frozen=True)
class _About:
    """A named mask, what the user says of it, and whom to tell what is not known."""

    named: NamedMask
    hints: LayerHints
    told: Say

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weights, those of stacked experts, of positions and of bilinear layers as [n_out, n_in]."""
        shape = self.named.array.shape
        stacked = len(shape) == 3 and "expert" in self.named.name.lower()
        single = len(shape) == 3 and shape[0] == 1 and is_embedding_name(self.named.name)
        if len(shape) == 3 and self.facts_kind == "bilinear":
            # [n_out, n_in of one, n_in of the other]: no kernel.
            return shape[0], shape[1] * shape[2]
        return (shape[0] * shape[1], shape[2]) if stacked or single else shape

    @property
    def facts_kind(self) -> str:
        """The kind that the source says, in lower case; "" where it says none."""
        return str(self.named.facts.get("kind") or "").lower()


def _convolution(about: _About) -> LayerForm:
    shape, facts = about.shape, about.named.facts
    kernel = shape[2:]
    groups = facts.get("groups")
    if isinstance(groups, int) and groups > 1:
        if shape[0] % groups == 0:
            return LayerForm("depthwise" if shape[1] == 1 else "convolution", shape, groups=groups)
        about.told(f"{groups} groups do not share {shape[0]} filters: taken as one group")
    few = shape[1] <= IMAGE_CHANNELS and len(kernel) == 2 and min(kernel) > 1
    stride = facts.get("stride")
    if few and (kernel in (stride, (stride, stride)) if stride is not None else _embeds_patches(about)):
        if about.hints.patch is not None and kernel != (about.hints.patch,) * 2:
            about.told(f"its patches are {kernel[0]}x{kernel[1]} pixels, not {about.hints.patch}")
        return LayerForm("patches", shape, (shape[1], kernel[0], kernel[1]))
    if groups is None and shape[1] == 1 and shape[0] > 1:
        return LayerForm("depthwise", shape, groups=shape[0])
    return LayerForm("convolution", shape)


def _embeds_patches(about: _About) -> bool:
    """Return whether a convolution of few channels embeds patches, by its name or its kernel."""
    height, width = about.shape[2:]
    return takes_patches(about.named.name) or (height == width >= SMALLEST_PATCH and height % 2 == 0)


def _recurrent(about: _About) -> LayerForm:
    n_out, n_in = about.shape
    gates: Fact | None = about.named.facts.get("gates") or next(
        (count for name, count in GATES.items() if name in about.facts_kind), None
    )
    if gates is None and "_hh" in about.named.name and n_out % n_in == 0:
        gates = n_out // n_in
    if gates is None:
        named = [count for word, count in GATES.items() if word in about.named.name.lower()]
        gates = named[0] if named else None
    if not isinstance(gates, int):
        about.told("how many gates it has is not known")
        return LayerForm("recurrent", about.shape)
    if n_out % gates:
        about.told(f"its {n_out} outputs are not {gates} gates")
        return LayerForm("recurrent", about.shape)
    return LayerForm("recurrent", about.shape, gates=gates)


def _on_patches(about: _About) -> LayerForm | None:
    """Return the form of a linear layer on patches, None for another layer."""
    if not takes_patches(about.named.name):
        return None
    n_in = about.shape[1]
    known = [about.hints.images[0]] if about.hints.images else [3, 1, 4]
    for channels in known:
        side = about.hints.patch or math.isqrt(n_in // channels)
        if side > 1 and channels * side * side == n_in:
            return LayerForm("patches", about.shape, (channels, side, side))
    if about.hints.patch is not None:
        about.told(f"its {n_in} inputs are no patches of {about.hints.patch}x{about.hints.patch} pixels")
    return None


def _on_tokens(about: _About) -> LayerForm | None:
    """Return the form of a layer that mixes tokens, None for another one."""
    n_out, n_in = about.shape
    tokens, named = about.hints.tokens, mixes_tokens(about.named.name)
    if tokens is None:
        side = math.isqrt(min(n_in, n_out) if named else 0)
        tokens = (side, side) if side > 1 and side * side in (n_in, n_out) else None
        if named and tokens is None:
            about.told("the grid of its tokens is not known: --tokens HxW says it")
        elif tokens is not None:
            about.told(f"its tokens are taken as a grid of {side}x{side}; --tokens HxW says another one")
    if tokens is None or "channel" in about.named.name.lower():
        return None
    size, grid = tokens[0] * tokens[1], (1, *tokens)
    inputs, outputs = n_in == size, n_out == size and (named or n_in != size)
    if named and not (inputs or outputs):
        about.told(f"it has {n_in} inputs and {n_out} outputs, and {tokens[0]}x{tokens[1]} tokens are {size}")
    if not (inputs or (outputs and named)):
        return None
    return LayerForm(
        "tokens", about.shape, grid if inputs else None, grid if outputs and not inputs else None
    )
