"""This module draws what layers have by their kind: kernel positions, heads, parts of projections, gates, fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.figures.layers.names import short_names
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import BLUE, MUTED, PAGE, frame, grid
from prunescope.layers import ObservedLayer, ObservedNetwork
from prunescope.model import Arrays

PANELS, COLUMNS = 16, 4
# Arrays of kept shares, drawn relative to the density of their layer.
SHARES = ("kernel_positions", "heads", "parts", "gates")
# A share of channels, which has no density to compare with.
FIELD = "effective_field"
# Maps of so few cells have their values written into them, in percent.
WRITTEN = 25


def draw_kinds(observed: ObservedNetwork, chosen: Sequence[ObservedLayer] | None) -> Drawing:
    """Draw kept shares: of kernel positions as maps, of heads, parts q, k, v and gates as bars; effective fields as maps.

    Maps of shares are coloured by their ratio to the layer's density, red above and blue below; bars have the density as a dashed
    line; fields are the share of channels that a pixel reaches, from 0 (dark) to 1. By default the layers farthest from chance. Data: the arrays, by number of the layer and name. Raises
    InputError where no layer has such an array.
    """
    panels = _panels(observed, chosen)
    if not panels:
        raise InputError(
            f"{observed.source}: no convolution with a kernel, attention with heads or gates: figure layers-kinds draws these"
        )
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(PAGE, 0.3 + 1.55 * rows))
    axes = grid(figure, rows, COLUMNS).ravel()
    names = short_names([layer.name for _, layer, _, _ in panels])
    data: Arrays = {}
    for one, name, (number, layer, array, values) in zip(axes, names, panels, strict=False):
        if array == FIELD:
            one.imshow(values, vmin=0, vmax=1)
            frame(one)
        else:
            (_draw_map if values.ndim == 2 else _draw_bars)(one, values, layer.density)
        one.set_title(f"{number} {name}\n{array.replace('_', ' ')}", fontsize=5.5)
        data[f"{number}_{array}"] = np.asarray(layer.arrays[array])
    for one in axes[len(panels) :]:
        one.set_axis_off()
    note = "Blue to red and dashed lines: relative to the density of the layer; numbers in percent."
    return Drawing(figure, data, notes=(note,))


def _panels(
    observed: ObservedNetwork, chosen: Sequence[ObservedLayer] | None
) -> list[tuple[int, ObservedLayer, str, NDArray[Any]]]:
    """Return what is drawn, in order of depth: the layer's number, the layer, the array's name and its values."""
    numbers = {id(layer): number for number, layer in enumerate(observed, 1)}
    found = []
    for layer in observed.ranked if chosen is None else chosen:
        for name in (*SHARES, FIELD):
            if name not in layer.arrays:
                continue
            values = np.asarray(layer.arrays[name])
            values = values.reshape([side for side in values.shape if side > 1])
            if values.size > 1 and values.ndim in ((2,) if name == FIELD else (1, 2)):
                found.append((numbers[id(layer)], layer, name, values))
    return sorted(found[:PANELS], key=lambda panel: panel[0])


def _draw_map(axes: Axes, values: NDArray[Any], density: float) -> None:
    with np.errstate(divide="ignore"):
        ratio = np.log(values / density)
    top = max(math.log(1.25), float(np.abs(ratio[np.isfinite(ratio)]).max(initial=0.0)))
    axes.imshow(np.clip(ratio, -top, top), cmap="RdBu_r", vmin=-top, vmax=top)
    frame(axes)
    if values.size <= WRITTEN:
        for (row, column), value in np.ndenumerate(values):
            dark = abs(ratio[row, column]) > 0.7 * top
            axes.text(
                column,
                row,
                f"{100 * value:.3g}",
                ha="center",
                va="center",
                fontsize=5,
                color="white" if dark else "black",
            )


def _draw_bars(axes: Axes, values: NDArray[Any], density: float) -> None:
    place = np.arange(1, len(values) + 1)
    axes.bar(place, 100 * values, color=BLUE, width=0.8)
    axes.axhline(100 * density, color=MUTED, ls="--", lw=0.8)
    axes.set_xticks(place if len(values) <= 16 else place[:: len(values) // 8])
    axes.tick_params(labelsize=5)
    axes.set_ylabel("density (%)", fontsize=5.5)
