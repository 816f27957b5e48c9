"""What the result of ``observe`` shows of itself in a notebook."""

from __future__ import annotations

from prunescope.layers.observed import ObservedLayer, ObservedNetwork
from prunescope.notebook.markup import card, heading, line, table, text
from prunescope.notebook.scalars import LEGEND, TITLES, scalar_cells

ROWS = 30
IN_FULL = 3  # so many layers are shown with every scalar


def network_html(network: ObservedNetwork) -> str:
    """Return what was measured of a network: a few layers in full, many a row each, the farthest from their null first."""
    count = f"{len(network)} layer{'s' * (len(network) != 1)}"
    parts = [heading(network.source, count)]
    if len(network) <= IN_FULL:
        for layer in network:
            parts += [line(f"{text(layer.name)}: {text(_size(layer))}"), _scalars(layer)]
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
    return table(TITLES, [scalar_cells(name, scalar) for name, scalar in layer.scalars.items()])


def _ranked(network: ObservedNetwork) -> str:
    titles = ["layer", "kind", "shape", "density", "farthest from its null", *TITLES[1:]]
    rows = []
    for layer in network.ranked[:ROWS]:
        facts = [text(layer.name), text(layer.form.kind), _shape(layer), f"{layer.density:.4f}"]
        farthest = layer.farthest
        rows.append(facts + (scalar_cells(*farthest) if farthest else [""] * len(TITLES)))
    return table(titles, rows)


def _size(layer: ObservedLayer) -> str:
    return f"{layer.form.kind}, {_shape(layer)}, density {layer.density:.4g}"


def _shape(layer: ObservedLayer) -> str:
    return "x".join(map(str, layer.form.shape))
