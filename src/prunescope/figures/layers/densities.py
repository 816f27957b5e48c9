"""This module draws the density of each layer of a network beside Erdős–Rényi and uniform densities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from prunescope.figures.layers.names import short_names
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import INK, MUTED, PAGE, PALETTE
from prunescope.layers import ObservedLayer, ObservedNetwork
from prunescope.observables.layer_densities import LayerDensities, compare_densities

# The names of so many layers fit below the axis; of more their numbers are written.
NAMED = 40
# Densities that differ by more than this factor are drawn on a logarithmic axis.
WIDE = 4


def draw_densities(observed: ObservedNetwork, chosen: Sequence[ObservedLayer] | None) -> Drawing:
    """Draw the density of each layer by depth; dashed Erdős–Rényi densities, a line the uniform one of as many weights.

    Colours are kinds of layers. Data: a row a layer. ``chosen`` layers alone are drawn, of densities of all of them.
    """
    found = compare_densities([layer.form.shape for layer in observed], [layer.kept for layer in observed])
    table = _table(observed, found)
    if chosen is not None:
        wanted = {id(layer) for layer in chosen}
        table = table.filter(polars.Series([id(layer) in wanted for layer in observed]))
    figure = Figure(figsize=(PAGE, 2.6))
    axes = figure.add_subplot()
    place = np.arange(len(table))
    axes.axhline(100 * found.overall, color=MUTED, lw=0.9, label=f"uniform, {100 * found.overall:.3g} %")
    axes.plot(place, 100 * table["density_erk"], "--", color=INK, lw=0.9, label="Erdős–Rényi")
    size = 4 if len(table) <= NAMED else 2.5
    for colour, kind in zip(PALETTE * 2, table["kind"].unique(maintain_order=True), strict=False):
        of_kind = (table["kind"] == kind).to_numpy()
        axes.plot(
            place[of_kind],
            100 * table["density"].to_numpy()[of_kind],
            "o",
            color=colour,
            ms=size,
            label=kind,
            clip_on=False,
        )
    _percent_axis(axes, 100 * np.concatenate([table["density"], table["density_erk"], [found.overall]]))
    layer_axis(axes, table["layer"].to_list(), table["number"].to_list())
    figure.legend(loc="outside upper center", ncols=8)
    moved = f"{100 * found.erk_distance:.2g} % of the kept weights would have to move to another layer for Erdős–Rényi"
    return Drawing(
        figure, table, notes=(f"{moved} densities, {100 * found.uniform_distance:.2g} % for uniform ones.",)
    )


def _table(observed: ObservedNetwork, found: LayerDensities) -> polars.DataFrame:
    """Return a row a layer: what it is, and its density beside the others."""
    return polars.DataFrame(
        {
            "number": range(1, len(observed) + 1),
            "layer": [layer.name for layer in observed],
            "kind": [layer.form.kind for layer in observed],
            "shape": [layer.form.shape_text for layer in observed],
            "kept": [layer.kept for layer in observed],
            "density": found.measured,
            "density_erk": found.erk,
            "density_uniform": [found.overall] * len(observed),
        }
    )


def layer_axis(axes: Axes, names: Sequence[str], numbers: Sequence[int]) -> None:
    """Make x the layers: their names where these fit, else their numbers in the source."""
    axes.set_xlim(-0.5, len(names) - 0.5)
    if len(names) <= NAMED:
        axes.set_xticks(np.arange(len(names)), short_names(names), rotation=90, fontsize=5.5)
        axes.tick_params(axis="x", length=0)
    else:
        step = 10 if len(names) <= 150 else 50
        ticks = [place for place, number in enumerate(numbers) if number % step == 0 or place == 0]
        axes.set_xticks(ticks, [str(numbers[place]) for place in ticks])
        axes.set_xlabel("layer, in the order of the source")


def _percent_axis(axes: Axes, values: np.ndarray) -> None:
    """Make y densities in percent, logarithmic where they differ much."""
    low, high = float(values.min()), float(values.max())
    if high > WIDE * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.4, high * 1.4)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, 1.1 * high)
    axes.set_ylabel("density (%)")
