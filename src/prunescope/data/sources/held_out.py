"""The images that are held out for validation where a source has no validation part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunescope.data.raw_images import Labels
from prunescope.randomness import generator

HELD_OUT = 0.1


def held_out(labels: Labels) -> NDArray[np.bool_]:
    """Return which images are the validation split, bool [N]: a random tenth of each class, the same at every call.

    Of a class with at least two images, at least one is chosen.
    """
    chosen = np.zeros(len(labels), np.bool_)
    different, counts = np.unique(labels, return_counts=True)
    order = np.argsort(labels, kind="stable")  # the rows of each class, one class after the other
    for label, rows in zip(different, np.split(order, np.cumsum(counts)[:-1]), strict=False):
        if len(rows) > 1:
            count = max(1, round(HELD_OUT * len(rows)))
            chosen[generator(0, "held-out", int(label)).permutation(rows)[:count]] = True
    return chosen
