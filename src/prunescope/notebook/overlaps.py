"""What the result of ``overlap`` shows of itself in a notebook."""

from __future__ import annotations

from prunescope.layers.network_overlap import LayerOverlap, NetworkOverlap
from prunescope.notebook.markup import card, heading, line, table, text
from prunescope.notebook.scalars import LEGEND, TITLES, scalar_cells

ROWS = 30


def overlap_html(network: NetworkOverlap) -> str:
    """Return what the masks of two networks share: a row a layer and matching, the farthest from chance first."""
    parts = [heading(" and ".join(network.sources), f"{len(network)} layer{'s' * (len(network) != 1)}")]
    rows = [row for layer in network.ranked[:ROWS] for row in _rows(layer)]
    parts.append(table(["layer", "shape", "kept", "shared", *TITLES], rows))
    if len(network) > ROWS:
        parts.append(line(f"and {len(network) - ROWS} layers nearer to chance", muted=True))
    notes = [line(text(note), muted=True) for note in network.notes]
    return card([*parts, line(LEGEND, muted=True), *notes])


def _rows(layer: LayerOverlap) -> list[list[str]]:
    """Return the row of a layer's masks as they are, and that of its masks after the matching of units, if there is one."""
    stored, matched = layer.stored, layer.matched
    kept = " and ".join(f"{count:,}" for count in stored.kept)
    rows = [
        [
            text(layer.name),
            layer.form.shape_text,
            kept,
            f"{stored.shared:,}",
            *scalar_cells("share", stored.share),
        ]
    ]
    if matched is not None:
        cells = scalar_cells("share, units matched", matched.share)
        rows.append(["", "", "", f"{matched.shared:,}", *cells])
    return rows
