"""Effective receptive fields: which pixels of an image reach a unit of a stack of convolutions along kept weights.

A field is found by propagating sets of pixels up the stack; values of weights play no part. All units of a channel have
the same field, shifted, as long as it does not meet the border (docs/science.md, "Effective receptive fields").
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import instance, listed, said, whole, wholes
from prunescope.errors import InputError
from prunescope.mask import BoolArray, Mask
from prunescope.observables.connectivity import shuffle_at_fan_in
from prunescope.observables.null_masks import SHUFFLES
from prunescope.randomness import generator

Pair = tuple[int, int]
# So many words of packed fields are gathered at once.
GATHERED = 1 << 21


@dataclass(frozen=True, eq=False)
class StackLayer:
    """A layer of a stack: a convolution's mask, or a pooling.

    ``mask``: bool [n_out, n_in / groups, kh, kw], None for a pooling, which takes every pixel of its ``window`` in its own
    channel. ``stride``, ``padding``, ``dilation``: along y and x.
    """

    mask: BoolArray | None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    window: Pair = (1, 1)

    def __post_init__(self) -> None:
        whole("groups", self.groups, 1)
        for name, least in (("stride", 1), ("padding", 0), ("dilation", 1), ("window", 1)):
            object.__setattr__(self, name, wholes(name, getattr(self, name), 2, least))
        if self.mask is not None and not (isinstance(self.mask, np.ndarray) and self.mask.dtype == np.bool_):
            raise InputError(f"the mask of a layer of a stack is {said(self.mask)}: give a bool array")
        if self.mask is not None and (self.mask.ndim != 4 or len(self.mask) % self.groups):
            raise InputError(
                f"a layer of a stack is [n_out, n_in / groups, kh, kw], got shape {self.mask.shape} and {self.groups} groups"
            )

    @property
    def kernel(self) -> Pair:
        """The sides of the kernel or window."""
        return self.window if self.mask is None else (self.mask.shape[2], self.mask.shape[3])

    @property
    def inputs(self) -> int | None:
        """The number of input channels; any for a pooling."""
        return None if self.mask is None else self.mask.shape[1] * self.groups


@dataclass(frozen=True, eq=False)
class ReceptiveFields:
    """The effective receptive fields of the channels of a layer, in channels and pixels of the image.

    ``patterns``: bool [different fields, C, h, w], where h and w are the sides of the dense stack's field; ``which``: int
    [n_out], the field of each channel. The field of the unit (y, x) begins at the pixel (y, x) · ``step`` + ``start``.
    """

    patterns: BoolArray
    which: NDArray[np.int64]
    step: Pair
    start: Pair

    @property
    def masks(self) -> BoolArray:
        """The field of every channel, bool [n_out, C, h, w]."""
        return np.asarray(self.patterns[self.which])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The number of input channels and pixels that reach each channel, int64 [n_out]."""
        return np.asarray(self.patterns.sum(axis=(1, 2, 3), dtype=np.int64)[self.which])

    @property
    def image(self) -> NDArray[np.float64]:
        """The share of channels that each pixel reaches from any input channel, float64 [h, w]."""
        weight = np.bincount(self.which, minlength=len(self.patterns)) / self.which.size
        return np.asarray(np.tensordot(weight, self.patterns.any(axis=1), axes=1), np.float64)


def effective_receptive_fields(layers: Sequence[StackLayer]) -> ReceptiveFields:
    """Return which pixels of an image reach each channel of the last layer along kept weights.

    layers: from the image up. The fields are those of units away from the border. Raises InputError for layers that do not
    fit each other. docs/science.md, "Effective receptive fields".
    """
    fields = None
    for one in stack_fields(_stack(layers)):
        fields = one
    assert fields is not None
    return fields


def stack_fields(layers: Sequence[StackLayer]) -> Iterator[ReceptiveFields]:
    """Yield the ``effective_receptive_fields`` of each layer of a stack, from the image up."""
    first = next((layer.inputs for layer in layers if layer.inputs is not None), 1)
    fields = ReceptiveFields(
        np.eye(first, dtype=np.bool_)[:, :, np.newaxis, np.newaxis], np.arange(first), (1, 1), (0, 0)
    )
    for number, layer in enumerate(layers, 1):
        if layer.inputs not in (None, fields.which.size):
            raise InputError(
                f"layer {number} of the stack has {layer.inputs} input channels, but {fields.which.size} come from below"
            )
        fields = _next(fields, layer)
        yield fields


