"""Means of the blocks of an array, by which a large one becomes a small picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def block_means(array: NDArray[Any], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the means of the blocks of an array [R, C], at most ``rows`` times ``columns`` of them, of nearly equal size."""
    height, width = array.shape
    tops = np.arange(min(rows, height)) * height // min(rows, height)
    lefts = np.arange(min(columns, width)) * width // min(columns, width)
    sums = np.add.reduceat(array, tops, axis=0, dtype=np.float64)
    sums = np.add.reduceat(sums, lefts, axis=1)
    sizes = np.outer(np.diff([*tops, height]), np.diff([*lefts, width]))
    return np.asarray(sums / sizes)
