"""These functions draw pages of many small pictures on one pair of axes whose units are inches.

One pair of axes for the page draws hundreds of pictures much faster than axes for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from prunescope.figures.parts.series import AXIS, RASTER_AXIS, SeriesPicture, SeriesRaster, time_axis
from prunescope.figures.parts.style import FAINT, MUTED

# Inches: between two pictures, and the heights of a caption and of a sheet's title.
GAP = 0.05
CAPTION = 0.12
TITLE = 0.22
# Between a row without captions and the captions of the next.
APART = 0.08


@dataclass(frozen=True)
class Position:
    """A position of a picture or a sheet on a page: its upper left corner (x, y) and its width, in inches."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class TileSheet:
    """A titled sheet of pictures in rows of ``columns``, each under its caption (empty for none).

    Pictures are arrays [H, W, 3], or of series, which all have one length and an axis of time below the last row.
    """

    title: str
    images: Sequence[np.ndarray | SeriesPicture]
    captions: Sequence[str]
    columns: int


@dataclass(frozen=True)
class RasterSheet:
    """A titled raster of many nodes' masks or weights, whose inputs are series."""

    title: str
    raster: SeriesRaster


Sheet: TypeAlias = TileSheet | RasterSheet


def blank(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure and axes that cover it; both sizes are in inches.

    The units of the axes are inches from the upper left corner, y pointing down.
    """
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return figure, axes


def place(axes: Axes, image: np.ndarray | SeriesPicture, position: Position, caption: str = "") -> None:
    """Draw a picture at a position of a page from ``blank``, its caption above.

    A picture is an array [H, W, 3] with values in 0 to 1, or that of a series.
    """
    x, y, width = position.x, position.y, position.width
    height = width * image.shape[0] / image.shape[1]
    if isinstance(image, SeriesPicture):
        image.draw(axes, (x, y), width)
        if caption:
            write(axes, x + width / 2, y - 0.025, caption, color=MUTED, fontsize=5.5)
        return
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(image, extent=(x, x + width, y + height, y), vmin=0, vmax=1, aspect="auto")
    axes.set(xlim=limits[0], ylim=limits[1])
    # A dense mask is white and would vanish on the page without an edge.
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=FAINT, linewidth=0.4))
    if caption:
        write(axes, x + width / 2, y - 0.025, caption, color=MUTED, fontsize=5.5)


def write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write text whose bottom centre is at (x, y) inches; ``style`` overrides keywords of ``Axes.text``."""
    keywords: dict[str, Any] = {"ha": "center", "va": "bottom", "linespacing": 1.1} | style
    axes.text(x, y, text, **keywords)


def axes_at(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Add axes to a page, with their upper left corner at (x, y) and of this width and height, all in inches."""
    whole_width, whole_height = figure.get_size_inches()
    bottom = 1 - (y + height) / whole_height
    return figure.add_axes((x / whole_width, bottom, width / whole_width, height / whole_height))


def stacked(sheets: Sequence[Sheet], width: float) -> Figure:
    """Return a page of this width in inches with the sheets below each other."""
    heights = [tile_sheet_height(sheet, width) for sheet in sheets]
    figure, axes = blank(width, sum(heights) + GAP)
    top = 0.0
    for sheet, height in zip(sheets, heights, strict=True):
        draw_tile_sheet(axes, sheet, Position(0.0, top, width))
        top += height
    return figure


def draw_tile_sheet(axes: Axes, sheet: Sheet, position: Position, letter: str = "") -> None:
    """Draw a sheet at a position of a page from ``blank``, with its title after the panel's letter, if any."""
    x, y, width = position.x, position.y, position.width
    if letter:
        panel(axes, x + GAP, y + TITLE - 0.05, letter)
    write(axes, x + GAP + (0.2 if letter else 0), y + TITLE - 0.05, sheet.title, ha="left", va="baseline")
    if isinstance(sheet, RasterSheet):
        sheet.raster.draw(axes, (x + GAP, y + TITLE + GAP), width - 2 * GAP)
        return
    side, tops = _tile_side(sheet, width), _row_tops(sheet, width)
    for number, (image, caption) in enumerate(zip(sheet.images, sheet.captions, strict=True)):
        row, column = divmod(number, sheet.columns)
        left, top = x + GAP + column * (side + GAP), y + TITLE + tops[row]
        place(axes, image, Position(left, top, side), caption)
        if isinstance(image, SeriesPicture) and number + sheet.columns >= len(sheet.images):
            below = top + side * image.shape[0] / image.shape[1]
            time_axis(axes, (left, below), side, image.values.shape[1])


def panel(axes: Axes, x: float, y: float, letter: str) -> None:
    """Write a panel's letter in bold, with the left end of its baseline at (x, y) inches."""
    write(axes, x, y, letter, ha="left", va="baseline", fontweight="bold", fontsize=8)


def tile_sheet_height(sheet: Sheet, width: float) -> float:
    """Return the height in inches that a sheet takes at this width in inches."""
    if isinstance(sheet, RasterSheet):
        return TITLE + sheet.raster.height(width - 2 * GAP) + RASTER_AXIS + 2 * GAP
    axis = AXIS if any(isinstance(image, SeriesPicture) for image in sheet.images) else 0.0
    return TITLE + _row_tops(sheet, width)[-1] + GAP + axis


def _tile_side(sheet: TileSheet, width: float) -> float:
    """Return the width of a picture in inches."""
    return (width - GAP) / sheet.columns - GAP


def _row_tops(sheet: TileSheet, width: float) -> list[float]:
    """Return the upper ends of the rows of pictures in inches below the title, and the lower end of the last row.

    A row without captions below one that has some shows the same things otherwise: it is close to it, and away from the
    captions that follow.
    """
    shape = sheet.images[0].shape if sheet.images else (1, 1)
    height = _tile_side(sheet, width) * shape[0] / shape[1] + GAP / 2
    tops, end, captioned = [], 0.0, True
    for start in range(0, len(sheet.images), sheet.columns):
        before, captioned = captioned, any(sheet.captions[start : start + sheet.columns])
        end += (CAPTION if captioned else GAP / 2) + (APART if captioned and not before else 0.0)
        tops.append(end)
        end += height
    return [*tops, end]