def field_shares(layers: Sequence[StackLayer]) -> list[float]:
    """Return for each layer the mean over channels of the field's share of the dense stack's field."""
    return [
        float(np.mean(one.sizes / np.maximum(1, dense.sizes)))
        for one, dense in zip(stack_fields(layers), stack_fields(dense_stack(layers)), strict=True)
    ]


def dense_stack(layers: Sequence[StackLayer]) -> list[StackLayer]:
    """Return the stack with all weights kept."""
    return [
        layer if layer.mask is None else _with(layer, np.ones_like(layer.mask, np.bool_)) for layer in layers
    ]


def shuffled_stacks(layers: Sequence[StackLayer], count: int = SHUFFLES) -> Iterator[list[StackLayer]]:
    """Yield stacks in which each filter keeps its number of weights, at uniform positions.

    They are a function of what the stack keeps and of nothing else.
    """
    masks = [None if one.mask is None else Mask(one.mask.reshape(len(one.mask), -1)) for one in layers]
    content = hashlib.sha256("".join(mask.digest for mask in masks if mask is not None).encode()).hexdigest()
    for number in range(count):
        rng = generator(0, f"fields of {content}", 0, number)
        yield [
            layer
            if mask is None or layer.mask is None
            else _with(layer, shuffle_at_fan_in(mask, rng).array.reshape(layer.mask.shape))
            for layer, mask in zip(layers, masks, strict=True)
        ]


def stack_work(layers: Sequence[StackLayer]) -> list[float]:
    """Return how many entries of fields each layer's fields take at most to find: a field for each weight of a channel."""
    work, side, step, first = [], (1, 1), (1, 1), layers[0].inputs or 1
    channels = first
    for layer in layers:
        side, step = _grown(side, step, layer)
        channels = channels if layer.mask is None else len(layer.mask)
        work.append(float(channels * math.prod(layer.kernel) * first * side[0] * side[1]))
    return work


def unit_receptive_field(
    layers: Sequence[StackLayer], size: tuple[int, int, int], unit: tuple[int, int, int]
) -> BoolArray:
    """Return which pixels of an image reach one unit of the last layer along kept weights, at the border too.

    size: (C, H, W) of the image; unit: (channel, y, x) in the last layer. Returns bool [C, H, W]. Raises InputError for
    layers that do not fit each other and for a unit that is not there.
    """
    layers = _stack(layers)
    size, unit = _triple("size", size, 1), _triple("unit", unit, 0)
    shapes = [size]
    for number, layer in enumerate(layers, 1):
        channels, *sides = shapes[-1]
        if layer.inputs not in (None, channels):
            raise InputError(
                f"layer {number} of the stack has {layer.inputs} input channels, but {channels} come from below"
            )
        height, width = (
            (sides[i] + 2 * layer.padding[i] - layer.dilation[i] * (layer.kernel[i] - 1) - 1)
            // layer.stride[i]
            + 1
            for i in (0, 1)
        )
        shapes.append((channels if layer.mask is None else len(layer.mask), height, width))
    if not all(0 <= place < side for place, side in zip(unit, shapes[-1], strict=True)):
        raise InputError(f"no unit {unit} in a layer of {'x'.join(map(str, shapes[-1]))}")
    reached = np.zeros(shapes[-1], np.bool_)
    reached[unit] = True
    for layer, below in zip(reversed(layers), reversed(shapes[:-1]), strict=True):
        reached = _below(reached, layer, below)
    return reached


def _below(reached: BoolArray, layer: StackLayer, shape: tuple[int, int, int]) -> BoolArray:
    """Return which units [C, H, W] below a layer reach some of its units [n_out, H', W']."""
    found = np.zeros(shape, np.bool_)
    channel, y, x = np.nonzero(reached)
    for ky in range(layer.kernel[0]):
        for kx in range(layer.kernel[1]):
            row = y * layer.stride[0] + ky * layer.dilation[0] - layer.padding[0]
            column = x * layer.stride[1] + kx * layer.dilation[1] - layer.padding[1]
            inside = (row >= 0) & (row < shape[1]) & (column >= 0) & (column < shape[2])
            if layer.mask is None:
                found[channel[inside], row[inside], column[inside]] = True
                continue
            unit, of = np.nonzero(layer.mask[channel[inside], :, ky, kx])
            filters_a_group = len(layer.mask) // layer.groups
            group = channel[inside][unit] // filters_a_group
            found[group * layer.mask.shape[1] + of, row[inside][unit], column[inside][unit]] = True
    return found


def _with(layer: StackLayer, mask: BoolArray) -> StackLayer:
    """Return a layer with another mask."""
    return StackLayer(mask, layer.stride, layer.padding, layer.dilation, layer.groups)


