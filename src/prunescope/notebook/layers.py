"""What the result of ``observe`` shows of itself in a notebook."""

from __future__ import annotations

import math

from prunescope.layers.observed_network import ObservedLayer, ObservedNetwork
from prunescope.layers.quantities import quantity
from prunescope.notebook.markup import card, folded, heading, line, table, text
from prunescope.notebook.scalars import LEGEND, TITLES, scalar_cells
from prunescope.observables.measure import Scalar

ROWS = 30
FARTHEST = 12  # so many scalars of a layer are shown at once


def network_html(network: ObservedNetwork) -> str:
    """Return what was measured of a network: one layer in full, several a row each, the farthest from their null first."""
    count = f"{len(network)} layer{'s' * (len(network) != 1)}"
    parts = [heading(network.source, count)]
    if len(network) == 1:
        parts += [line(f"{text(network[0].name)}: {text(_size(network[0]))}"), _scalars(network[0])]
    else:
        parts.append(_ranked(network))
        if len(network) > ROWS:
            parts.append(line(f"and {len(network) - ROWS} layers nearer to their nulls", muted=True))
    notes = [line(text(note), muted=True) for note in network.notes]
    return card([*parts, line(LEGEND, muted=True), *notes])


def layer_html(layer: ObservedLayer) -> str:
    """Return what was measured of a layer, every scalar with its null."""
    return card([heading(layer.name, _size(layer)), _scalars(layer), line(LEGEND, muted=True)])


def _scalars(layer: ObservedLayer) -> str:
    """Return the scalars of a layer, the farthest from their null first; where there are many, the others are folded away."""
    ranked = sorted(layer.scalars, key=lambda name: -_distance(layer.scalars[name]))
    rows = [_cells(layer, name) for name in ranked]
    shown = table(TITLES, rows[:FARTHEST])
    rest = rows[FARTHEST:]
    return shown + (
        folded(f"{len(rest)} nearer to their nulls, or without one", table(TITLES, rest)) if rest else ""
    )


def _distance(scalar: Scalar) -> float:
    return abs(scalar.z) if math.isfinite(scalar.z) else -1.0


def _cells(layer: ObservedLayer, name: str) -> list[str]:
    words = quantity(name, layer.form.kind)
    return scalar_cells(words.title, layer.scalars[name], f"{words.meaning} {words.null}".strip())


def _ranked(network: ObservedNetwork) -> str:
    titles = ["layer", "kind", "shape", "density", "farthest from its null", *TITLES[1:]]
    rows = []
    for layer in network.ranked[:ROWS]:
        facts = [text(layer.name), text(layer.form.kind), layer.form.shape_text, f"{layer.density:.4f}"]
        farthest = layer.farthest
        rows.append(facts + (_cells(layer, farthest[0]) if farthest else [""] * len(TITLES)))
    return table(titles, rows)


def _size(layer: ObservedLayer) -> str:
    return f"{layer.form.kind}, {layer.form.shape_text}, density {layer.density:.4g}"
