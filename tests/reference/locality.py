"""This module computes S(d), its nulls and the paths of effective masks by loops that follow the definitions."""

from __future__ import annotations

import numpy as np


def pair_counts(mask, shape):
    """Return S_sc and S_dc, counted by a loop over all ordered pairs of each node's inputs."""
    _, height, width = shape
    same = np.zeros((2 * height - 1, 2 * width - 1), dtype=np.int64)
    different = np.zeros_like(same)
    for row in np.asarray(mask):
        inputs = [divmod(int(i), height * width) for i in np.flatnonzero(row)]
        places = [(c, *divmod(rest, width)) for c, rest in inputs]
        for c, y, x in places:
            for other_c, other_y, other_x in places:
                if (c, y, x) == (other_c, other_y, other_x):
                    continue
                target = same if c == other_c else different
                target[other_y - y + height - 1, other_x - x + width - 1] += 1
    return same, different


def weighted_pairs(weights, shape):
    """Return Σ q_i q_i' over the ordered pairs i ≠ i' of inputs by displacement, for same and different channels."""
    _, height, width = shape
    same = np.zeros((2 * height - 1, 2 * width - 1))
    different = np.zeros_like(same)
    for i in np.ndindex(shape):
        for j in np.ndindex(shape):
            if i != j:
                target = same if i[0] == j[0] else different
                target[j[1] - i[1] + height - 1, j[2] - i[2] + width - 1] += weights[i] * weights[j]
    return same, different


def count_paths(masks):
    """Return the number of paths [n_out, n0] from each input to each node of the last layer."""
    paths = np.eye(np.asarray(masks[0]).shape[1], dtype=object)
    for mask in masks:
        paths = np.array(
            [sum((paths[k] for k in np.flatnonzero(row)), 0 * paths[0]) for row in np.asarray(mask)]
        )
    return paths.astype(np.int64)
