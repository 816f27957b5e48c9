"""Masks with their names, from whatever holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from prunescope.mask import BoolArray, Mask
from prunescope.tensors.mask_files import load_masks

Zeros = Literal["auto", "always", "never"]
Order = Literal["auto", "oi", "io"]
# What a torch module, or a configuration beside a file, says of a layer: a number, a few of them or a word.
Fact = int | str | bool | tuple[int, ...]


@dataclass(frozen=True)
class ReadingOptions:
    """How tensors become masks.

    ``zeros``: whether a weight that is exactly 0 counts as pruned ("auto": where a tensor has more zeros than chance).
    ``order``: the order of the axes of weights, "oi" [n_out, n_in, …] as in torch, "io" […, n_in, n_out] as in JAX and
    TensorFlow, or "auto", by the names and shapes of the source.
    """

    zeros: Zeros = "auto"
    order: Order = "auto"


@dataclass(frozen=True, eq=False)
class NamedMask:
    """A mask, its name, and what its source says of the layer.

    ``array``: bool [n_out, n_in, *kernel], whatever the order in the source; True is a kept weight.
    ``origin``: "mask" for a mask that was stored, "zeros" for the weights that are not 0.
    ``facts``: what a module or a configuration says of the layer, such as kind, stride, padding, dilation, groups, heads.
    """

    name: str
    array: BoolArray
    origin: str = "mask"
    facts: Mapping[str, Fact] = field(default_factory=dict)


def named_masks(
    source: object,
    options: ReadingOptions | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[NamedMask]:
    """Yield the masks that a source holds, one at a time, in its order of layers.

    ``source``: the path of a file, or what Mask.of takes. ``say``: is told, in a line each, what was left out and why.
    Raises InputError for a source that is damaged, would execute code on loading, or holds no mask.
    """
    if isinstance(source, str | Path):
        for name, mask in load_masks(source, say=say):
            yield NamedMask(name, mask.array)
        return
    yield NamedMask("mask", Mask.of(source).array)
