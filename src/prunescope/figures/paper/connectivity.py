"""These functions draw how many connections nodes and pixels keep, and what removing nodes costs.

They are the paper's Figs. 1b, 1c and 10.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars
from matplotlib.figure import Figure

from prunescope.analysis.connectivity import ablation, fan_in_histogram
from prunescope.analysis.formats import percent
from prunescope.analysis.groups import FigureOptions, Group, groups, one_group, shown_levels
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.histogram import draw_histogram
from prunescope.figures.parts.pictures import flatness
from prunescope.figures.parts.series import draw_over_time, is_series
from prunescope.figures.parts.style import BLUE, COLUMN, INK, MUTED, PAGE, PALETTE, VERMILION, frame, grid
from prunescope.model import Arrays
from prunescope.observables import fan_out_image
from prunescope.runs.directory import Run

ABLATIONS = {"decreasing": VERMILION, "random": MUTED, "increasing": BLUE}


def figure_1b(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw histograms of the first layer's fan-in at several u's, with the binomial distribution of random pruning.

    Counts are means over the seeds. Data: one row for each level and bar. Paper Fig. 1b.
    """
    group = one_group(runs, "1b")
    shown = shown_levels(group, options)
    figure = Figure(figsize=(max(COLUMN, PAGE * len(shown) / 3), 2.2))
    parts = []
    for number, (axes, level) in enumerate(zip(grid(figure, 1, len(shown))[0], shown, strict=True)):
        part = fan_in_histogram(group, level)
        draw_histogram(axes, part, PALETTE[number % len(PALETTE)])
        axes.set_title(group.title(level))
        axes.set_xlabel("connections per node $C_{in}$")
        parts.append(part)
    figure.axes[0].set_ylabel(f"nodes (mean of {group.seeds})" if len(group.runs) > 1 else "nodes (1 seed)")
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return Drawing(figure, polars.concat(parts))


def figure_1c(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw accuracy relative to the whole network against the number of first-layer nodes removed.

    Nodes are removed by decreasing, increasing and random fan-in. Curves are mean ± sd over seeds; the dotted line is
    guessing. There is one panel for each level, by default for the best alone. Data: one row for each level, order
    and number removed. docs/science.md, "Ablation". Paper Fig. 1c.
    """
    group = one_group(runs, "1c")
    shown = [group.shown_level()[0]] if options.levels is None else shown_levels(group, options)
    figure = Figure(figsize=(COLUMN * min(2, max(1, 0.7 * len(shown))), 2.5))
    parts = []
    for axes, level in zip(grid(figure, 1, len(shown))[0], shown, strict=True):
        part = polars.concat([ablation(group, level, order) for order in ABLATIONS])
        for order, colour in ABLATIONS.items():
            rows = part.filter(polars.col("order") == order)
            x, mean = rows["removed"].to_numpy(), rows["relative_accuracy"].to_numpy()
            sd = rows["relative_accuracy_sd"].fill_nan(0).to_numpy()
            axes.plot(
                x, mean, "-o", color=colour, label=f"{order} $C_{{in}}$" if order != "random" else order
            )
            axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.2, lw=0)
        axes.axhline(float(part["guessing"][0]), color=INK, lw=0.7, ls=":", label="guessing")
        axes.set_title(f"{group.title(level)}, {group.seeds}")
        axes.set_xlabel("first-layer nodes removed")
        axes.set_ylim(0, None)
        parts.append(part)
    figure.axes[0].set_ylabel("accuracy / accuracy of the whole")
    # Below the panels, since curves and the line of guessing may cross any corner of them.
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if len(shown) < 2 else 4)
    return Drawing(figure, polars.concat(parts))


def figure_10(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the fan-out of each pixel, C_out,0: how many first-layer nodes keep it, relative to the mean over pixels.

    Colour channels are summed; series have a curve over time for each channel. There is one map for each run, at its level of best accuracy or
    ``options.levels[0]``. Data: int64 [C, H, W] for each run. docs/science.md, "Fan-in and fan-out". Paper Fig. 10.
    """
    shown = [(group, run) for group in groups(runs) for run in group.runs]
    levels = [
        shown_levels(group, options)[0] if options.levels else group.shown_level()[0] for group, _ in shown
    ]
    flat = max([0.6, *(flatness(run.shape) for _, run in shown if not is_series(run.shape))])
    figure = Figure(
        figsize=(max(COLUMN, min(PAGE, 1.5 * len(shown))), 1.9 * flat * -(-len(shown) // 4)),
        layout="compressed",
    )
    if all(is_series(run.shape) for _, run in shown):
        return _fan_out_over_time(shown, levels)
    columns = min(4, len(shown))
    places = grid(figure, -(-len(shown) // columns), columns)
    data, maps = {}, []
    for number, ((group, run), level) in enumerate(zip(shown, levels, strict=True)):
        image = fan_out_image(run.mask(level), run.shape)
        data[f"run{number}_{run.experiment.name.replace('/', '_')}_seed{run.seed}_level{level}"] = image
        maps.append((f"{group.label}, seed {run.seed}\n$u$ = {percent(group.density(level))}", image))
    relative = [image.sum(axis=0) / max(image.sum(axis=0).mean(), 1e-12) for _, image in maps]
    highest = max(float(image.max()) for image in relative)
    for axes, (_, run), (title, image), summed in zip(places.flat, shown, maps, relative, strict=False):
        axes.set_title(title)
        if is_series(run.shape):
            draw_over_time(axes, image[:, 0] / max(float(image.mean()), 1e-12))
            axes.axhline(1, color=MUTED, lw=0.6, zorder=1)
        else:
            drawn = axes.imshow(summed, vmin=0, vmax=highest)
            frame(axes)
    for axes in list(places.flat)[len(maps) :]:
        axes.set_visible(False)
    figure.colorbar(drawn, ax=list(places.flat), shrink=0.8, label="$C_{out,0}$ / its mean", aspect=25)
    return Drawing(figure, data)


def _fan_out_over_time(shown: Sequence[tuple[Group, Run]], levels: Sequence[int]) -> Drawing:
    """Draw the fan-out of each sample of series, relative to the mean over all samples, a panel for each run."""
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(COLUMN if columns == 1 else PAGE, 1.9 * rows))
    places = grid(figure, rows, columns)
    data: Arrays = {}
    for number, (axes, (group, run), level) in enumerate(zip(places.flat, shown, levels, strict=False)):
        image = fan_out_image(run.mask(level), run.shape)
        data[f"run{number}_{run.experiment.name.replace('/', '_')}_seed{run.seed}_level{level}"] = image
        draw_over_time(axes, image[:, 0] / max(float(image.mean()), 1e-12))
        axes.axhline(1, color=MUTED, lw=0.6, zorder=1)
        axes.set_title(f"{group.label}, seed {run.seed}, $u$ = {percent(group.density(level))}")
    for axes in places[:, 0]:
        axes.set_ylabel("$C_{out,0}$ / its mean")
    for axes in list(places.flat)[len(shown) :]:
        axes.set_visible(False)
    return Drawing(figure, data)
