"""This module draws how well Gabor functions fit the weights of the most connected nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from prunescope.analysis.gabor import SHUFFLES, gabor_r2
from prunescope.analysis.groups import FigureOptions, given_nodes, one_group, shown_levels
from prunescope.analysis.run_observables import run_gabor
from prunescope.analysis.statistics import mean_and_sd
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.pictures import height_over_width, weight_picture
from prunescope.figures.parts.series import AXIS, columns_for, is_series, time_axis
from prunescope.figures.parts.style import BLUE, MUTED, PAGE, density_axis
from prunescope.figures.parts.tiles import GAP, Position, axes_at, blank, panel, place, write
from prunescope.model import Arrays
from prunescope.observables import GaborFits
from prunescope.runs.directory import Run

NODES, LEVELS, EXAMPLES = 10, 9, 5
LEAST_UPRIGHT = 0.32  # Inches: the height of an example from which the names of rows fit upright.


def figure_gabor(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw R² of the best Gabor function of the most connected nodes' weights against u (a), and examples (b).

    The nodes are the same at all levels: ``options.nodes``, by default the 10 most connected at the level of best
    accuracy, where b shows the weights and fits of the first five, grey being zero. Faint lines are nodes of the
    first seed; the curve is their mean ± sd over seeds, the grey line and band mean ± sd over seeds for the same
    pixels at random places, which one seed has not. Up to 9 levels are drawn, or ``options.levels``. Data: levels, nodes, r2 [seeds,
    levels, nodes], null_r2 [seeds, levels, nodes, shuffles], weights and fits of b. docs/science.md, "Gabor fits".
    """
    group = one_group(runs, "gabor")
    levels = _spread(group.densest_first()) if options.levels is None else shown_levels(group, options)
    given = given_nodes(group.runs[0], options)
    data = gabor_r2(group, levels, given, nodes=NODES)
    best, run = group.shown_level()[0], group.runs[0]
    examples = run_gabor(run, best, data["nodes"][0][: columns_for(run.shape, EXAMPLES)], shuffles=SHUFFLES)
    masked = run.model(best).layers[0].weight * run.mask(best).array
    data |= {
        "example_level": np.array(best),
        "example_weights": masked[examples.nodes],
        "example_fits": np.array([examples.image(k) for k in range(len(examples.nodes))]),
    }
    figure, page = blank(PAGE, 2.1)
    axes = axes_at(figure, 0.45, 0.3, 2.6, 1.4)
    _draw_r2(axes, data, "samples" if is_series(run.shape) else "pixels")
    axes.set_title(f"{group.label}, {group.n}, {data['nodes'].shape[1]} nodes each")
    panel(page, 0.05, 0.2, "a")
    panel(page, 3.3, 0.2, "b")
    title = f"weights and their best Gabor functions, {group.title(best)}"
    write(page, 3.5, 0.2, title, ha="left", va="baseline")
    _draw_examples(page, run, data, examples)
    return Drawing(figure, data)


def _spread(levels: Sequence[int]) -> list[int]:
    places = np.linspace(0, len(levels) - 1, min(LEVELS, len(levels))).round().astype(int)
    return [levels[place] for place in np.unique(places)]


def _draw_r2(axes: Axes, data: Arrays, inputs: str) -> None:
    u = data["densities"]
    for node in data["r2"][0].T:
        axes.plot(u, node, color=BLUE, lw=0.5, alpha=0.35)
    for values, colour, label in (
        (data["null_r2"].reshape(*data["r2"].shape[:2], -1), MUTED, f"{inputs} shuffled ({SHUFFLES}×)"),
        (data["r2"], BLUE, "trained"),
    ):
        mean, sd = mean_and_sd(np.nanmean(values, axis=2))
        axes.plot(u, mean, "-o", color=colour, label=label)
        if len(values) > 1:
            axes.fill_between(u, mean - sd, mean + sd, color=colour, alpha=0.25, lw=0)
    axes.set_ylim(0, 1)
    density_axis(axes, u.tolist())
    axes.set_ylabel("$R^2$ of the Gabor fit")
    axes.legend(loc="best")


def _draw_examples(page: Axes, run: Run, data: Arrays, fits: GaborFits) -> None:
    left, top = 3.75, 0.42
    tall = height_over_width(run.shape)
    side = min((PAGE - left) / columns_for(run.shape, EXAMPLES) - GAP, 0.75 / tall)
    height = side * tall
    numbers = top + 2 * (height + GAP) + 0.1 + (AXIS if is_series(run.shape) else 0)
    whole = np.ones(int(np.prod(run.shape)), np.bool_)
    for k, (weights, fit) in enumerate(zip(data["example_weights"], data["example_fits"], strict=True)):
        x = left + k * (side + GAP)
        image = weight_picture(weights, whole, run.shape, symmetric=True)
        place(page, image, Position(x, top, side), f"node {fits.nodes[k]}")
        fitted = weight_picture(fit, whole, run.shape, symmetric=True)
        place(page, fitted, Position(x, top + height + GAP, side))
        if is_series(run.shape):
            time_axis(page, (x, top + 2 * height + GAP), side, run.shape[2], words=k == 0)
        write(page, x + side / 2, numbers, f"{fits.r2[k]:.2f}", va="baseline", fontsize=6)
    turned = 90 if height > LEAST_UPRIGHT else 0
    write(page, left - 0.08, top + height / 2, "weights", rotation=turned, ha="right", va="center")
    write(page, left - 0.08, top + 1.5 * height + GAP, "fit", rotation=turned, ha="right", va="center")
    write(page, left - 0.05, numbers, "$R^2$", ha="right", va="baseline", fontsize=6)
