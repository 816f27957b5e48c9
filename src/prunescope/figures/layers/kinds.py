"""This module draws what layers have by their kind: kernel positions, heads, parts of projections, gates, fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.figures.layers.names import short_names
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import BLUE, FAINT, MUTED, PAGE, frame, grid
from prunescope.layers import ObservedLayer, ObservedNetwork
from prunescope.model import Arrays

LONGEST = 28  # letters of a name above a panel
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
    names = short_names([layer.name for _, layer, _, _ in panels], LONGEST)
    data: Arrays = {}
    for one, name, (number, layer, array, values) in zip(axes, names, panels, strict=False):
        if array == FIELD:
            _add_scale(one, one.imshow(values, vmin=0, vmax=1), {0: "0", 1: "1"})
            frame(one)
        elif values.ndim == 1:
            _draw_bars(one, values, layer.density, _names_of_bars(layer, array))
        else:
            _draw_map(one, values, layer.density)
        one.set_title(f"{number} {name}\n{array.replace('_', ' ')}", fontsize=5.5)
        data[f"{number}_{array}"] = np.asarray(layer.arrays[array])
    for one in axes[len(panels) :]:
        one.set_axis_off()
    return Drawing(figure, data, notes=_notes([(array, values) for *_, array, values in panels]))


def _notes(drawn: Sequence[tuple[str, NDArray[Any]]]) -> tuple[str, ...]:
    """Return what a reader must know of the panels that there are, each with the name of its array."""
    maps = [values for array, values in drawn if values.ndim > 1 and array != FIELD]
    lines = []
    if maps:
        lines.append(
            "Blue to red: the kept share over the density of the layer, by the scale beside each map"
        )
    if any(_as_map(values).size <= WRITTEN for values in maps):
        lines[-1] += "; numbers: the kept share in percent"
    if any(values.ndim == 1 for _, values in drawn):
        lines.append("Dashed lines: the density of the layer")
    if any(array == FIELD for array, _ in drawn):
        lines.append("Effective fields: the share of channels that a pixel reaches")
    first = ". ".join(lines) + "."
    if any(values.ndim > 2 for values in maps):
        return (first, "Maps in one panel: the slices of a kernel along its first axis, from left to right.")
    return (first,)


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
    values = _as_map(values)
    with np.errstate(divide="ignore"):
        ratio = np.log(values / density)
    top = max(math.log(1.25), float(np.abs(ratio[np.isfinite(ratio)]).max(initial=0.0)))
    image = axes.imshow(np.clip(ratio, -top, top), cmap="RdBu_r", vmin=-top, vmax=top)
    _add_scale(axes, image, {place: f"{math.exp(place):.2g}" for place in (-top, 0.0, top)})
    frame(axes)
    if slices is not None:
        axes.set_frame_on(False)  # each slice has its own frame
        for above, left in _places(*slices.shape):
            place = left - 0.5, above - 0.5
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


def _as_map(values: NDArray[Any]) -> NDArray[Any]:
    """Return a map [h, w] of what is one, or of slices [d, h, w]."""
    return side_by_side(values) if values.ndim > 2 else values


def _add_scale(axes: Axes, image: AxesImage, ticks: Mapping[float, str]) -> None:
    """Draw the colours of a map beside it; ``ticks``: what is written at which of its values."""
    drawn = axes.get_figure(root=True)
    assert drawn is not None
    bar = drawn.colorbar(image, ax=axes, fraction=0.05, pad=0.04)
    bar.set_ticks(list(ticks), labels=list(ticks.values()), fontsize=4.5)
    bar.ax.tick_params(length=1.5, width=0.4, pad=1)
    bar.ax.minorticks_off()
    bar.outline.set_linewidth(0.4)


def _names_of_bars(layer: ObservedLayer, array: str) -> tuple[str, ...]:
    """Return what each bar of an array is called; () where their numbers say it."""
    shape = layer.form.attention
    if shape is None or array not in ("heads", "parts") or len(shape.part_names) < 2:
        return ()
    return shape.head_names if array == "heads" else shape.part_names


def _draw_bars(axes: Axes, values: NDArray[Any], density: float, names: tuple[str, ...]) -> None:
    """Draw bars in percent beside the density; ``names``: of the bars, () for their numbers."""
    place = np.arange(1, len(values) + 1)
    axes.bar(place, 100 * values, color=BLUE, width=0.8)
    axes.axhline(100 * density, color=MUTED, ls="--", lw=0.8)
    # Of many bars some are named: of q, k and v with equally many heads the first head of each is.
    step = 1 if len(values) <= 16 else len(values) // (6 if names else 8)
    axes.set_xticks(place[::step], labels=list(names[::step]) or None)
    axes.tick_params(labelsize=5)
    if len(names) > 4:
        axes.tick_params(axis="x", labelrotation=90)
    axes.set_ylabel("density (%)", fontsize=5.5)
