"""Pages of small pictures, placed in inches: hundreds of them need no axes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from prunescope.figures.parts.style import FAINT, MUTED

GAP = 0.05
CAPTION = 0.12
TITLE = 0.22


@dataclass(frozen=True)
class TileSheet:
    """Pictures [H, W, 3] in rows of ``columns``, each under its caption, all under a title."""

    title: str
    images: Sequence[np.ndarray]
    captions: Sequence[str]
    columns: int


def blank(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches, and axes over all of it whose units are inches from the upper left corner."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return figure, axes


def place(axes: Axes, image: np.ndarray, x: float, y: float, width: float, caption: str = "") -> None:
    """Draw a picture with its upper left corner at (x, y), its caption above."""
    height = width * image.shape[0] / image.shape[1]
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(image, extent=(x, x + width, y + height, y), vmin=0, vmax=1, aspect="auto")
    axes.set(xlim=limits[0], ylim=limits[1])
    # A dense mask is white: without an edge it would vanish on the page.
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=FAINT, linewidth=0.4))
    if caption:
        write(axes, x + width / 2, y - 0.025, caption, color=MUTED, fontsize=5.5)


def write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Text whose bottom centre is at (x, y)."""
    look: dict[str, Any] = {"ha": "center", "va": "bottom", "linespacing": 1.1} | style
    axes.text(x, y, text, **look)


def axes_at(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes of their own on a blank page, upper left corner at (x, y) inches."""
    whole_width, whole_height = figure.get_size_inches()
    bottom = 1 - (y + height) / whole_height
    return figure.add_axes((x / whole_width, bottom, width / whole_width, height / whole_height))


def stacked(sheets: Sequence[TileSheet], width: float) -> Figure:
    """Sheets below each other on one page of this width."""
    heights = [tile_sheet_height(sheet, width) for sheet in sheets]
    figure, axes = blank(width, sum(heights) + GAP)
    top = 0.0
    for sheet, height in zip(sheets, heights, strict=True):
        draw_tile_sheet(axes, sheet, 0.0, top, width)
        top += height
    return figure


def draw_tile_sheet(axes: Axes, sheet: TileSheet, x: float, y: float, width: float, letter: str = "") -> None:
    """Draw a sheet with its upper left corner at (x, y), its title behind the panel's letter."""
    if letter:
        panel(axes, x + GAP, y + TITLE - 0.05, letter)
    write(axes, x + GAP + (0.2 if letter else 0), y + TITLE - 0.05, sheet.title, ha="left", va="baseline")
    side, row_height, caption_height = _tile(sheet, width)
    for number, (image, caption) in enumerate(zip(sheet.images, sheet.captions, strict=True)):
        row, column = divmod(number, sheet.columns)
        left, top = x + GAP + column * (side + GAP), y + TITLE + caption_height + row * row_height
        place(axes, image, left, top, side, caption)


def panel(axes: Axes, x: float, y: float, letter: str) -> None:
    """A panel's bold letter."""
    write(axes, x, y, letter, ha="left", va="baseline", fontweight="bold", fontsize=8)


def tile_sheet_height(sheet: TileSheet, width: float) -> float:
    """The height in inches that a sheet takes at this width."""
    return TITLE + -(-len(sheet.images) // sheet.columns) * _tile(sheet, width)[1] + GAP


def _tile(sheet: TileSheet, width: float) -> tuple[float, float, float]:
    """The width of a picture, the height of a row with its captions, and that of the captions alone."""
    side = (width - GAP) / sheet.columns - GAP
    shape = sheet.images[0].shape if sheet.images else (1, 1)
    caption = CAPTION if any(sheet.captions) else GAP / 2
    return side, side * shape[0] / shape[1] + GAP / 2 + caption, caption
