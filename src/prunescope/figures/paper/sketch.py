"""This module draws what S(d) counts, on a mask small enough to count by eye (paper Fig. 2a); it reads no run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle

from prunescope.analysis.groups import FigureOptions
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import BLUE, FAINT, GREEN, INK, MUTED, PAGE, VERMILION
from prunescope.figures.parts.tiles import axes_at, blank, write
from prunescope.mask import ImageShape, Mask
from prunescope.observables import locality
from prunescope.runs.directory import Run

SIDE = 8
SHAPE: ImageShape = (1, SIDE, SIDE)
# The connected pixels (y, x) are a short line with a pixel below it, and two pixels on their own.
CONNECTED = ((2, 1), (2, 2), (2, 3), (2, 4), (3, 3), (5, 6), (6, 2))
# The displacements (dx, dy) whose pairs are drawn, with their colour and the position (x, y) of their name.
SHOWN = {
    (1, 0): (BLUE, (0.4, 1.1)),
    (3, 3): (VERMILION, (4.75, 3.5)),
    (-1, 3): (GREEN, (-0.25, 4.4)),
}
GRID, TOP = 1.75, 0.32


def toy_mask() -> Mask:
    """Return the mask of the sketch: one node, 1x8x8 pixels, 7 connections."""
    array = np.zeros((SIDE, SIDE), np.bool_)
    array[tuple(np.transpose(CONNECTED))] = True
    return Mask(array.reshape(1, -1))


def pairs_at(displacement: tuple[int, int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the pairs of connected pixels (y, x) at ``displacement`` (dx, dy) from each other."""
    dx, dy = displacement
    ends = [((y, x), (y + dy, x + dx)) for y, x in CONNECTED]
    return [(start, end) for start, end in ends if end in CONNECTED]


def figure_2a(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw a node, its connected pixels, some of their pairs, and the S_sc(d) that all its pairs give.

    Arrows and outlines of one colour are the pairs at one displacement; S counts ordered pairs, so that each pair is
    also counted at -d. Data: mask bool [H, W], same int64 [2H-1, 2W-1]. docs/science.md, "Locality". Paper Fig. 2a.
    """
    counts = locality(toy_mask(), SHAPE).same
    figure, page = blank(PAGE, TOP + GRID + 0.22)
    _node(axes_at(figure, 0.05, TOP, 2.75, GRID))
    _pairs(axes_at(figure, 2.95, TOP, GRID, GRID))
    _histogram(axes_at(figure, 4.95, TOP, GRID, GRID), counts)
    for letter, x in zip("abc", (0.05, 2.95, 4.95), strict=True):
        write(page, x, TOP - 0.12, letter, ha="left", va="baseline", fontweight="bold", fontsize=8)
    for text, x in (
        ("pixels connected to a node $j$", 0.25),
        ("pairs of them at displacement $d$", 3.15),
        ("$S_{sc}(d)$: how many there are", 5.15),
    ):
        write(page, x, TOP - 0.12, text, ha="left", va="baseline")
    return Drawing(figure, {"mask": toy_mask().images(SHAPE)[0, 0], "same": counts})


def _node(axes: Axes) -> None:
    """Draw the grid in perspective on the left, node j and its connections on the right."""
    axes.set_axis_off()
    axes.set(xlim=(0, 2.75), ylim=(GRID, 0))
    corners = _lean(np.array([(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)]))
    axes.fill(*corners.T, facecolor="white", edgecolor=MUTED, linewidth=0.7)
    for line in range(1, SIDE):
        for ends in ([(line, 0), (line, SIDE)], [(0, line), (SIDE, line)]):
            axes.plot(*_lean(np.array(ends)).T, color=FAINT, lw=0.4)
    node = (2.25, 0.78)
    for y, x in CONNECTED:
        cell = np.array([(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)])
        axes.fill(*_lean(cell).T, facecolor=INK, edgecolor="none", zorder=3)
        middle = _lean(np.array([(x + 0.5, y + 0.5)]))[0]
        axes.plot([middle[0], node[0]], [middle[1], node[1]], color=MUTED, lw=0.5, zorder=2)
    for height in (0.3, 0.78, 1.26):
        chosen = height == node[1]
        axes.add_patch(
            Circle((node[0], height), 0.1, facecolor=VERMILION if chosen else FAINT, ec="none", zorder=4)
        )
    axes.text(node[0] + 0.17, node[1], "$j$", va="center", fontsize=9)
    axes.text(node[0], GRID - 0.02, "first hidden\nlayer", ha="center", va="bottom", color=MUTED)
    axes.text(0.68, GRID - 0.02, "input", ha="center", va="bottom", color=MUTED)


def _lean(points: np.ndarray) -> np.ndarray:
    """Return pixels (x, y) in inches of the grid in perspective."""
    x, y = points.T / SIDE
    return np.column_stack([0.12 + 1.1 * x, 0.08 + 1.1 * y + 0.3 * (1 - x) * 1.0])


def _pairs(axes: Axes) -> None:
    _squares(axes, SIDE, 0.5)
    for y, x in CONNECTED:
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="#DADADA", edgecolor=MUTED, lw=0.5))
    for displacement, (colour, place) in SHOWN.items():
        name = f"$d=({displacement[0]},{displacement[1]})$".replace("-", "{-}")
        axes.text(*place, name, color=colour, ha="left", va="center")
        for (y, x), (end_y, end_x) in pairs_at(displacement):
            arrow = {
                "arrowstyle": "-|>",
                "color": colour,
                "lw": 1.2,
                "shrinkA": 0,
                "shrinkB": 0,
                "mutation_scale": 6,
            }
            axes.annotate("", (end_x, end_y), (x, y), arrowprops=arrow)
    axes.text(
        0.5,
        -0.03,
        "pixel $i$ to pixel $k$: $d = (x_k-x_i,\\ y_k-y_i)$",
        transform=axes.transAxes,
        ha="center",
        va="top",
    )


def _histogram(axes: Axes, counts: np.ndarray) -> None:
    reach = SIDE - 1
    _squares(axes, 2 * SIDE - 1, reach + 0.5, offset=reach)
    largest = counts.max()
    for (row, column), count in np.ndenumerate(counts):
        if count:
            x, y = column - reach, row - reach
            shade = str(1.02 - 0.45 * count / largest)
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=shade, edgecolor="none"))
            axes.text(x, y, str(count), ha="center", va="center_baseline", fontsize=4.5)
    for (dx, dy), (colour, _) in SHOWN.items():
        for sign in (1, -1):
            place = (sign * dx - 0.5, sign * dy - 0.5)
            axes.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor=colour, lw=1.3, zorder=3))
    axes.plot([0], [0], "+", color=MUTED, ms=5, mew=0.8)
    axes.text(
        0.5, -0.03, "$d_x$ across, $d_y$ down; + is $d = 0$", transform=axes.transAxes, ha="center", va="top"
    )


def _squares(axes: Axes, count: int, edge: float, offset: int = 0) -> None:
    """Draw an empty grid of count² unit squares, the first one centred at (-offset, -offset)."""
    low, high = -0.5 - offset, count - 0.5 - offset
    axes.set(xlim=(low, high), ylim=(high, low), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor=MUTED, linewidth=0.7)
    for line in np.arange(low + 1, high):
        axes.axhline(line, color=FAINT, lw=0.3, zorder=0)
        axes.axvline(line, color=FAINT, lw=0.3, zorder=0)
