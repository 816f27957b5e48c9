"""The layers of whatever was pruned: a run of this package, a file, a module, an array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from prunescope.arguments import said
from prunescope.errors import InputError
from prunescope.layers.beside import with_facts_beside
from prunescope.layers.kinds import LayerForm, LayerHints, LayerMask
from prunescope.layers.layer_masks import as_first, as_layer
from prunescope.mask import ImageShape
from prunescope.runs.directory import Run
from prunescope.tensors import ReadingOptions, named_masks, shown


@dataclass(frozen=True)
class Selection:
    """Which layers of a source are wanted, and what is known of them that the source does not say.

    ``level``: of a run, None for the last one. ``layer``: its number, 1 for the first, or its name; None for all of them.
    ``shape``: (C, H, W) of the images that the network takes; a run knows it. ``hints``: what else is known of its layers.
    """

    level: int | None = None
    layer: int | str | None = None
    shape: ImageShape | None = None
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    hints: LayerHints = field(default_factory=LayerHints)


def layers_of(
    source: object, wanted: Selection | None = None, say: Callable[[str], None] | None = None
) -> Iterator[LayerMask]:
    """Yield the layers of a source, one at a time, in its order.

    ``source``: a run, the path of a file of masks or weights, or what tensors.named_masks takes. ``say``: is told, in a
    line each, what was left out and why. Raises InputError for a source without masks, and for a layer or level that it
    does not have.
    """
    wanted = wanted or Selection()
    if isinstance(wanted.layer, bool) or not isinstance(wanted.layer, int | np.integer | str | None):
        raise InputError(f"layer is {said(wanted.layer)}: give its number, 1 for the first, or its name")
    if isinstance(source, Run):
        yield from _of_run(source, wanted)
        return
    if wanted.level is not None:
        raise InputError("a level is of runs: a mask file has none")
    known, found = [], False
    hints = replace(wanted.hints, images=wanted.shape)
    taken, misfit = False, None
    told: dict[str, list[str]] = {}
    forms: list[LayerForm] = []
    for number, named in enumerate(with_facts_beside(named_masks(source, wanted.reading, say)), 1):
        known.append(shown(named.name))
        chosen = wanted.layer in (None, number, str(number), named.name)
        if number > 1 and taken and not chosen:
            continue
        unsure: list[str] = []
        layer = as_layer(
            as_first(named) if number == 1 else named, hints, unsure.append, takes_images=not taken
        )
        # The images go into the first layer that fits them, and into a convolution if there is one before.
        if not taken and len(layer.form.shape) > 2:
            unsure += _other_channels(layer.form, wanted.shape)
        taken = taken or len(layer.form.shape) > 2 or layer.form.inputs is not None
        misfit = misfit or (named.name, layer.form.shape)
        if chosen:
            found = True
            for line in unsure:
                told.setdefault(line, []).append(named.name)
            yield layer
        forms.append(layer.form)
    if wanted.shape is not None and misfit is not None and not taken:
        _refuse_shape(source, *misfit, wanted.shape)
    if say is not None:
        for line in _unused(hints, forms) if wanted.layer is None else ():
            say(line)
        for line in _summed_up(told):
            say(line)
    if not found:
        names = ", ".join(known[:6] + ["…"] * (len(known) > 6))
        raise InputError(
            f"{place_of(source)}no layer {shown(str(wanted.layer))}; it holds {len(known)} ({names})"
        )


def place_of(source: object) -> str:
    """Return the beginning of a message about a source: its path and a colon, "" for what is no file."""
    return f"{source}: " if isinstance(source, str | Path) else ""


def _other_channels(form: LayerForm, images: ImageShape | None) -> list[str]:
    """Return a line if the convolution that takes the images has other channels than they."""
    channels = form.shape[1] * form.groups
    if images is None or channels == images[0]:
        return []
    return [
        f"it takes {channels} channels, and images of --shape {'x'.join(map(str, images))} have {images[0]}"
    ]


def _unused(hints: LayerHints, forms: Sequence[LayerForm]) -> list[str]:
    """Return a line for each hint that no layer takes, by the layers that there are."""
    kinds = {form.kind for form in forms}
    # A convolution has its kernel, whatever the images are.
    has_pixels = any(len(form.shape) == 2 and form.inputs and form.kind != "tokens" for form in forms)
    uses = (
        ("heads", hints.heads is None or "attention" in kinds, "no projection of attention"),
        (
            "patch",
            hints.patch is None or "patches" in kinds,
            "no linear layer with the inputs of such a patch",
        ),
        ("tokens", hints.tokens is None or "tokens" in kinds, "no layer that mixes so many tokens"),
        ("shape", hints.images is None or has_pixels, "no linear layer that takes such images"),
        (
            "pixels",
            hints.pixels == "chw" or has_pixels,
            "no linear layer whose inputs are known to be pixels",
        ),
    )
    return [f"{name} is given, but there is {none}" for name, is_used, none in uses if not is_used]


def _summed_up(told: dict[str, list[str]]) -> Iterator[str]:
    """Yield what is not known of layers, a line for each of it; ``told``: names of layers by what is not known of them."""
    for line, names in told.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{shown(names[0])}{others}: {line}"


def _refuse_shape(source: object, name: str, axes: tuple[int, ...], shape: ImageShape) -> NoReturn:
    """Raise InputError for a first mask [n_out, n_in] that is not of images of a shape."""
    n_out, n_in = axes
    size = math.prod(shape)
    where = place_of(source)
    raise InputError(
        f"{where}{shown(name)} has {n_in} inputs; --shape {'x'.join(map(str, shape))} holds {size}: "
        + (
            "it may be transposed, a mask is [n_out, n_in]: give --order io if so"
            if n_out == size
            else "give C, H, W whose product is the number of inputs"
        )
    )


def _of_run(run: Run, wanted: Selection) -> Iterator[LayerMask]:
    level = run.finished_level(wanted.level)
    if wanted.shape is not None:
        raise InputError("--shape is for mask files: a run knows the shape of its inputs")
    count = len(run.experiment.network.hidden)
    numbers = range(1, count + 1) if wanted.layer is None else [_number(run, wanted.layer)]
    masks = [(number, run.mask(level, number)) for number in numbers]
    trained = run.model(level).layers
    for number, mask in masks:
        spatial = number == 1 and run.experiment.data.geometry != "none"
        form = LayerForm("linear", (mask.n_out, mask.n_in), run.shape if spatial else None)
        yield LayerMask(f"level {level}, layer {number}", mask, form, "mask", trained[number - 1].weight)


def _number(run: Run, layer: int | str) -> int:
    if isinstance(layer, str) and not layer.strip().isdecimal():
        raise InputError(f"{run.path}: no layer {shown(layer)!r}: layers of a run are numbers, 1 = first")
    return int(layer)
