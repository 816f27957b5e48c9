"""Tables of what was measured of layers, as `observe` prints them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prunescope.analysis.formats import places_of
from prunescope.cli import plain_output
from prunescope.layers.observed_network import NOT_DEFINED
from prunescope.layers.unstructured_quantities import UNSTRUCTURED
from prunescope.tensors import shown
from prunescope.tensors.printable import end_of

if TYPE_CHECKING:
    from prunescope.layers import ObservedLayer, ObservedNetwork
    from prunescope.observables.measure import Observables, Scalar

# Up to so many layers are printed in full; more of them are ranked, a line each, up to the other number.
IN_FULL = 3
RANKED = 30
# So many of the numbers that need no geometry are printed of a layer, the farthest from their null.
TELLING = 6


def print_observed(
    observed: ObservedNetwork, words: tuple[str, str], *, as_json: bool, every: bool = False
) -> None:
    """Print what was measured: a few layers in full, many as a table, the farthest from their null first.

    ``words``: what the inputs are, in brackets, and the density of the run's level, "" where there is none.
    ``every``: print each number of a layer, and not only the most telling of those that need no geometry.
    """
    if as_json:
        print(json.dumps(observed.to_dict(), indent=2))
    elif len(observed) <= IN_FULL:
        for layer in observed:
            print("\n".join(_in_full(layer, words, every)))
    else:
        print("\n".join(_ranked(observed.ranked)))


def network_text(observed: ObservedNetwork) -> str:
    """Return what ``observe`` prints of a network, and its notes below."""
    few = len(observed) <= IN_FULL
    lines = (
        [line for layer in observed for line in _in_full(layer, rest="print(observed[name])")]
        if few
        else _ranked(observed.ranked, rest="print(observed[name])")
    )
    return shown_lines([*lines, *observed.notes])


def layer_text(layer: ObservedLayer) -> str:
    """Return what ``observe --layer`` prints of a layer: every number with its null."""
    return shown_lines(_in_full(layer, every=True))


def scalars_text(measured: Observables) -> str:
    """Return the scalars of a mask as ``observe`` prints those of a layer."""
    scalars = {name: one for name, one in vars(measured).items() if name != "fan_in_mean"}
    return shown_lines(_table(measured.fan_in_mean, scalars))


def shown_lines(lines: Iterable[str]) -> str:
    """Return lines as one text that cannot drive a terminal."""
    return plain_output.shown("\n".join(lines))


def _in_full(
    layer: ObservedLayer, words: tuple[str, str] = ("", ""), every: bool = False, rest: str = "--layer"
) -> Iterator[str]:
    """Yield the lines of a layer with its numbers; ``rest``: what prints those that are not among them."""
    units, inputs = layer.form.shape[0], math.prod(layer.form.shape[1:])
    size = f"{units} units, {inputs} inputs{words[0]}"
    if layer.form.kind != "linear":
        size = f"{layer.form.kind} {layer.form.shape_text}"
    patterns = "".join(f"; {name}" for name in layer.patterns)
    yield f"{shown(layer.name)}: {size}, weight density {layer.density:.4g}{words[1]}{patterns}"
    secondary = UNSTRUCTURED.keys() - NOT_DEFINED.keys()
    shown_first = {name: one for name, one in layer.scalars.items() if every or name not in secondary}
    others = {name: one for name, one in layer.scalars.items() if name not in shown_first}
    telling = sorted(others, key=lambda name: -others[name].distance)
    printed = shown_first | {name: others[name] for name in telling[:TELLING]}
    yield from _table(layer.fan_in_mean, printed)
    if len(others) > TELLING:
        yield f"  and {len(others) - TELLING} numbers nearer to their nulls ({rest} prints all)"


def _table(fan_in_mean: float, scalars: Mapping[str, Scalar]) -> Iterator[str]:
    """Yield a line a number, with its null."""
    width = max(32, 0, *(len(name) + 1 for name in scalars))
    yield f"  {'':{width}}{'value':>10}{'null':>10}{'sd':>10}{'z':>8}{'shuffles':>10}"
    yield f"  {'fan in mean':{width}}{fan_in_mean:10.3f}"
    for name, scalar in scalars.items():
        yield f"  {name.replace('_', ' '):{width}}{_cells(scalar)}{_shuffles(scalar):>10}"


def _ranked(layers: Sequence[ObservedLayer], rest: str = "--json") -> Iterator[str]:
    """Yield a line a layer, the farthest from its null first; ``rest``: what prints those that are not among them."""
    width = min(48, max(len(shown(layer.name)) for layer in layers[:RANKED]))
    farthest = [layer.farthest[0] for layer in layers[:RANKED] if layer.farthest is not None]
    words = max(32, 0, *(len(name) + 1 for name in farthest))
    header = f"{'layer':{width}}  {'kind':12}{'shape':>16}{'density':>9}  {'farthest from its null':{words}}"
    yield f"{header}{'value':>10}{'null':>10}{'sd':>10}{'z':>8}"
    for layer in layers[:RANKED]:
        name = shown(layer.name)
        line = f"{end_of(name, width):{width}}  {layer.form.kind:12}{layer.form.shape_text:>16}{layer.density:9.4f}  "
        if layer.farthest is not None:
            quantity, scalar = layer.farthest
            line += f"{quantity.replace('_', ' '):{words}}{_cells(scalar)}"
        yield f"{line}  {', '.join(layer.patterns)}".rstrip()
    if len(layers) > RANKED:
        yield f"and {len(layers) - RANKED} layers nearer to their nulls ({rest} prints all)"
    most = max(len(layer.scalars) for layer in layers)
    yield f"up to {most} numbers a layer: in a random layer the farthest of so many has a |z| of about 3"


def _cells(scalar: Scalar) -> str:
    """Return value, null and sd with as many places as the sd asks for, three at least, and z."""
    places = places_of(scalar.null_sd)
    columns = (("value", 10, places), ("null_mean", 10, places), ("null_sd", 10, places), ("z", 8, 1))
    return "".join(
        f"{value:z{width}.{digits}f}" if math.isfinite(value := getattr(scalar, name)) else f"{'-':>{width}}"
        for name, width, digits in columns
    )


def _shuffles(scalar: Scalar) -> str:
    """Return from how many random masks the null of a scalar comes, "exact" where it has a closed form."""
    return {None: "-", 0: "exact"}.get(scalar.shuffles, str(scalar.shuffles))
