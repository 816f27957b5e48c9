"""This module draws fan-in and fan-out of layers beside what random pruning would leave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunescope.figures.layers.names import short_names
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.histogram import draw_histogram
from prunescope.figures.parts.style import BLUE, GREEN, PAGE, grid
from prunescope.layers import ObservedLayer, ObservedNetwork
from prunescope.layers.histograms import count_histogram

LAYERS = 4
BARS = 36


def draw_connections(observed: ObservedNetwork, chosen: Sequence[ObservedLayer] | None) -> Drawing:
    """Draw the histograms of fan-in (left) and fan-out (right), a row a layer, with the binomial null as a dashed line.

    By default the four layers farthest from chance. Data: a row a layer, side and bar.
    """
    layers = list(observed.ranked[:LAYERS] if chosen is None else chosen)
    numbers = {id(layer): number for number, layer in enumerate(observed, 1)}
    figure = Figure(figsize=(PAGE, 0.4 + 1.35 * len(layers)))
    panels = grid(figure, len(layers), 2)
    parts = []
    for row, (layer, name) in enumerate(zip(layers, short_names([one.name for one in layers]), strict=True)):
        for column, (side, what, colour) in enumerate(
            (("fan_in", "units", BLUE), ("fan_out", "inputs", GREEN))
        ):
            part = histogram_table(layer, side).with_columns(
                polars.lit(numbers[id(layer)]).alias("number"), polars.lit(layer.name).alias("layer")
            )
            axes = panels[row, column]
            draw_histogram(axes, part, colour)
            axes.set_ylabel(what)
            axes.set_title(f"{numbers[id(layer)]}  {name}" if column == 0 else "", loc="left")
            if row == len(layers) - 1:
                axes.set_xlabel("fan-in" if side == "fan_in" else "fan-out")
            parts.append(part)
    panels[0, 0].legend(*_legend(panels[0, 0]), loc="upper right")
    note = (
        ()
        if chosen is not None or len(observed) <= LAYERS
        else ("Shown are the layers farthest from chance.",)
    )
    return Drawing(figure, polars.concat(parts), notes=note)


def histogram_table(layer: ObservedLayer, side: str) -> polars.DataFrame:
    """Return the histogram of a layer's "fan_in" or "fan_out", a row a bar, beside the binomial one."""
    units, inputs = layer.form.shape[0], math.prod(layer.form.shape[1:])
    found = count_histogram(layer.arrays[side], inputs if side == "fan_in" else units, BARS)
    return polars.DataFrame(
        {
            "side": [side] * len(found.lines),
            "fan_in_from": found.starts,
            "fan_in_to": found.starts + found.width - 1,
            "nodes": found.lines,
            "nodes_if_random": found.expected,
            "binomial_mean": np.full(len(found.lines), found.mean),
        }
    )


def _legend(axes: Axes) -> tuple[list[Any], list[str]]:
    """Return the entries of a legend, the layer's own first as "kept"."""
    entries, labels = axes.get_legend_handles_labels()
    return entries, ["kept" if label == "trained" else label for label in labels]