def _grown(side: Pair, step: Pair, layer: StackLayer) -> tuple[Pair, Pair]:
    """Return the sides of the dense field and the step between units, in pixels, one layer up."""
    sides = [side[i] + (layer.kernel[i] - 1) * layer.dilation[i] * step[i] for i in (0, 1)]
    steps = [step[i] * layer.stride[i] for i in (0, 1)]
    return (sides[0], sides[1]), (steps[0], steps[1])


def _next(fields: ReceptiveFields, layer: StackLayer) -> ReceptiveFields:
    """Return the fields one layer up."""
    (height, width), step = _grown((fields.patterns.shape[2], fields.patterns.shape[3]), fields.step, layer)
    start = tuple(fields.start[i] - layer.padding[i] * fields.step[i] for i in (0, 1))
    if layer.mask is None:
        rows, which = None, fields.which
        count = len(fields.patterns)
    else:
        rows, which = _distinct(_by_pattern(fields, layer, layer.mask))
        count = len(rows)
    patterns = np.zeros((count, fields.patterns.shape[1], height, width), np.bool_)
    for ky in range(layer.kernel[0]):
        for kx in range(layer.kernel[1]):
            top = ky * layer.dilation[0] * fields.step[0]
            left = kx * layer.dilation[1] * fields.step[1]
            place = patterns[
                :, :, top : top + fields.patterns.shape[2], left : left + fields.patterns.shape[3]
            ]
            if rows is None:
                place |= fields.patterns
            else:
                _add_unions(place, fields.patterns, rows[:, :, ky, kx])
    flat, again = _distinct(patterns.reshape(count, -1))
    return ReceptiveFields(flat.reshape(-1, *patterns.shape[1:]), again[which], step, (start[0], start[1]))


def _by_pattern(fields: ReceptiveFields, layer: StackLayer, mask: BoolArray) -> BoolArray:
    """Return which of the different fields below each filter keeps at each position, [n_out, fields, kh, kw]."""
    filters, channels = len(mask) // layer.groups, mask.shape[1]
    found = np.zeros((len(mask), len(fields.patterns), *mask.shape[2:]), np.bool_)
    for group in range(layer.groups):
        own = mask[group * filters : (group + 1) * filters]
        which = fields.which[group * channels : (group + 1) * channels]
        order = np.argsort(which, kind="stable")
        present, first = np.unique(which[order], return_index=True)
        found[group * filters : (group + 1) * filters, present] = np.logical_or.reduceat(
            own[:, order], first, axis=1
        )
    return found


def _add_unions(place: BoolArray, patterns: BoolArray, chosen: BoolArray) -> None:
    """Add to each of ``place`` [n, C, h, w] the union of the patterns [m, C, h, w] that ``chosen`` [n, m] names."""
    padded = -(-patterns[0].size // 64) * 64
    packed = np.zeros((len(patterns), padded // 8), np.uint8)
    bits = np.packbits(patterns.reshape(len(patterns), -1), axis=1)
    packed[:, : bits.shape[1]] = bits
    words = packed.view(np.uint64)
    counts = np.count_nonzero(chosen, axis=1)
    some = np.flatnonzero(counts)
    part = np.cumsum(counts[some] * words.shape[1]) // GATHERED
    for number in np.unique(part):
        units = some[part == number]
        ends = np.cumsum(counts[units])
        union = np.bitwise_or.reduceat(words[np.nonzero(chosen[units])[1]], ends - counts[units], axis=0)
        whole = np.unpackbits(union.view(np.uint8), axis=1, count=patterns[0].size)
        place[units] |= whole.view(np.bool_).reshape(len(units), *patterns.shape[1:])


def _distinct(rows: BoolArray) -> tuple[BoolArray, NDArray[np.int64]]:
    """Return the different ones of rows [n, …], in the order of their first places, and which of them each row is."""
    packed = np.packbits(rows.reshape(len(rows), -1), axis=1)
    numbers: dict[bytes, int] = {}
    which = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in packed], np.int64)
    first = np.unique(which, return_index=True)[1]
    return rows[first], which


def _stack(layers: object) -> list[StackLayer]:
    """Return the layers of a stack as a list; raise InputError for anything else."""
    found = listed("layers", layers, "a list of StackLayer, from the image up")
    if not found:
        raise InputError("a stack without layers has no receptive field")
    return [instance("a layer of a stack", one, StackLayer, "a StackLayer") for one in found]


def _triple(name: str, given: object, least: int) -> tuple[int, int, int]:
    first, second, third = wholes(name, given, 3, least)
    return first, second, third
