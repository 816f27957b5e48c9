"""Stacks of convolutions in torch modules, and the effective receptive fields of their masks.

A module says in which order its layers follow each other where they are in a torch.nn.Sequential; another module, and a
file, does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from prunescope.layers.kinds import LayerMask
from prunescope.layers.layer_names import plain_name
from prunescope.layers.observed_network import ObservedLayer
from prunescope.mask import BoolArray
from prunescope.observables.effective_fields import (
    StackLayer,
    field_shares,
    shuffled_stacks,
    stack_fields,
    stack_work,
)
from prunescope.observables.measure import Scalar
from prunescope.observables.threads import in_order
from prunescope.tensors import shown

# Modules that act on each pixel alone.
OF_ONE_PIXEL = (
    "BatchNorm", "SyncBatchNorm", "Dropout", "AlphaDropout", "Identity", "ReLU", "LeakyReLU", "PReLU", "RReLU", "ELU", "SELU",
    "CELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh", "Hard", "Softplus", "Softsign", "LogSigmoid", "Threshold",
)  # fmt: skip
# Fields whose search could take more entries than this are not computed (about ten seconds), and there is no null where
# one of its 50 stacks takes more than the other number of entries, of different fields and of masks.
MOST_ENTRIES, MOST_NULL_ENTRIES = 1e10, 4e6


@dataclass(frozen=True, eq=False)
class NamedStack:
    """The convolutions and poolings of a Sequential, up to the first layer of another kind.

    ``names``: that of each layer's module; ``layers``: dense ones.
    """

    names: tuple[str, ...]
    layers: tuple[StackLayer, ...]

    def with_masks(self, masks: Mapping[str, BoolArray]) -> list[StackLayer]:
        """Return the layers with masks [n_out, n_in · kernel] by the names of their modules; others stay dense."""
        return [
            replace(layer, mask=masks[name].reshape(layer.mask.shape))
            if layer.mask is not None and name in masks and masks[name].size == layer.mask.size
            else layer
            for name, layer in zip(self.names, self.layers, strict=True)
        ]


class FieldsOf:
    """The effective receptive fields of a network whose layers are measured one after another.

    ``source``: what is observed; the order of its convolutions is known where it is a torch module.
    """

    def __init__(self, source: object) -> None:
        self._stack = stack_of(source) if hasattr(source, "named_modules") else None
        self._masks: dict[str, BoolArray] = {}

    def watching(self, layers: Iterator[LayerMask]) -> Iterator[LayerMask]:
        """Yield layers, and keep the masks of those in the stack."""
        for layer in layers:
            name = plain_name(layer.name)
            if self._stack is not None and name in self._stack.names:
                self._masks[name] = layer.mask.array
            yield layer

    def added_to(
        self, layers: tuple[ObservedLayer, ...], say: Callable[[str], None]
    ) -> tuple[ObservedLayer, ...]:
        """Return observed layers with their effective fields; ``say`` is told which have none, and why."""
        known = () if self._stack is None else self._stack.names
        kernels = {plain_name(layer.name) for layer in layers if math.prod(layer.form.shape[2:]) > 1}
        if self._stack is not None and self._masks:
            layers, lines = with_fields(layers, self._stack, self._masks)
            for line in lines:
                say(line)
        # The field of a single convolution is its kernel.
        if len(kernels) > 1 and not kernels <= set(known):
            say(f"{UNKNOWN_ORDER}; those after {shown(known[-1])} are not" if known else UNKNOWN_ORDER)
        return layers


UNKNOWN_ORDER = "no effective receptive fields: the order of convolutions is known of torch modules that have them in a Sequential"


def stack_of(module: Any) -> NamedStack | None:
    """Return the stack of a torch module that its first convolution begins; None where the order is not known."""
    modules = dict(module.named_modules())
    first = next((name for name, one in modules.items() if type(one).__name__ == "Conv2d"), None)
    outer = [
        name
        for name, one in modules.items()
        if _is_sequential(one) and first is not None and (name == "" or first.startswith(f"{name}."))
    ]
    if not outer:
        return None
    begin = min(outer, key=len)
    names, layers = [], []
    for name, one in _flat(begin, modules[begin]):
        layer = _layer(one)
        if layer is not None:
            names.append(name)
            layers.append(layer)
        elif not type(one).__name__.startswith(OF_ONE_PIXEL):
            break
    return NamedStack(tuple(names), tuple(layers)) if first in names else None


def _flat(name: str, module: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is in a Sequential, and in those inside it, in the order in which it is applied."""
    for own, inner in module._modules.items():
        path = f"{name}.{own}" if name else own
        if _is_sequential(inner):
            yield from _flat(path, inner)
        elif inner is not None:
            yield path, inner


