"""`observe` measures every layer of a network that was pruned anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from prunescope.arguments import callable_of
from prunescope.errors import InputError
from prunescope.layers.fitting import fitting
from prunescope.layers.kinds import LayerHints, LayerMask, Pixels
from prunescope.layers.observed_network import ObservedLayer, ObservedNetwork
from prunescope.layers.pictures import drawn_arrays
from prunescope.layers.source_layers import Selection, layers_of, place_of
from prunescope.layers.stacks import FieldsOf
from prunescope.layers.unstructured import named_patterns
from prunescope.mask import ImageShape, image_shape
from prunescope.observables.threads import in_order, using_cores
from prunescope.runs.directory import Run
from prunescope.tensors import Order, ReadingOptions, Zeros, shown


def observe(
    source: object,
    *,
    level: int | None = None,
    layer: int | str | None = None,
    shape: ImageShape | str | None = None,
    zeros: Zeros = "auto",
    order: Order = "auto",
    heads: int | None = None,
    patch: int | None = None,
    tokens: tuple[int, int] | None = None,
    pixels: Pixels = "chw",
    say: Callable[[str], None] | None = None,
) -> ObservedNetwork:
    """Measure every layer of ``source`` that was pruned, with what fits its kind, each number with its null.

    ``source``: a run, the path of a file of masks or weights, a torch module, a state dict, or an array.
    ``level``: of a run, None for its last. ``layer``: its number, 1 for the first, or its name; None for all.
    ``shape``: (C, H, W) of the images that the network takes, or "CxHxW". ``zeros`` and ``order``: tensors.ReadingOptions.
    Of what the source does not say: ``heads`` of attention, the side of the ``patch`` that a linear layer takes, (H, W) of
    the grid of ``tokens``, and the order of ``pixels`` among the inputs of a linear layer on images or patches.
    ``say``: is told, in a line each, what was left out and why. Raises InputError for a source without a mask.
    """
    shape = image_shape(shape) if isinstance(shape, str) else shape
    say = None if say is None else callable_of("say", say)
    notes: list[str] = []

    def note(line: str) -> None:
        notes.append(line)
        if say is not None:
            say(line)

    hints = LayerHints(heads, patch, tokens, pixels)
    layers = layers_of(source, Selection(level, layer, shape, ReadingOptions(zeros, order), hints), note)
    empty: list[str] = []
    with using_cores():
        fields = FieldsOf(source if layer is None else None)
        measured = tuple(in_order(measure_layer, _with_weights(fields.watching(layers), empty)))
        if layer is None:
            measured = fields.added_to(measured, note)
    lines = [f"{shown(name)} keeps no weight" for name in empty]
    if not measured:
        raise InputError(f"{place_of(source)}{lines[0]}: a mask needs at least one 1")
    for line in lines:
        note(f"{line}: not measured")
    return ObservedNetwork(_name_of(source), measured, tuple(notes))


def _with_weights(layers: Iterator[LayerMask], empty: list[str]) -> Iterator[LayerMask]:
    """Yield the layers that keep at least one weight, and add the names of the others to ``empty``."""
    for layer in layers:
        if layer.mask.kept:
            yield layer
        else:
            empty.append(layer.name)


def measure_layer(layer: LayerMask) -> ObservedLayer:
    """Return what is measured of one layer."""
    scalars, arrays = fitting(layer)
    arrays = drawn_arrays(layer) | arrays
    patterns = named_patterns(layer.mask, math.prod(layer.form.shape[2:]))
    return ObservedLayer(layer.name, layer.form, layer.origin, layer.mask.kept, scalars, arrays, patterns)


def _name_of(source: object) -> str:
    """Return what the observed network is called: the experiment of a run, the name of a file, the type of a value."""
    if isinstance(source, Run):
        return source.path.parent.name
    return Path(source).name if isinstance(source, str | Path) else type(source).__name__
