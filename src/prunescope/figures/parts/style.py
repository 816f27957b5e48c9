"""This module sets the style of all figures: sizes of a two-column paper, vector fonts and a palette.

The palette can be told apart by colour-blind readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

# Widths in inches of one column and of both, as in ICML and most two-column styles.
COLUMN = 3.25
PAGE = 6.75

# The palette is that of Okabe & Ito (2008) without the yellow, which is too light for lines on white.
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
INK, MUTED, FAINT = "#222222", "#6B6B6B", "#C9C9C9"
DENSITY_MAP = "magma"

# The type is Any because matplotlib's own type of these keys differs between its versions.
STYLE: Any = {
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "axes.titlepad": 4,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    # Without an edge, but on white, so that a line that runs behind a legend does not cross its text.
    "legend.frameon": True,
    "legend.facecolor": "white",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.6,
    "legend.handlelength": 1.6,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=PALETTE),
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3,
    "image.interpolation": "nearest",
    "image.cmap": DENSITY_MAP,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


def density_axis(axes: Axes, densities: Sequence[float]) -> None:
    """Make x the unpruned share u, logarithmic, from dense on the left to sparse on the right.

    ``densities`` are the values of u, shares of 1, that the axis must cover; its labels are in percent.
    """
    axes.set_xscale("log")
    low, high = min(densities), max(densities)
    margin = (high / low) ** 0.04 if high > low else 1.2
    axes.set_xlim(high * margin, low / margin)
    ticks = density_ticks(low / margin, high * margin)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    axes.set_xlabel("unpruned weights $u$ (%)")


def density_ticks(low: float, high: float) -> list[float]:
    """Return the ticks of a logarithmic axis of densities from ``low`` to ``high``: three or more where there is space.

    They are 1 and 3 of each decade, and in a range that holds fewer than three of them, numbers that lie closer.
    """
    for steps in ((1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(one / 10 for one in range(10, 100, 5))):
        ticks = [m * 10.0**e for e in range(-6, 1) for m in steps]
        ticks = [float(f"{tick:.6g}") for tick in ticks if low <= tick <= high]
        if len(ticks) >= 3:
            return ticks
    return ticks


def frame(axes: Axes) -> None:
    """Remove the ticks of axes and draw a thin light frame around them."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.4)
        spine.set_edgecolor(FAINT)


def panel_letter(axes: Axes, letter: str) -> None:
    """Write a panel's letter in bold at the upper left corner of its axes."""
    axes.set_title(letter, loc="left", fontweight="bold", fontsize=8)


def grid(figure: Figure, rows: int, columns: int) -> np.ndarray:
    """Return new axes of a figure as an array [rows, columns], always two-dimensional."""
    return np.asarray(figure.subplots(rows, columns, squeeze=False))
