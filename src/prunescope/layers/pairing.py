"""The layers of two networks side by side: which belong together, and which of them feed each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from prunescope.errors import InputError
from prunescope.layers.kinds import LayerForm, LayerMask
from prunescope.layers.packed_units import unit_rows
from prunescope.mask import Mask
from prunescope.observables.unit_matching import LayerPair
from prunescope.tensors import shown

Chain = Literal["auto", "hidden", "outputs", "none"]

# What the names of a layer's tensors end and begin with, whichever of them holds the mask.
ENDINGS = re.compile(r"(\.weight_mask|\.weight_orig|\.weight|\.kernel|\.mask|_mask)+$")
BEGINNINGS = re.compile(r"^(module\.|_orig_mod\.)+")
# Names of layers that read the same inputs as others or write where others write: they are no chain, whatever their sizes.
BRANCHING = re.compile(
    r"att(e?n|ention)|\b[qkv]_?proj|query|\bkey\b|value|in_proj|out_proj|shortcut|downsample|embed", re.I
)


@dataclass(frozen=True, eq=False)
class PackedLayer:
    """A layer's mask, eight weights to a byte, so that two large networks lie in memory together."""

    name: str
    form: LayerForm
    bits: bytes
    size: tuple[int, int]

    @classmethod
    def of(cls, layer: LayerMask) -> PackedLayer:
        """Return a layer, packed."""
        mask = layer.mask
        return cls(layer.name, layer.form, mask.pack().tobytes(), (mask.n_out, mask.n_in))

    @property
    def mask(self) -> Mask:
        """The mask, unpacked."""
        return Mask.unpack(np.frombuffer(self.bits, np.uint8), *self.size)


@dataclass(frozen=True, eq=False)
class NamedPair:
    """The masks of a layer of two networks with its names; they lie in memory packed, eight weights to a byte."""

    names: tuple[str, str]
    form: LayerForm
    packed: tuple[PackedLayer, PackedLayer]

    @property
    def outputs(self) -> int:
        """The number of units, each of which may have several rows."""
        rows = unit_rows(self.form)
        return self.form.shape[0] if rows is None else len(rows)

    def beside(self, *, follows: bool, matched: bool) -> LayerPair:
        """Return the masks, unpacked, with how the layer stands among the others."""
        first, second = (one.mask for one in self.packed)
        return LayerPair(first, second, follows, matched, unit_rows(self.form))


def paired(
    first: Iterable[LayerMask], second: Iterable[LayerMask], say: Callable[[str], None]
) -> list[NamedPair]:
    """Return the layers of two networks that belong together, in the order of the first.

    They are paired by their names, whichever tensor of a layer holds its mask; where the two have no name in common, in
    their order, as far as shapes agree. ``say``: is told which layers have no partner. Raises InputError where layers
    of one name have two shapes, and where no layers belong together.
    """
    ours, theirs = ([PackedLayer.of(layer) for layer in layers] for layers in (first, second))
    pairs = _by_name(ours, theirs)
    if pairs is None:
        pairs = [
            (one, other)
            for one, other in zip(ours, theirs, strict=False)
            if one.form.shape == other.form.shape
        ]
        if pairs and [one.name for one, _ in pairs] != [other.name for _, other in pairs]:
            say("layers have other names in the second: they are paired in their order")
    if not pairs:
        raise InputError(
            f"no layers of the same shape belong together: the first begins with {_described(ours)}, the second with "
            f"{_described(theirs)}"
        )
    for layers, taken, which in (
        (ours, {id(one) for one, _ in pairs}, "second"),
        (theirs, {id(other) for _, other in pairs}, "first"),
    ):
        alone = [shown(layer.name) for layer in layers if id(layer) not in taken]
        if alone:
            named = ", ".join(alone[:6] + [f"and {len(alone) - 6} more"] * (len(alone) > 6))
            say(f"without a partner in the {which}: {named}")
    return [NamedPair((one.name, other.name), one.form, (one, other)) for one, other in pairs]


def _by_name(
    ours: Sequence[PackedLayer], theirs: Sequence[PackedLayer]
) -> list[tuple[PackedLayer, PackedLayer]] | None:
    """Return the layers of the same names; None where there are none, and where two layers have one name.

    Raises InputError where layers of one name have two shapes.
    """
    names = [[bare_name(layer.name) for layer in layers] for layers in (ours, theirs)]
    known = dict(zip(names[1], theirs, strict=True))
    common = set(names[0]) & known.keys()
    if not common or any(len(set(one)) < len(one) for one in names):
        return None
    pairs = [(one, known[name]) for name, one in zip(names[0], ours, strict=True) if name in common]
    for one, other in pairs:
        if one.form.shape != other.form.shape:
            raise InputError(
                f"{shown(one.name)} is {one.form.shape_text} in the first, {other.form.shape_text} in the second"
            )
    return pairs


def bare_name(name: str) -> str:
    """Return the name of a layer without that of the tensor that holds its mask: ``fc1`` of ``fc1.weight_mask``."""
    return ENDINGS.sub("", BEGINNINGS.sub("", name)) or name


def _described(layers: Sequence[PackedLayer]) -> str:
    return f"{shown(layers[0].name)} ({layers[0].form.shape_text})" if layers else "no layer"


def resolved_chain(pairs: Sequence[NamedPair], chain: Chain, *, of_run: bool) -> Chain:
    """Return how the layers stand to each other: "hidden", "outputs" or "none".

    ``chain`` is one of them, or "auto": the hidden layers of a run (``of_run``), otherwise a chain that ends in output
    units where the sizes of all layers fit and no name says that it branches. Raises InputError where sizes do not fit.
    """
    unfit = next((b for a, b in pairwise(pairs) if not _follows(a, b)), None)
    if chain in ("hidden", "outputs"):
        if unfit is not None:
            raise InputError(
                f"{shown(unfit.names[0])} does not take the units of the layer before it as inputs: give the chain none"
            )
        return chain
    if chain == "none" or unfit is not None:
        return "none"
    if of_run:
        return "hidden"
    branches = any(
        pair.form.kind in ("attention", "recurrent") or any(map(BRANCHING.search, pair.names))
        for pair in pairs
    )
    return "none" if branches or len(pairs) == 1 else "outputs"


def _follows(before: NamedPair, after: NamedPair) -> bool:
    """Return whether a layer may take the units of the one before it as inputs, those of a convolution flattened too."""
    inputs = after.form.shape[1]
    flattened = len(before.form.shape) > 2 and len(after.form.shape) == 2
    return inputs == before.outputs or (flattened and inputs % before.outputs == 0)
