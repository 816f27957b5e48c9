"""What the result of ``overlap`` shows of itself in a notebook."""

from __future__ import annotations

from prunescope.layers.overlapped import LayerOverlap, NetworkOverlap
from prunescope.notebook.markup import card, heading, line, table, text
from prunescope.notebook.scalars import TITLES, scalar_cells

ROWS = 30
LEGEND = (
    "the share of the sparser mask's kept weights that the other keeps too; null: masks with the same fan-ins and "
    "fan-outs, matched in the same way"
)


def overlap_html(overlap: NetworkOverlap) -> str:
    """Return what two networks share: two rows a layer, as stored and with units matched, the farthest from chance first."""
    titles = ["layer", "shape", "kept", "units", *TITLES[1:]]
    rows = [row for layer in overlap.ranked[:ROWS] for row in _rows(layer)]
    count = f"{len(overlap)} layer{'s' * (len(overlap) != 1)}"
    parts = [heading(f"{overlap.sources[0]} against {overlap.sources[1]}", count), table(titles, rows)]
    if len(overlap) > ROWS:
        parts.append(line(f"and {len(overlap) - ROWS} layers nearer to chance", muted=True))
    notes = [line(text(note), muted=True) for note in overlap.notes]
    return card([*parts, line(LEGEND, muted=True), *notes])


def _rows(layer: LayerOverlap) -> list[list[str]]:
    shape, kept = "x".join(map(str, layer.form.shape)), " / ".join(map(str, layer.stored.kept))
    rows = [[text(layer.name), shape, kept, *scalar_cells("as stored", layer.stored.share)]]
    if layer.matched is not None:
        rows.append(["", "", "", *scalar_cells("matched", layer.matched.share)])
    return rows
