"""This module computes kurtosis by its definition, cavities by removing each weight, and hierarchies path by path."""

from __future__ import annotations

import numpy as np


def kurtosis(samples):
    """Return the excess kurtosis of a list of numbers, nan when they are all the same."""
    mean = sum(samples) / len(samples)
    second = sum((a - mean) ** 2 for a in samples) / len(samples)
    fourth = sum((a - mean) ** 4 for a in samples) / len(samples)
    return fourth / second**2 - 3 if second > 1e-20 else float("nan")


def cavity(weights, mask, inputs):
    """Return (node, input, kurtosis without the weight - kurtosis with all, share) of each kept weight.

    ``share`` is the smaller of the two standard deviations, divided by the sum of the contributions' own.
    """
    result = []
    for node, row in enumerate(mask):
        kept = np.where(row, weights[node], 0.0)
        whole, possible = inputs @ kept, np.abs(kept) @ inputs.std(axis=0)
        for i in np.flatnonzero(row):
            without = inputs @ np.where(np.arange(len(kept)) == i, 0.0, kept)
            share = min(whole.std(), without.std()) / possible
            result.append((node, int(i), kurtosis(without) - kurtosis(whole), share))
    return result


def paths_below(masks, weights, layer, node):
    """Return the sum of Π|w| over all paths from ``node`` down to each (layer, node), and the edges of these paths.

    Nodes that no input reaches are left out.
    """
    strength, edges = {}, set()

    def fed(layer, node):
        if layer == 0:
            return True
        return any(fed(layer - 1, k) for k in np.flatnonzero(masks[layer - 1][node]))

    def walk(layer, node, product):
        strength[layer, node] = strength.get((layer, node), 0.0) + product
        if layer == 1:
            return
        for k in np.flatnonzero(masks[layer - 1][node]):
            if fed(layer - 1, k):
                edges.add((layer, node, int(k), float(weights[layer - 1][node, k])))
                walk(layer - 1, int(k), product * abs(weights[layer - 1][node, k]))

    walk(layer, node, 1.0)
    return strength, edges
