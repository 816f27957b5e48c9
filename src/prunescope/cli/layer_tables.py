"""Tables of what was measured of layers, as `observe` prints them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prunescope.tensors import shown

if TYPE_CHECKING:
    from prunescope.layers import ObservedLayer, ObservedNetwork
    from prunescope.observables.measure import Scalar

# Up to so many layers are printed in full; more of them are ranked, a line each, up to the other number.
IN_FULL = 3
RANKED = 30


def print_observed(observed: ObservedNetwork, words: tuple[str, str], *, as_json: bool) -> None:
    """Print what was measured: a few layers in full, many as a table, the farthest from their null first.

    ``words``: what the inputs are, in brackets, and the density of the run's level, "" where there is none.
    """
    if as_json:
        print(json.dumps(observed.to_dict(), indent=2))
    elif len(observed) <= IN_FULL:
        for layer in observed:
            _print_in_full(layer, words)
    else:
        _print_ranked(observed.ranked)


def _print_in_full(layer: ObservedLayer, words: tuple[str, str]) -> None:
    units, inputs = layer.form.shape[0], math.prod(layer.form.shape[1:])
    size = f"{units} units, {inputs} inputs{words[0]}"
    print(f"{shown(layer.name)}: {size}, weight density {layer.density:.4g}{words[1]}")
    print(f"  {'':28}{'value':>10}{'null':>10}{'sd':>10}{'z':>8}{'shuffles':>10}")
    print(f"  {'fan in mean':28}{layer.fan_in_mean:10.3f}")
    for name, scalar in layer.scalars.items():
        print(f"  {name.replace('_', ' '):28}{_cells(scalar)}{_shuffles(scalar):>10}")


def _print_ranked(layers: Sequence[ObservedLayer]) -> None:
    """Print a line a layer, the farthest from its null first."""
    width = min(48, max(len(shown(layer.name)) for layer in layers[:RANKED]))
    header = f"{'layer':{width}}  {'kind':12}{'shape':>16}{'density':>9}  {'farthest from its null':28}"
    print(f"{header}{'value':>10}{'null':>10}{'sd':>10}{'z':>8}")
    for layer in layers[:RANKED]:
        name = shown(layer.name)
        short = name if len(name) <= width else f"…{name[1 - width :]}"
        shape = "x".join(map(str, layer.form.shape))
        line = f"{short:{width}}  {layer.form.kind:12}{shape:>16}{layer.density:9.4f}  "
        if layer.farthest is not None:
            quantity, scalar = layer.farthest
            line += f"{quantity.replace('_', ' '):28}{_cells(scalar)}"
        print(line.rstrip())
    if len(layers) > RANKED:
        print(
            f"and {len(layers) - RANKED} layers nearer to their nulls (--json prints all, --layer one in full)"
        )


def _cells(scalar: Scalar) -> str:
    columns = (("value", 10, 3), ("null_mean", 10, 3), ("null_sd", 10, 3), ("z", 8, 1))
    return "".join(
        f"{value:z{width}.{places}f}" if math.isfinite(value := getattr(scalar, name)) else f"{'-':>{width}}"
        for name, width, places in columns
    )


def _shuffles(scalar: Scalar) -> str:
    """Return from how many random masks the null of a scalar comes, "exact" where it has a closed form."""
    return {None: "-", 0: "exact"}.get(scalar.shuffles, str(scalar.shuffles))
