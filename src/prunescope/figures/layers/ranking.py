"""This module draws how far the quantities of each layer of a network lie from their nulls."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from prunescope.figures.layers.densities import NAMED, layer_axis
from prunescope.figures.layers.names import short_names
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import FAINT, INK, MUTED, PAGE
from prunescope.layers import ObservedLayer, ObservedNetwork
from prunescope.layers.quantities import quantity

# So many quantities are drawn, those that lie farthest from their null in some layer; the data hold all.
MOST_QUANTITIES = 16
# z is written into the cells of so few layers, and so many layers are named above the others' cells.
WRITTEN, MARKED = 12, 5
LEAST_Z = 3.0  # the scale of colours reaches this far at least


def draw_ranking(observed: ObservedNetwork, chosen: Sequence[ObservedLayer] | None) -> Drawing:
    """Draw z of the quantities that lie farthest from their null, layers from left to right.

    Red is more than by chance, blue less, grey has no z. Data: a row a layer and quantity, with value and null.
    """
    layers = list(observed if chosen is None else chosen)
    table = observed.table
    names = farthest_quantities(layers)
    figure = Figure(figsize=(PAGE, 1.4 + 0.16 * max(4, len(names)) + 0.7))
    axes = figure.add_subplot()
    if not names:
        axes.text(0.5, 0.5, "no quantity has a null with a spread", ha="center", color=MUTED)
        axes.set_axis_off()
        return Drawing(figure, table)
    z = np.array(
        [[layer.scalars[name].z if name in layer.scalars else math.nan for layer in layers] for name in names]
    )
    top = max(LEAST_Z, float(np.nanmax(np.abs(z))))
    axes.set_facecolor("#EDEDED")
    image = axes.imshow(z, cmap="RdBu_r", norm=AsinhNorm(1.0, -top, top), aspect="auto")
    axes.set_yticks(np.arange(len(names)), [quantity(name).title for name in names])
    axes.tick_params(axis="y", length=0)
    numbers = {id(layer): number for number, layer in enumerate(observed, 1)}
    layer_axis(axes, [layer.name for layer in layers], [numbers[id(layer)] for layer in layers])
    for edge in np.arange(0.5, len(names) - 1):
        axes.axhline(edge, color="white", lw=0.6)
    if len(layers) <= WRITTEN:
        _write_z(axes, z, top)
    elif len(layers) > NAMED:
        _mark_farthest(axes, layers)
    _colour_bar(figure, image, axes, top)
    return Drawing(figure, table, notes=_notes(layers))


def _write_z(axes: Axes, z: NDArray[np.float64], top: float) -> None:
    """Write each z into its cell."""
    for (row, column), value in np.ndenumerate(z):
        if math.isfinite(value):
            dark = abs(math.asinh(value)) > 0.6 * math.asinh(top)
            colour = "white" if dark else INK
            axes.text(column, row, _written(value), ha="center", va="center", fontsize=5, color=colour)


def farthest_quantities(layers: Sequence[ObservedLayer]) -> list[str]:
    """Return the quantities that lie farthest from their null in some layer, the farthest first."""
    far: dict[str, float] = {}
    for layer in layers:
        for name, scalar in layer.scalars.items():
            if math.isfinite(scalar.z):
                far[name] = max(far.get(name, 0.0), scalar.distance)
    return sorted(far, key=lambda name: -far[name])[:MOST_QUANTITIES]


def _mark_farthest(axes: Axes, layers: Sequence[ObservedLayer]) -> None:
    """Write the names of the layers that lie farthest from chance above the map, with a line to their columns."""
    ranked = sorted(range(len(layers)), key=lambda place: -layers[place].distance)[:MARKED]
    shorts = short_names([layer.name for layer in layers])
    rows = axes.get_ylim()[0] + 0.5
    step = max(0.75, rows / 14)  # a line of small type
    axes.set_ylim(rows - 0.5, -0.5 - step * (len(ranked) + 0.6))
    axes.axhspan(-0.5, axes.get_ylim()[1], color="white", lw=0)
    for level, place in enumerate(sorted(ranked, reverse=True)):
        height = -0.5 - step * (level + 0.8)
        left = place < len(layers) / 2
        axes.plot([place, place], [-0.5, height], color=FAINT, lw=0.6)
        text = f" {place + 1}  {shorts[place]}" if left else f"{shorts[place]}  {place + 1} "
        axes.text(place, height, text, ha="left" if left else "right", va="center", fontsize=5.5)


def _written(z: float) -> str:
    if abs(z) < 0.05:
        return "0.0"  # It has no side.
    text = f"{z:+.0f}" if abs(z) >= 9.95 else f"{z:+.1f}"
    return text.replace("-", "\u2212")


def _colour_bar(figure: Figure, image: AxesImage, axes: Axes, top: float) -> None:
    bar = figure.colorbar(image, ax=axes, pad=0.01, fraction=0.03, label="z")
    steps = [10.0**power for power in range(1, 7) if 10.0**power <= top] or [LEAST_Z]
    steps = steps[-3:]
    bar.ax.yaxis.set_major_locator(FixedLocator([*(-step for step in reversed(steps)), 0, *steps]))
    bar.ax.yaxis.set_minor_locator(FixedLocator([]))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace("-", "\u2212")))
    bar.outline.set_visible(False)


def _notes(layers: Sequence[ObservedLayer]) -> tuple[str, ...]:
    known = {name for layer in layers for name, one in layer.scalars.items() if math.isfinite(one.z)}
    left = len(known) - MOST_QUANTITIES
    more = f" {left} more quantities lie nearer to their nulls and are in the data." if left > 0 else ""
    return (f"z is the distance from the null's mean in its sds; grey has none.{more}",)
