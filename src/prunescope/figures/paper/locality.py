"""These functions draw maps of S(d) at several u's and by fan-in (paper Figs. 2b and 11)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from prunescope.analysis.formats import percent
from prunescope.analysis.groups import FigureOptions, Group, groups, one_group, shown_levels
from prunescope.analysis.locality import summed_locality
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.lags import chance, label_lags, show_lags
from prunescope.figures.parts.locality_maps import draw_pairs, label_displacements, show_pairs
from prunescope.figures.parts.pictures import flatness
from prunescope.figures.parts.series import is_series
from prunescope.figures.parts.style import COLUMN, MUTED, PAGE, frame, grid
from prunescope.model import Arrays
from prunescope.observables import Locality, fan_in, locality_by_fan_in
from prunescope.runs.directory import Run

MOST_BINS = 8
UPRIGHT = {"ha": "right", "va": "center"}  # Of labels that are not turned, beside wide maps.
LABEL = 18  # The characters in a line of a row's label.


def figure_2b(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw S_sc (top) and S_dc (bottom) at three u's, summed over seeds, each map from 0 to its maximum.

    Series have curves over the lag in place of maps, with the null of their fan-ins, dashed. d = 0 is left out of
    S_sc; images of one channel have no S_dc. Data: int64 [2H-1, 2W-1] for each level and map.
    docs/science.md, "Locality". Paper Fig. 2b.
    """
    group = one_group(runs, "2b")
    shown = shown_levels(group, options)
    counts = [summed_locality(group, level) for level in shown]
    colour = group.runs[0].shape[0] > 1
    kinds = ("same", "different") if colour else ("same",)
    if is_series(group.runs[0].shape):
        return _over_lags(group, shown, counts, kinds)
    flat = flatness(group.runs[0].shape)
    figure = Figure(
        figsize=(max(COLUMN, 1.75 * len(shown) + 0.6), max(1.62 * len(kinds) * flat, 1.2) + 0.3),
        layout="compressed",
    )
    places = grid(figure, len(kinds), len(shown))
    data: Arrays = {}
    for column, (level, pairs) in enumerate(zip(shown, counts, strict=True)):
        for row, kind in enumerate(kinds):
            axes, values = places[row, column], getattr(pairs, kind)
            data[f"level{level}_{kind}"] = values
            drawn = show_pairs(axes, values, without_centre=kind == "same")
            label_displacements(axes, bottom=row == len(kinds) - 1, left=column == 0)
            note = f"max {values.max():,}".replace(",", "\u2009")
            axes.text(
                0.97, 0.03, note, transform=axes.transAxes, ha="right", va="bottom", color="w", fontsize=5.5
            )
        places[0, column].set_title(group.title(level))
    for row, text in enumerate(("$S_{sc}$, same channel", "$S_{dc}$, different channels")[: len(kinds)]):
        turned = 90 if flat == 1 else 0
        short = text if flat == 1 else text.split(",")[0]
        places[row, 0].set_ylabel(f"{short}\n$d_y$ (pixels)", rotation=turned, **({} if turned else UPRIGHT))
    bar = figure.colorbar(drawn, ax=list(places.flat), shrink=0.6, aspect=25, ticks=[0, 1])
    bar.ax.set_yticklabels(["0", "max"])
    bar.set_label(f"connected pairs ({group.seeds})")
    return Drawing(figure, data)


def _over_lags(
    group: Group, shown: Sequence[int], counts: Sequence[Locality], kinds: Sequence[str]
) -> Drawing:
    """Draw S(d) of series as curves over the lag, with what their fan-ins give by chance."""
    figure = Figure(figsize=(max(COLUMN, 2.1 * len(shown) + 0.4), 1.7 * len(kinds) + 0.4))
    places = grid(figure, len(kinds), len(shown))
    data: Arrays = {}
    for column, (level, pairs) in enumerate(zip(shown, counts, strict=True)):
        null = chance([run.mask(level) for run in group.runs], group.runs[0].shape)
        for row, kind in enumerate(kinds):
            axes, values = places[row, column], getattr(pairs, kind)
            data |= {f"level{level}_{kind}": values, f"level{level}_{kind}_null": getattr(null, kind)}
            show_lags(axes, values, without_centre=kind == "same", null=getattr(null, kind))
            label_lags(axes, bottom=row == len(kinds) - 1, left=False)
        places[0, column].set_title(group.title(level))
    for row, text in enumerate(("$S_{sc}$, same channel", "$S_{dc}$, different channels")[: len(kinds)]):
        places[row, 0].set_ylabel(
            f"{text if len(kinds) > 1 else '$S_{sc}$'}\nconnected pairs ({group.seeds})"
        )
    handles, labels = places[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return Drawing(figure, data)


def figure_11(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw S_sc of the nodes in each interval of fan-in, one row for each experiment.

    Rows show the first seed at the level of best accuracy or ``options.levels[0]``. Data: int64 [2H-1, 2W-1] for each
    interval. Paper Fig. 11.
    """
    shown = [(group, group.runs[0]) for group in groups(runs)]
    figure = Figure(figsize=(PAGE, 0.98 * len(shown) + 0.25), layout="compressed")
    places = grid(figure, len(shown), MOST_BINS)
    data: Arrays = {}
    for row, (group, run) in enumerate(shown):
        level = shown_levels(group, options)[0] if options.levels else group.shown_level()[0]
        mask = run.mask(level)
        connections = fan_in(mask)
        # The width is chosen without the most connected 5 %, the long tail that the last bin takes.
        reach = np.quantile(connections[connections > 0], 0.95) if (connections > 0).any() else 1
        width = max(1, int(np.ceil(reach / MOST_BINS)))
        bins = [part for part in locality_by_fan_in(mask, run.shape, width, bins=MOST_BINS) if part.nodes]
        for axes, part in zip(places[row], bins, strict=False):
            data[f"run{row}_level{level}_fan_in_{part.low}_to_{part.high}"] = part.locality.same
            draw_pairs(axes, part.locality.same, without_centre=True)
            frame(axes)
            told = f"{part.low}–{part.high}" if part.high > part.low else str(part.low)
            axes.set_xlabel(f"{told} ({part.nodes})", fontsize=5.5, labelpad=2)
        for axes in places[row, len(bins) :]:
            axes.set_visible(False)
        title = [*textwrap.wrap(group.label, LABEL), f"$u$ = {percent(group.density(level))}"]
        places[row, 0].set_ylabel("\n".join(title), fontsize=5.5)
    shape = shown[0][1].shape
    lags = f" at lags from −{shape[2] - 1} to {shape[2] - 1} samples" if is_series(shape) else ""
    figure.supxlabel(
        f"$S_{{sc}}(d)${lags} of the nodes with so many connections (number of nodes); each from 0 to its maximum",
        fontsize=6.5,
        color=MUTED,
    )
    return Drawing(figure, data)
