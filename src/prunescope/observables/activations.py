"""Functions that find the images that activate each node most (paper, Fig. 3b)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.observables.arrays import as_array


class TopImages:
    """Collects the k strongest activations of each node over batches of images, given in any order.

    Of equal activations the one of lower image index is taken. A nan is never chosen.
    """

    def __init__(self, n_out: int, k: int) -> None:
        """Start without images. Raises InputError unless ``n_out`` and ``k`` are 1 or more."""
        if n_out < 1 or k < 1:
            raise InputError(f"nodes and k must be 1 or more, got {n_out} nodes and k {k}")
        self._indices = np.full((n_out, k), np.iinfo(np.int64).max)
        self._values = np.full((n_out, k), -np.inf)
        self._seen = 0

    def update(self, activations: Any, first_index: int | NDArray[np.int64]) -> None:
        """Add activations [images, n_out] of the images first_index, first_index + 1, …, or of those with these indices.

        Each image may be added once. Raises InputError for another number of nodes.
        """
        n_out, k = self._values.shape
        batch = as_array(activations).astype(np.float64)
        if batch.ndim != 2 or batch.shape[1] != n_out:
            raise InputError(f"activations must be [images, {n_out}], got shape {batch.shape}")
        self._seen += len(batch)
        index = first_index if isinstance(first_index, np.ndarray) else first_index + np.arange(len(batch))
        weakest, its_index = self._values[:, -1], self._indices[:, -1]
        # Few images of a later batch exceed the weakest stored ones, so little is left to sort.
        passing = (batch > weakest) | ((batch == weakest) & (index[:, np.newaxis] < its_index))
        image, node = np.nonzero(passing)
        node = np.concatenate([np.repeat(np.arange(n_out), k), node])
        indices = np.concatenate([self._indices.ravel(), index[image]])
        values = np.concatenate([self._values.ravel(), batch[passing]])
        order = np.lexsort((indices, -values, node))
        counts = np.bincount(node, minlength=n_out)
        first = np.cumsum(counts) - counts
        best = order[first[:, np.newaxis] + np.arange(k)]
        self._indices, self._values = indices[best], values[best]

    def result(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return image indices and activations, both [n_out, min(k, images added)], the strongest first.

        Where a node had fewer activations that are numbers, the index is -1 and the activation -inf.
        """
        k = min(self._values.shape[1], self._seen)
        missing = self._indices == np.iinfo(np.int64).max
        return np.where(missing, -1, self._indices)[:, :k], self._values[:, :k].copy()


def top_images(activations: Any, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the images with the highest activation of each node.

    activations: post-ReLU, [images, n_out]; k: images per node. Returns their indices, int64, and activations,
    float64, both [n_out, min(k, images)], the strongest first, ties by lower index. Raises InputError for another
    shape or k < 1. Paper, Fig. 3b; docs/science.md, "Strongest images".
    """
    activations = as_array(activations)
    if activations.ndim != 2:
        raise InputError(f"activations must be [images, nodes], got shape {activations.shape}")
    best = TopImages(activations.shape[1], k)
    best.update(activations, 0)
    return best.result()
