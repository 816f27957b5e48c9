"""This module draws g(d) = S(d) / E S(d), the relative density of pairs.

S(d) falls off with the distance because an image has fewer far pairs; g(d) does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from prunescope.analysis.groups import FigureOptions, Group, one_group, shown_levels
from prunescope.analysis.locality import RelativeDensity, relative_locality
from prunescope.errors import InputError
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.locality_maps import label_displacements, show_pairs
from prunescope.figures.parts.series import is_series
from prunescope.figures.parts.style import COLUMN, INK, MUTED, VERMILION
from prunescope.runs.directory import Run

# Displacements with fewer expected pairs than this are too noisy for a colour.
FEWEST_PAIRS = 10
# Sets of ticks from coarse to fine. The first set with at least three ticks within an axis is taken.
AXIS_TICKS = (
    (0.1, 1, 10, 100),
    (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50),
    (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.4, 1.6, 2),
    (0.9, 0.95, 1, 1.05, 1.1),
)


def figure_g(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw g(d) of same-channel pairs as maps (top) and against the distance (bottom).

    Series have no maps, since g is the same at both lags of a distance. Chance gives 1. The grey band is 1 ± 2 sd of masks shuffled at matched fan-in, in closed form; the dotted line is g against
    the null that keeps each pixel's fan-out, which removes the bias towards the centre. Data: arrays for each level.
    docs/science.md, "Relative density" and "Inhomogeneous null".
    """
    group = one_group(runs, "g")
    shown = shown_levels(group, options)
    if np.prod(group.runs[0].shape[1:]) < 2:
        raise InputError(
            f"{group.runs[0].path}: its inputs are single pixels, which have no distances to draw g over"
        )
    measured = [relative_locality(group, level) for level in shown]
    data = {
        f"level{level}_{name}": value
        for level, one in zip(shown, measured, strict=True)
        for name, value in vars(one).items()
    }
    if is_series(group.runs[0].shape):
        return Drawing(_over_lags(group, shown, measured), data)
    columns = len(shown)
    figure = Figure(figsize=(max(COLUMN, 1.9 * columns + 0.75), 3.9))
    widths = [*(1.0,) * columns, 0.05]
    places = np.asarray(
        figure.subplots(2, columns + 1, squeeze=False, width_ratios=widths, height_ratios=(1, 0.85))
    )
    reliable = [np.where(one.expected >= FEWEST_PAIRS, one.map, np.nan) for one in measured]
    highest = max(1.5, *(float(np.nanmax(image)) for image in reliable if np.isfinite(image).any()))
    norm = LogNorm(1 / highest, highest)
    for column, (level, one) in enumerate(zip(shown, measured, strict=True)):
        values = np.maximum(reliable[column], 1 / highest)  # Zero has no logarithm, and nan stays nan.
        drawn = show_pairs(places[0, column], values, without_centre=True, norm=norm, cmap="RdBu_r")
        label_displacements(places[0, column], bottom=True, left=column == 0)
        places[0, column].set_title(group.title(level))
        _radial(places[1, column], one)
    places[1, 0].set_ylabel("$g(|d|)$")
    places[1, columns - 1].legend(loc="upper right")
    places[1, columns].set_visible(False)
    bar = figure.colorbar(drawn, cax=places[0, columns], format=FuncFormatter(lambda value, _: f"{value:g}"))
    bar.set_ticks(_ticks(1 / highest, highest))
    bar.minorticks_off()
    bar.set_label(f"$g(d)$ ({group.seeds})")
    return Drawing(figure, data)


def _over_lags(group: Group, shown: Sequence[int], measured: Sequence[RelativeDensity]) -> Figure:
    """Draw g of series against the lag, a panel for each level."""
    figure = Figure(figsize=(max(COLUMN, 2.1 * len(shown) + 0.4), 2.2))
    places = np.asarray(figure.subplots(1, len(shown), squeeze=False))[0]
    for axes, level, one in zip(places, shown, measured, strict=True):
        _radial(axes, one)
        axes.set_xlabel("lag $|d|$ (samples)")
        axes.set_title(group.title(level))
    places[0].set_ylabel(f"$g(|d|)$ ({group.seeds})")
    places[-1].legend(loc="upper right")
    return figure


def _radial(axes: Axes, one: RelativeDensity) -> None:
    distance = np.arange(len(one.radial))
    spread = 2 * one.radial_null_sd
    axes.fill_between(
        distance, 1 - spread, 1 + spread, color=MUTED, alpha=0.35, lw=0, label="shuffled ± 2 sd"
    )
    axes.plot(distance, one.radial_inhomogeneous, ":", color=INK, lw=0.9, label="fan-out kept")
    axes.plot(distance, one.radial, "-o", color=VERMILION, ms=2.2, label="trained")
    axes.axhline(1, color=MUTED, lw=0.6)
    axes.set_yscale("log")
    axes.set_xlabel("distance $|d|$ (pixels)")
    # Only corners hold pairs farther apart than the image's side, and these are too few to tell anything.
    axes.set_xlim(0.5, max(2, 0.75 * len(one.radial)))
    inside = one.radial[1 : int(max(2, 0.75 * len(one.radial)))]
    inside = inside[np.isfinite(inside)]
    if inside.size:
        axes.set_ylim(max(0.1, 0.8 * float(inside.min())), 1.25 * float(inside.max()))
    else:
        axes.set_ylim(0.5, 2)
    axes.yaxis.set_major_locator(FixedLocator(_ticks(*axes.get_ylim())))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _ticks(low: float, high: float) -> list[float]:
    inside = [[tick for tick in ticks if low <= tick <= high] for ticks in AXIS_TICKS]
    return next((ticks for ticks in inside if len(ticks) >= 3), inside[-1])
