"""Pictures of what the kind of a layer has beside its mask: kernel positions, heads, gates, receptive fields."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.layers import ObservedLayer
from prunescope.observables.downscaling import block_means
from prunescope.report import encoding
from prunescope.report.encoding import number

# What the page draws in a place of its own.
ELSEWHERE = {"fan_in", "fan_out", "picture", "picture_white", "units", "unit_masks", "same_pairs"}
# A larger map is shown by the means of its blocks, more bars likewise, and of more maps the first ones.
LARGEST_SIDE, MOST_BARS, MOST_MAPS = 96, 256, 16
HISTOGRAM_BARS = 32
# The values of a map of so few cells are written into it.
WRITTEN = 50


class PictureWords(NamedTuple):
    """What an array of a layer shows: its title, and a sentence.

    ``counted``: what it counts of what, for a histogram; ``labels``: what its values are of, by how many there are;
    ``share``: it holds kept shares, which are drawn beside the layer's density.
    """

    title: str
    sentence: str = ""
    counted: tuple[str, str] | None = None
    share: bool = False
    labels: Mapping[int, tuple[str, ...]] = MappingProxyType({})


PICTURES = {
    "kernel_positions": PictureWords(
        "Kernel positions",
        "The kept share of the weights at each position in the kernel, over all filters and channels.",
        share=True,
    ),
    "channel_fan_in": PictureWords(
        "Channels of a filter",
        "Filters by the number of input channels that they reach.",
        counted=("input channels", "filters"),
    ),
    "channel_fan_out": PictureWords(
        "Filters of a channel",
        "Input channels by the number of filters that reach them.",
        counted=("filters", "input channels"),
    ),
    "effective_field": PictureWords(
        "Effective receptive field",
        "The share of channels that each input pixel of a unit's dense field reaches along kept weights.",
    ),
    "heads": PictureWords(
        "Heads", "The density of each head; of q, k and v together those of q come first.", share=True
    ),
    "parts": PictureWords(
        "q, k and v",
        "The density of each part of the packed projection.",
        share=True,
        labels=MappingProxyType({2: ("k", "v"), 3: ("q", "k", "v")}),
    ),
    "gates": PictureWords(
        "Gates",
        "The density of each gate, in torch's order.",
        share=True,
        labels=MappingProxyType({3: ("reset", "update", "new"), 4: ("input", "forget", "cell", "output")}),
    ),
}


def kind_pictures(layer: ObservedLayer) -> list[dict[str, Any]]:
    """Return the further arrays of a layer as pictures: bars for one axis, a map for two, maps for three."""
    found = []
    for name, array in layer.arrays.items():
        values = np.asarray(array)
        if name in ELSEWHERE or values.dtype.kind not in "biuf" or values.size < 2:
            continue
        words = PICTURES.get(name, PictureWords(name.replace("_", " ")))
        values = values.reshape([side for side in values.shape if side > 1])
        if values.ndim > 3:  # a kernel of four axes and more, slice by slice
            values = values.reshape(-1, *values.shape[-2:])
        if words.counted and values.min() == values.max():
            continue
        drawn = (
            _drawn(values.astype(np.float64)) if words.counted is None else _histogram(values, words.counted)
        )
        drawn |= {"level": number(layer.density)} if words.share else {}
        if values.ndim == 1 and len(values) in words.labels:
            drawn["labels"] = words.labels[len(values)]
        found.append({"name": name, "title": words.title, "sentence": words.sentence, **drawn})
    return found


def _histogram(values: NDArray[Any], counted: tuple[str, str]) -> dict[str, Any]:
    """Return the histogram of counts, without a null; ``counted``: what is counted, of what."""
    counts = values.ravel()
    low, high = int(counts.min()), int(counts.max())
    width = max(1, -(-(high + 1 - low) // HISTOGRAM_BARS))
    lines = np.bincount((counts - low) // width)
    return {
        "label": counted[0],
        "what": counted[1],
        "histogram": {
            "start": low,
            "width": width,
            "lines": lines.tolist(),
            "expected": None,
            "mean": number(float(counts.mean()), 4),
        },
    }


def _drawn(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return an array [bars], [rows, columns] or [maps, rows, columns] as the page's script draws it."""
    if values.ndim == 1:
        shown = block_means(values[None, :], 1, MOST_BARS)[0]
        return {"bars": encoding.numbers(shown, 4), "count": len(values)}
    maps = values[None] if values.ndim == 2 else values[:MOST_MAPS]
    small = np.stack([block_means(one, LARGEST_SIDE, LARGEST_SIDE) for one in maps])
    finite = small[np.isfinite(small)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    found = {
        "maps": len(small),
        "of": 1 if values.ndim == 2 else len(values),
        "rows": small.shape[1],
        "columns": small.shape[2],
        "low": number(low, 4),
        "high": number(high, 4),
    }
    if len(small) == 1 and small.size <= WRITTEN:
        return found | {"cells": encoding.numbers(small.ravel(), 4)}
    low = min(low, 0.0)
    filled = np.where(np.isfinite(small), small, low)
    return found | {
        "low": number(low, 4),
        "data": encoding.octets(encoding.levels_of_256(filled, low, high)),
    }
