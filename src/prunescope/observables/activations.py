"""Functions that find the images that activate each node most (paper, Fig. 3b)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import whole
from prunescope.errors import InputError
from prunescope.memory import check_memory
from prunescope.observables.arrays import as_array


class TopImages:
    """Collects the k strongest activations of each node over batches of images, given in any order.

    Of equal activations the one of lower image index is taken. A nan is never chosen.
    """

    def __init__(self, n_out: int, k: int) -> None:
        """Start without images. Raises InputError unless ``n_out`` and ``k`` are 1 or more."""
        n_out, k = whole("nodes", n_out, 1), whole("k", k, 1)
        check_memory(16 * n_out * k, f"the {k} strongest images of {n_out} nodes")
        self._indices = np.full((n_out, k), np.iinfo(np.int64).max)
        self._values = np.full((n_out, k), -np.inf)
        self._seen = 0

    def update(self, activations: Any, first_index: int | NDArray[np.int64]) -> None:
        """Add activations [images, n_out] of the images first_index, first_index + 1, …, or of those with these indices.

        Each image may be added once. Raises InputError for another number of nodes.
        """
        n_out, k = self._values.shape
        batch = as_array(activations, "activations").astype(np.float64)
        if batch.ndim != 2 or batch.shape[1] != n_out:
            raise InputError(f"activations must be [images, {n_out}], got shape {batch.shape}")
        self._seen += len(batch)
        index = _indices_of(first_index, len(batch))
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


def _indices_of(first_index: Any, images: int) -> NDArray[np.int64]:
    """Return the indices of images; raise InputError where they are no whole numbers, or not as many as the images."""
    if not isinstance(first_index, np.ndarray) or not first_index.ndim:
        return whole("first_index", first_index) + np.arange(images)
    if first_index.shape != (images,) or first_index.dtype.kind not in "iu":
        raise InputError(f"first_index must be whole numbers [{images}], got shape {first_index.shape}")
    return first_index


def top_images(activations: Any, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the images with the highest activation of each node.

    activations: post-ReLU, [images, n_out]; k: images per node. Returns their indices, int64, and activations,
    float64, both [n_out, min(k, images)], the strongest first, ties by lower index. Raises InputError for another
    shape or k < 1. Paper, Fig. 3b; docs/science.md, "Strongest images".
    """
    activations = as_array(activations, "activations")
    if activations.ndim != 2:
        raise InputError(f"activations must be [images, nodes], got shape {activations.shape}")
    best = TopImages(activations.shape[1], k)
    best.update(activations, 0)
    return best.result()
