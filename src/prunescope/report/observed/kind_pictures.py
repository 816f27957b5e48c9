"""Pictures of what the kind of a layer has beside its mask: kernel positions, heads, gates, receptive fields."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.layers import ObservedLayer
from prunescope.report import encoding
from prunescope.report.encoding import number

# What the page draws in a place of its own.
ELSEWHERE = {"fan_in", "fan_out", "picture", "picture_white", "units", "unit_masks", "same_pairs"}
# A larger map is shown by the means of its blocks, more bars likewise, and of more maps the first ones.
LARGEST_SIDE, MOST_BARS, MOST_MAPS = 96, 256, 16


class PictureWords(NamedTuple):
    """What an array of a layer shows: its title, and a sentence."""

    title: str
    sentence: str = ""


WORDS: dict[str, PictureWords] = {}


def kind_pictures(layer: ObservedLayer) -> list[dict[str, Any]]:
    """Return the further arrays of a layer as pictures: bars for one axis, a map for two, maps for three."""
    found = []
    for name, array in layer.arrays.items():
        values = np.asarray(array)
        if (
            name in ELSEWHERE
            or values.dtype.kind not in "biuf"
            or not values.size
            or not 1 <= values.ndim <= 3
        ):
            continue
        words = WORDS.get(name, PictureWords(name.replace("_", " ")))
        found.append({"name": name, "title": words.title, "sentence": words.sentence, **_drawn(values)})
    return found


def _drawn(values: NDArray[Any]) -> dict[str, Any]:
    """Return an array [bars], [rows, columns] or [maps, rows, columns] as the page's script draws it."""
    values = values.astype(np.float64)
    if values.ndim == 1:
        shown = _means(values[None, :], MOST_BARS)[0]
        return {"bars": encoding.numbers(shown, 4), "count": len(values)}
    maps = values[None] if values.ndim == 2 else values[:MOST_MAPS]
    small = np.stack([_means(one, LARGEST_SIDE) for one in maps])
    finite = small[np.isfinite(small)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    low = min(low, 0.0)
    filled = np.where(np.isfinite(small), small, low)
    return {
        "maps": len(small),
        "of": 1 if values.ndim == 2 else len(values),
        "rows": small.shape[1],
        "columns": small.shape[2],
        "low": number(low, 4),
        "high": number(high, 4),
        "data": encoding.octets(encoding.levels_of_256(filled, low, high)),
    }


def _means(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return the means of blocks of an array [R, C], at most ``side`` rows and columns of them."""
    for axis in (0, 1):
        size = values.shape[axis]
        if size > side:
            edges = np.arange(side + 1) * size // side
            sums = np.add.reduceat(values, edges[:-1], axis=axis)
            values = sums / (np.diff(edges)[:, None] if axis == 0 else np.diff(edges))
    return values
