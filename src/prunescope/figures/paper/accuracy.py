"""These functions draw accuracy, gain, locality and fan-in variance against u (paper Fig. 1a and overviews)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from prunescope.analysis.curves import dense_accuracies, dense_key, gains, of, summary
from prunescope.analysis.groups import FigureOptions, Group, groups, shown_levels
from prunescope.analysis.nulls import band_of, fan_in_null
from prunescope.figures.parts import published
from prunescope.figures.parts.curves import draw_band, draw_curve, draw_null, line_styles
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import COLUMN, INK, MUTED, density_axis, grid, panel_letter
from prunescope.runs.directory import Run

BELOW = 0.13  # The height in inches of a row of a legend below the axes.
# Of a legend's entry: the width of a character in inches, and the characters that line and number of seeds take.
CHARACTER, BESIDES = 0.053, 14
FEW = 4  # The most dashed lines of dense networks that can still be read.


CIRCLES = "shown in Figs. 1b and 2b"


def figure_1a(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw best validation accuracy against u: mean ± sd over seeds, one curve for each experiment.

    Dashed lines are the dense networks; circles (in the legend) mark the levels of Figs. 1b and 2b. Data: one row for each
    experiment and level. Paper Fig. 1a.
    """
    found = groups(runs)
    figure = Figure(figsize=(COLUMN, 2.3 + legend_height(found)))
    axes = figure.add_subplot()
    table = summary(found)
    accuracy_panel(axes, found, table)
    if len(found) == 1:
        rows = of(table, found[0]).filter(polars.col("level").is_in(shown_levels(found[0], options)))
        x, y = rows["nominal_density"], 100 * rows["best_val_accuracy_mean"]
        axes.plot(x, y, "o", ms=8, mfc="none", mec=line_styles(1)[0]["color"], mew=0.8, label=CIRCLES)
    draw_legend(figure, axes, found)
    return Drawing(figure, table)


