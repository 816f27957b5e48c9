"""This module draws what the masks of two networks share, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from prunescope.figures.figure_files import OVERLAP, check_figure_place, file_stem
from prunescope.figures.layers.names import short_names
from prunescope.figures.parts.drawing import Drawing, write
from prunescope.figures.parts.style import BLUE, FAINT, PAGE, VERMILION
from prunescope.figures.plots import finished, in_style

if TYPE_CHECKING:
    from prunescope.layers.network_overlap import NetworkOverlap

# So many layers are drawn, those farthest from chance; the data hold all.
MOST_LAYERS = 40
ROW, AROUND = 0.2, 1.0  # inches: of a layer, and of what is above and below all of them


def draw_overlap(overlap: NetworkOverlap, out: Path) -> list[Path]:
    """Draw the share of kept weights that each layer of two networks has in common, beside chance.

    Writes figure-overlap-layers.pdf, .png (300 dpi) and its data, .csv, into the folder ``out`` and returns their paths.
    Raises InputError when the folder cannot be written. docs/science.md, "Overlap" and "Matched units".
    """
    check_figure_place(out, OVERLAP)
    with in_style():
        return write(overlap_drawing(overlap), out, file_stem(OVERLAP))


def overlap_figure(overlap: NetworkOverlap) -> Figure:
    """Draw the same for a notebook; see ``NetworkOverlap.plot``."""
    with in_style():
        return finished(overlap_drawing(overlap))


def overlap_drawing(overlap: NetworkOverlap) -> Drawing:
    """Return the drawing: layers from top to bottom, a point for each share, a bar for chance, mean ± 2 sd."""
    chosen = set(map(id, overlap.ranked[:MOST_LAYERS]))
    places = [place for place, layer in enumerate(overlap) if id(layer) in chosen]
    table = overlap.table
    rows = table[places]
    matched = rows["matched_share"].null_count() < len(rows)
    figure = Figure(figsize=(PAGE, AROUND + ROW * max(3, len(rows))))
    axes = figure.add_subplot()
    sides = [("", BLUE, "units as stored"), *([("matched_", VERMILION, "units matched")] if matched else [])]
    for side, (prefix, colour, _) in enumerate(sides):
        shift = 0.18 * (2 * side - 1) if matched else 0.0
        _draw_points(axes, rows, prefix, colour, np.arange(len(rows)) + shift)
    names = short_names(overlap[place].name for place in places)
    axes.set_yticks(np.arange(len(rows)), [f"{a}  {b}" for a, b in zip(names, rows["shape"], strict=True)])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, None)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=FAINT, lw=0.4)
    axes.set_axisbelow(True)
    axes.set_xlabel("kept weights in common (% of the sparser mask's)")
    entries: list[Line2D | Patch] = [
        Line2D([], [], color=colour, marker="o", ls="", label=name) for _, colour, name in sides
    ]
    entries.append(Patch(facecolor=FAINT, lw=0, label="chance at the same margins, ± 2 sd"))
    figure.legend(handles=entries, loc="outside upper center", ncols=len(entries))
    return Drawing(figure, table, notes=_notes(overlap, len(rows)))


def _draw_points(axes: Axes, rows: polars.DataFrame, prefix: str, colour: str, y: np.ndarray) -> None:
    """Draw shares as points in percent, and their nulls as bars with a line at the mean."""
    share, mean, sd = (
        100 * rows[f"{prefix}{name}"].cast(polars.Float64).fill_null(np.nan).to_numpy()
        for name in ("share", "null_mean", "null_sd")
    )
    spread = np.nan_to_num(sd)
    low = np.maximum(mean - 2 * spread, 0)
    axes.barh(y, mean + 2 * spread - low, left=low, height=0.3, color=colour, alpha=0.25, lw=0)
    axes.vlines(mean, y - 0.15, y + 0.15, color=colour, lw=1)
    axes.plot(share, y, "o", color=colour, ms=3.5, zorder=3, clip_on=False)


def _notes(overlap: NetworkOverlap, drawn: int) -> tuple[str, ...]:
    """Return what is written below the figure."""
    first, second = overlap.sources
    notes = [f"{first} against {second}."]
    if drawn < len(overlap):
        notes.append(
            f"Shown are {drawn} of {len(overlap)} layers, those farthest from chance; the data hold all."
        )
    return tuple(notes)
