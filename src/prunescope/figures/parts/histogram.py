"""This module draws the histogram of the fan-in with that of random pruning."""

from __future__ import annotations

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from prunescope.figures.parts.style import INK


def draw_histogram(axes: Axes, part: polars.DataFrame, colour: str) -> None:
    """Draw the numbers of nodes by fan-in as bars, logarithmic, and those of the binomial null as a dashed line.

    ``part`` is a table of ``analysis.connectivity.fan_in_histogram``. docs/science.md, "Fan-in and fan-out".
    """
    starts = part["fan_in_from"].to_numpy()
    width = int(starts[1] - starts[0]) if len(starts) > 1 else 1
    edges = np.append(starts, starts[-1] + width) - 0.5
    axes.stairs(part["nodes"].to_numpy(), edges, fill=True, color=colour, alpha=0.85, label="trained")
    axes.plot(starts + (width - 1) / 2, part["nodes_if_random"], "--", color=INK, lw=0.9, label="binomial")
    axes.set_yscale("log")
    highest = 2 * max(part["nodes"].to_numpy().max(), part["nodes_if_random"].to_numpy().max())
    axes.set_ylim(0.3, highest)
    # Of few nodes 3, 0.3, … are labelled too, since there would be one label at most.
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if highest > 100 else (1.0, 3.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    mean = float(part["binomial_mean"][0])
    axes.plot([mean], [0.3], "^", color=INK, ms=5, clip_on=False, zorder=5, label="mean")
