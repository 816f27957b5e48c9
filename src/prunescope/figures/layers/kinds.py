"""This module draws what layers have by their kind: kernel positions, heads, parts of projections, gates, fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.figures.layers.names import short_names
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import BLUE, FAINT, MUTED, PAGE, frame, grid
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
    line; fields are the share of channels that a pixel reaches, from 0 (dark) to 1. Of kernels of three axes every slice along
    the first is a map. By default the layers farthest from chance. Data: the arrays, by number of the layer and name. Raises
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
            (_draw_bars if values.ndim == 1 else _draw_map)(one, values, layer.density)
        one.set_title(f"{number} {name}\n{array.replace('_', ' ')}", fontsize=5.5)
        data[f"{number}_{array}"] = np.asarray(layer.arrays[array])
    for one in axes[len(panels) :]:
        one.set_axis_off()
    notes = ["Blue to red and dashed lines: relative to the density of the layer; numbers in percent."]
    if any(values.ndim > 2 for *_, values in panels):
        notes.append("Maps in one panel: the slices of a kernel along its first axis, from left to right.")
    return Drawing(figure, data, notes=tuple(notes))


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
            if values.size > 1 and values.ndim in ((2,) if name == FIELD else (1, 2, 3)):
                found.append((numbers[id(layer)], layer, name, values))
    return sorted(found[:PANELS], key=lambda panel: panel[0])


def side_by_side(slices: NDArray[Any]) -> NDArray[Any]:
    """Return slices [d, h, w] as one map that is about as high as wide, from left to right, with nan between them."""
    places = _places(*slices.shape)
    _, height, width = slices.shape
    whole = np.full((places[:, 0].max() + height, places[:, 1].max() + width), np.nan)
    for (top, left), one in zip(places, slices, strict=True):
        whole[top : top + height, left : left + width] = one
    return whole


def _places(count: int, height: int, width: int) -> NDArray[np.intp]:
    """Return the first row and column of each slice in one map, [count, 2]."""
    rows = -(-count // math.ceil(math.sqrt(count * height / width)))
    row, column = np.divmod(np.arange(count), -(-count // rows))
    return np.stack([row * (height + 1), column * (width + 1)], axis=1)


def _draw_map(axes: Axes, values: NDArray[Any], density: float) -> None:
    """Draw a map [h, w], or the slices [d, h, w] of one, by the ratio of their values to the density."""
    slices = values if values.ndim > 2 else None
    if slices is not None:
        values = side_by_side(slices)
    with np.errstate(divide="ignore"):
        ratio = np.log(values / density)
    top = max(math.log(1.25), float(np.abs(ratio[np.isfinite(ratio)]).max(initial=0.0)))
    axes.imshow(np.clip(ratio, -top, top), cmap="RdBu_r", vmin=-top, vmax=top)
    frame(axes)
    if slices is not None:
        axes.set_frame_on(False)  # each slice has its own frame
        for top, left in _places(*slices.shape):
            place = left - 0.5, top - 0.5
            height, width = slices.shape[1:]
            axes.add_patch(Rectangle(place, width, height, fill=False, ec=FAINT, lw=0.6, clip_on=False))
    if values.size <= WRITTEN:
        for (row, column), value in np.ndenumerate(values):
            if np.isnan(value):
                continue
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
