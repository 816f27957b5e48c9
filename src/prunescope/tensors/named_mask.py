"""Masks with their names, and how tensors become masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from prunescope.errors import InputError
from prunescope.mask import BoolArray
from prunescope.tensors.named_tensor import Facts, Order

Zeros = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class ReadingOptions:
    """How tensors become masks.

    ``zeros``: whether a weight that is exactly 0 counts as pruned ("auto": where a tensor has more zeros than chance).
    ``order``: the order of the axes of weights, "oi" [n_out, n_in, …] as in torch, "io" […, n_in, n_out] as in JAX and
    TensorFlow, or "auto", by the names and shapes of the source. ``each_name``: whether weights of several names that are
    one are read under each of them, and not under the first alone.
    """

    zeros: Zeros = "auto"
    order: Order = "auto"
    each_name: bool = False

    def __post_init__(self) -> None:
        for name, kinds in (("zeros", Zeros), ("order", Order)):
            known = get_args(kinds)
            if (value := getattr(self, name)) not in known:
                raise InputError(f"{name} is {value!r}: give {', '.join(known[:-1])} or {known[-1]}")


@dataclass(frozen=True, eq=False)
class NamedMask:
    """A mask, its name, and what its source says of the layer.

    ``array``: bool [n_out, n_in, *kernel], whatever the order in the source; True is a kept weight.
    ``origin``: "mask" for a mask that was stored, "zeros" for the weights that are not 0.
    ``facts``: what a module or a configuration says of the layer, such as kind, stride, padding, dilation, groups, heads.
    ``beside``: the shapes of all tensors of the source by name, [n_out, n_in, *kernel], also of those that are dense.
    """

    name: str
    array: BoolArray
    origin: str = "mask"
    facts: Facts = field(default_factory=dict)
    beside: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
