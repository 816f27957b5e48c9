"""Means of the blocks of an array, by which a large one becomes a small picture."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

# About so many entries are added up at once, so that a large mask takes little memory beside itself.
AT_ONCE = 1 << 22


def block_means(array: NDArray[Any], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the means of the blocks of an array [R, C], at most ``rows`` times ``columns`` of them, of nearly equal size."""
    height, width = array.shape
    tops, lefts = _edges(height, rows), _edges(width, columns)
    are_bits = array.dtype == np.bool_
    # Sums of bytes are several times faster than those of bools.
    values, kind = (array.view(np.uint8), np.int32) if are_bits else (array, np.float64)
    sums = np.empty((len(tops) - 1, len(lefts) - 1))
    few = max(1, AT_ONCE // width)
    for block, (top, bottom) in enumerate(pairwise(tops)):
        lines = np.zeros(width, np.int64 if are_bits else np.float64)
        for start in range(top, bottom, few):
            lines += values[start : min(start + few, bottom)].sum(axis=0, dtype=kind)
        sums[block] = np.add.reduceat(lines, lefts[:-1])
    return np.asarray(sums / np.outer(np.diff(tops), np.diff(lefts)))


def _edges(size: int, most: int) -> NDArray[np.int64]:
    """Return where the blocks of a side begin, and its end."""
    blocks = min(size, most)
    return np.arange(blocks + 1, dtype=np.int64) * size // blocks
