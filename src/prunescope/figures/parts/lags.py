"""These functions draw S(d) of series as curves over the lag, beside what chance gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from prunescope.figures.parts.series import is_series
from prunescope.figures.parts.style import BLUE, MUTED
from prunescope.mask import ImageShape, Mask
from prunescope.observables import Locality, fan_in, uniform_null

LAG = "lag (samples)"
# The label of the null of S(d) in a legend.
CHANCE = "by chance"
FEW = 8  # Up to this lag each is a dot too.


def chance(masks: Sequence[Mask], shape: ImageShape) -> Locality | None:
    """Return the S(d) of all masks together that their fan-ins give by chance; None for images, whose maps need none.

    docs/science.md, "Relative density".
    """
    if not is_series(shape):
        return None
    nulls = [uniform_null(fan_in(mask), shape) for mask in masks]
    same, different = (
        np.sum([getattr(null, kind) for null in nulls], axis=0) for kind in ("same", "different")
    )
    return Locality(same, different)


def show_lags(
    axes: Axes, values: np.ndarray, *, without_centre: bool, null: np.ndarray | None = None
) -> None:
    """Draw S(d) of series [1, 2L-1] as a curve over the lag, and its null as a dashed line where it is given.

    ``without_centre`` leaves d = 0 out. Lines have the gids ``pairs`` and ``null``.
    """
    counts = np.asarray(values, np.float64).ravel().copy()
    reach = len(counts) // 2
    lag = np.arange(-reach, reach + 1)
    if without_centre:
        counts[reach] = np.nan
    if null is not None:
        expected = np.asarray(null, np.float64).ravel().copy()
        if without_centre:
            expected[reach] = np.nan
        axes.plot(lag, expected, "--", color=MUTED, lw=0.8, gid="null", label=CHANCE)
    axes.plot(lag, counts, color=BLUE, lw=0.9, gid="pairs", label="counted")
    if reach <= FEW:
        axes.plot(lag, counts, "o", color=BLUE, ms=2, gid="points")
    axes.set_xlim(-reach - 0.5, reach + 0.5)
    axes.set_ylim(0, None if np.nanmax(counts, initial=0) > 0 else 1)


def label_lags(axes: Axes, *, bottom: bool, left: bool) -> None:
    """Set ticks of a curve over the lag, with the axis named only where ``bottom`` says so."""
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, symmetric=True))
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.tick_params(labelbottom=bottom)
    axes.set_xlabel(LAG if bottom else "")
    if left:
        axes.set_ylabel("pairs")
