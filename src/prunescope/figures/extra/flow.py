"""These functions draw how pruning spreads over the layers: densities, and the flow of the weights' magnitude."""

from __future__ import annotations

from collections.abc import Sequence

import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prunescope.analysis.curves import of
from prunescope.analysis.flow import layer_densities, layer_flow
from prunescope.analysis.groups import FigureOptions, Group, groups
from prunescope.figures.parts.curves import draw_curve
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import COLUMN, INK, MUTED, PALETTE, density_axis, grid, panel_letter
from prunescope.runs.directory import Run

DASHES = ("-", "--", ":", "-.")


def figure_densities(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the density of each hidden layer over that of all of them, against the latter: mean ± sd over seeds.

    Layer-wise pruning gives 1. Thin dash-dotted lines are Erdős–Rényi densities of the first experiment's layer
    sizes. Colours are layers, dashes experiments. Data: one row for each experiment, level and layer.
    """
    found = groups(runs)
    table = polars.concat([layer_densities(group) for group in found])
    figure = Figure(figsize=(COLUMN + 1.2, 2.4))
    axes = figure.add_subplot()
    axes.axhline(1, color=MUTED, lw=0.7, zorder=1)
    for group, dashes in zip(found, DASHES * len(found), strict=False):
        _layer_curves(axes, of(table, group), "relative", x="density", ls=dashes)
    first = of(table, found[0])
    for layer in sorted(set(first["layer"])):
        rows = first.filter(polars.col("layer") == layer)
        colour = PALETTE[(layer - 1) % len(PALETTE)]
        axes.plot(rows["density"], rows["erk"] / rows["density"], "-.", color=colour, lw=0.6, zorder=1)
    density_axis(axes, table["density"].to_list())
    axes.set_xlabel("measured weight density of all hidden layers (%)")
    axes.set_ylabel("density of the layer / of all layers")
    extra = [Line2D([], [], color=MUTED, ls="-.", lw=0.6, label="Erdős–Rényi")]
    _legend(figure, found, sorted(set(table["layer"])), extra)
    return Drawing(figure, table)


def figure_flow(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw each layer's share of the hidden weights' magnitude (a) and the exponent σ of its change (b) against u.

    M_l = Σ|w_l|/Σ|w| at the end of each level; σ_l = ln(M_l(n+1)/M_l(n)) / ln(1/(1-p)), drawn at the level it
    leads to, p being the share of all hidden weights that the pruning removed. A layer above 0 gains at the
    others' cost. Mean ± sd over seeds. Data: one row for each experiment, level and layer. docs/science.md,
    "Flow"; Redman et al. 2022.
    """
    found = groups(runs)
    table = polars.concat([layer_flow(group) for group in found])
    figure = Figure(figsize=(COLUMN + 1.2, 4.0))
    top, bottom = grid(figure, 2, 1)[:, 0]
    for group, dashes in zip(found, DASHES * len(found), strict=False):
        _layer_curves(top, of(table, group), "share", x="nominal_density", ls=dashes)
        _layer_curves(bottom, of(table, group), "exponent", x="nominal_density", ls=dashes)
    bottom.axhline(0, color=MUTED, lw=0.7, zorder=1)
    top.set_ylabel("share of the magnitude $M_l$")
    top.set_ylim(0, None)
    bottom.set_ylabel("flow exponent $\\sigma_l$")
    for letter, axes in zip("ab", (top, bottom), strict=True):
        density_axis(axes, table["nominal_density"].to_list())
        panel_letter(axes, letter)
    top.set_xlabel("")
    _legend(figure, found, sorted(set(table["layer"])), [])
    return Drawing(figure, table)


def _layer_curves(axes: Axes, table: polars.DataFrame, name: str, *, x: str, ls: str) -> None:
    for layer in sorted(set(table["layer"])):
        rows = table.filter(polars.col("layer") == layer)
        draw_curve(axes, rows, name, x=x, color=PALETTE[(layer - 1) % len(PALETTE)], ls=ls)


def _legend(figure: Figure, found: Sequence[Group], layers: Sequence[int], extra: Sequence[Line2D]) -> None:
    """Draw a legend with the colours of layers, then the dashes of experiments."""
    entries = [
        Line2D([], [], color=PALETTE[(layer - 1) % len(PALETTE)], label=f"layer {layer}") for layer in layers
    ]
    entries += [
        Line2D([], [], color=INK, ls=dashes, label=f"{group.label}, {group.n}")
        for group, dashes in zip(found, DASHES * len(found), strict=False)
    ]
    figure.legend(handles=[*entries, *extra], loc="outside right upper")