def levels(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw accuracy, locality with its null, and the fan-in's variance over the binomial one, all against u.

    Curves are mean ± sd over seeds, without a band at n = 1. Grey bands are ± 2 sd of random masks of one seed: for the
    locality masks shuffled at matched fan-in, for the fan-in's variance as many weights anywhere in the layer. Data:
    one row for each experiment and level. docs/science.md, "Scalars" and "Nulls".
    """
    found = groups(runs)
    figure = Figure(figsize=(COLUMN, 5.0 + legend_height(found)))
    top, middle, bottom = grid(figure, 3, 1)[:, 0]
    table = summary(found)
    accuracy_panel(top, found, table)
    locality_panel(middle, found, table)
    for group, style in zip(found, line_styles(len(found)), strict=True):
        draw_curve(bottom, of(table, group), "fan_in_var_ratio", **style)
        _draw_fan_in_null(bottom, group, label="random ± 2 sd (exact)" if group is found[0] else None)
    if bottom.get_legend_handles_labels()[0]:
        bottom.legend(loc="best")
    bottom.set_ylabel("fan-in variance /\nbinomial variance")
    bottom.axhline(1, color=MUTED, lw=0.7, ls=":")
    draw_legend(figure, top, found)
    for letter, axes in zip("abc", (top, middle, bottom), strict=True):
        density_axis(axes, table["nominal_density"].to_list())
        panel_letter(axes, letter)
        if axes is not bottom:
            axes.set_xlabel("")
    return Drawing(figure, table)


def _draw_fan_in_null(axes: Axes, group: Group, label: str | None) -> None:
    """Draw the fan-in variance ratio under random pruning of the first seed's density, a closed form."""
    run = group.runs[0]
    rows = group.first_layer.filter(seed=run.seed).unique("nominal_density", keep="first")
    rows = rows.sort("nominal_density")
    found = fan_in_null(rows, int(np.prod(run.data["shape"])))
    mean, sd = (np.array([getattr(one, name) for one in found]) for name in ("mean", "sd"))
    if np.isfinite(sd).any():
        draw_band(axes, rows["nominal_density"].to_numpy(), (mean, sd), label)


def figure_gain(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the gain in best validation accuracy over the dense network against u, one curve for each experiment.

    Curves are mean ± sd over seeds of each seed's gain over its own dense network, in percentage points. Experiments
    that do not train the dense network take that of an experiment that does. Data: one row for each experiment and
    level. docs/science.md, "Best level and gain".
    """
    found = groups(runs)
    figure = Figure(figsize=(COLUMN, 2.3 + legend_height(found)))
    axes = figure.add_subplot()
    table = gains(found)
    gain_panel(axes, found, table)
    draw_legend(figure, axes, found)
    return Drawing(figure, table, notes=without_gain(found, table["experiment"]))


def without_gain(found: Sequence[Group], having: Iterable[str]) -> tuple[str, ...]:
    """Return a note that names the experiments without a gain; ``having``: the labels of those that have one."""
    known = set(having)
    missing = [group.label for group in found if group.label not in known]
    if not missing:
        return ()
    return (
        f"Without a gain, as no dense network of its seeds, data and training is here: {'; '.join(missing)}.",
    )


def accuracy_panel(axes: Axes, found: Sequence[Group], table: polars.DataFrame) -> None:
    """Draw best validation accuracy (%) against u, with dashed lines for up to four dense networks.

    ``table`` is ``analysis.curves.summary`` of the experiments ``found``. The paper's numbers are added where one of
    them is the main experiment.
    """
    dense: dict[str, tuple[float, str]] = {}
    for group, style in zip(found, line_styles(len(found)), strict=True):
        draw_curve(
            axes, of(table, group), "best_val_accuracy", scale=100, label=f"{group.label}, {group.n}", **style
        )
        accuracies = dense_accuracies(group, found)
        if accuracies:
            value = 100 * sum(accuracies.values()) / len(accuracies)
            dense.setdefault(dense_key(group.runs[0]), (value, style["color"] if 0 in group.levels else INK))
    for number, (value, colour) in enumerate(dense.values() if len(dense) <= FEW else ()):
        label = None if number else "dense"
        axes.axhline(value, color=colour, lw=0.7, ls=(0, (4, 2)), alpha=0.6, label=label, zorder=1)
    if any(published.is_main(group.runs[0].experiment) for group in found):
        published.draw_main(axes)
    density_axis(axes, table["nominal_density"].to_list())
    axes.set_ylabel("best validation accuracy (%)")


def gain_panel(axes: Axes, found: Sequence[Group], table: polars.DataFrame) -> None:
    """Draw the gain over the dense network (percentage points) against u; ``table`` is ``analysis.curves.gains``."""
    for group, style in zip(found, line_styles(len(found)), strict=True):
        rows = of(table, group)
        if len(rows):
            draw_curve(axes, rows, "gain", scale=100, label=f"{group.label}, {group.n}", **style)
    axes.axhline(0, color=INK, lw=0.7, ls=":", zorder=1)
    density_axis(axes, table["nominal_density"].to_list())
    axes.set_ylabel("gain over dense (% points)")


def locality_panel(
    axes: Axes, found: Sequence[Group], table: polars.DataFrame, *, x: str = "nominal_density"
) -> None:
    """Draw the locality of the first layer against u, and that of masks shuffled at matched fan-in as a grey band.

    ``table`` is ``analysis.curves.summary`` of the experiments ``found``; ``x`` names the column drawn as u.
    """
    for group, style in zip(found, line_styles(len(found)), strict=True):
        draw_curve(axes, of(table, group), "locality", x=x, **style)
        draw_null(axes, of(table, group), x=x, label=band_of(found) if group is found[0] else None)
    density_axis(axes, table[x].to_list())
    axes.set_ylabel("locality (first layer)")
    if table["locality_mean"].is_null().all() if "locality_mean" in table.columns else True:
        # Axes without a curve would show a scale that means nothing.
        axes.set_yticks([])
        known = all(group.runs[0].experiment.data.geometry == "none" for group in found)
        note = "not defined: features of a table\nhave no positions" if known else "not measured"
        axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center", color=MUTED)
        return
    axes.legend(loc="upper left")


def legend_height(found: Sequence[Group], width: float = COLUMN) -> float:
    """Return the height in inches that the legend takes below axes of this width in inches."""
    return BELOW * -(-(len(found) + 1) // _columns(found, width))


def _columns(found: Sequence[Group], width: float) -> int:
    longest = max(len(group.label) for group in found)
    return max(1, int(width / (CHARACTER * (longest + BESIDES))))


def draw_legend(figure: FigureBase, axes: Axes, found: Sequence[Group], width: float = COLUMN) -> None:
    """Draw the legend of a panel's curves below the figure, ``width`` inches wide, where it crosses none of them."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(_columns(found, width), len(names)))