def _is_sequential(module: Any) -> bool:
    """Return whether a module applies what is in it in its order: a Sequential, or a kind of it that applies it alike."""
    for cls in type(module).__mro__:
        if cls.__name__ == "Sequential" and cls.__module__.startswith("torch."):
            return True
        if "forward" in vars(cls):
            return False
    return False


def _layer(module: Any) -> StackLayer | None:
    """Return a module as a dense layer of a stack; None for one that is neither convolution nor pooling."""
    kind = type(module).__name__
    if ".quantized." in f"{type(module).__module__}.":  # whose weights are not read
        return None
    if kind == "Conv2d":
        channels = module.in_channels // module.groups
        mask = np.ones((module.out_channels, channels, *module.kernel_size), np.bool_)
        settings = _pair(module.stride), _padding(module), _pair(module.dilation)
        return StackLayer(mask, *settings, groups=module.groups)
    if kind in ("MaxPool2d", "AvgPool2d"):
        settings = _pair(module.stride), _pair(module.padding), _pair(getattr(module, "dilation", 1))
        return StackLayer(None, *settings, window=_pair(module.kernel_size))
    return None


def _padding(module: Any) -> tuple[int, int]:
    """Return the padding before the first row and column of a convolution."""
    if module.padding == "valid":
        return 0, 0
    if module.padding == "same":
        dilation, kernel = _pair(module.dilation), _pair(module.kernel_size)
        return dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2
    return _pair(module.padding)


def _pair(value: Any) -> tuple[int, int]:
    """Return a number, or two of them, as two."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    return int(both[0]), int(both[1])


def with_fields(
    layers: Sequence[ObservedLayer], stack: NamedStack, masks: Mapping[str, BoolArray]
) -> tuple[tuple[ObservedLayer, ...], list[str]]:
    """Return observed layers with their effective fields, and what is to be said of those that have none.

    ``masks``: those of the layers by ``plain_name``. The scalar ``effective_field`` is that of every convolution but the
    first, whose field is its kernel; the array ``effective_field`` [h, w] is the share of channels that a pixel reaches.
    """
    whole = stack.with_masks(masks)
    count = int(np.count_nonzero(np.cumsum(stack_work(whole)) <= MOST_ENTRIES))
    parts, names = whole[:count], stack.names[:count]
    fields = list(stack_fields(parts))
    taken = [
        one.patterns.size * math.prod(layer.kernel) + (0 if layer.mask is None else layer.mask.size)
        for one, layer in zip(fields, parts, strict=True)
    ]
    held = int(np.count_nonzero(np.cumsum(taken) <= MOST_NULL_ENTRIES))
    values = field_shares(parts)
    # Above the last layer that lacks something, fields are whole, and so are nearly all those of the null.
    lacking = max((number for number, value in enumerate(values) if value < 1), default=-1)
    held = min(held, lacking + 2)
    nulls = list(in_order(field_shares, shuffled_stacks(parts[:held]))) if held else []
    found: dict[str, tuple[Scalar, Any]] = {}
    for number, (name, one) in enumerate(zip(names, fields, strict=True)):
        null = [shares[number] for shares in nulls] if number < held else []
        found[name] = (Scalar.against(values[number], null), one.image)
    first = next(
        name for name, layer in zip(stack.names, stack.layers, strict=True) if layer.mask is not None
    )
    notes = []
    if count < len(whole):
        notes.append(f"{stack.names[count]} and later: effective receptive fields are too large to compute")
    elif held <= lacking:
        notes.append(f"{stack.names[held]} and later: effective receptive fields are too large for a null")
    return tuple(_with_field(layer, found, first) for layer in layers), notes


def _with_field(layer: ObservedLayer, found: Mapping[str, tuple[Scalar, Any]], first: str) -> ObservedLayer:
    """Return an observed layer with its effective field, where one was found."""
    name = plain_name(layer.name)
    if name not in found or len(layer.form.shape) != 4:
        return layer
    scalar, image = found[name]
    scalars = layer.scalars if name == first else {**layer.scalars, "effective_field": scalar}
    return replace(layer, scalars=scalars, arrays={**layer.arrays, "effective_field": image})
