"""Compact layers leave out the units and pixels that are disconnected, so that a step gets smaller with its masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prunescope.mask import BoolArray
from prunescope.model import FloatArray, Model, Ticket

MULTIPLE = 64  # Numbers of inputs and units are rounded up to it, so that kernels fit and are used again.
PADDING = -1

Indices = np.ndarray  # int64; PADDING where there is no entry


@dataclass(frozen=True, eq=False)
class Connections:
    """Which rows and columns of one layer take part in a step.

    ``rows``: int64 [m], the units that vary and that the layer above reads. ``columns``: int64 [n], first the
    ``varying`` inputs, which are the rows of the layer below, then those that send a constant. PADDING fills both up.
    """

    rows: Indices
    columns: Indices
    varying: int

    @property
    def whole(self) -> bool:
        """Whether the columns are the first inputs, or all, in their order and without padding."""
        return bool(np.array_equal(self.columns, np.arange(len(self.columns))))

    def matrix(self, array: np.ndarray) -> np.ndarray:
        """Return the entries [m, n] of an array [n_out, n_in], 0 in the padding."""
        rows, columns = np.maximum(self.rows, 0), np.maximum(self.columns, 0)
        found = array[rows[:, None], columns] if not self._identical(array.shape) else array
        if (self.rows < 0).any() or (self.columns < 0).any():
            found = np.where((self.rows >= 0)[:, None] & (self.columns >= 0), found, array.dtype.type(0))
        return np.ascontiguousarray(found)

    def spread_matrix(self, compact: np.ndarray, into: np.ndarray) -> None:
        """Write compact entries [m, n] to their places in an array [n_out, n_in]."""
        if self._identical(into.shape):
            into[...] = compact
            return
        rows, columns = np.flatnonzero(self.rows >= 0), np.flatnonzero(self.columns >= 0)
        into[self.rows[rows][:, None], self.columns[columns]] = compact[rows[:, None], columns]

    def _identical(self, shape: tuple[int, ...]) -> bool:
        return (
            (len(self.rows), len(self.columns)) == shape
            and self.whole
            and bool(np.array_equal(self.rows, np.arange(len(self.rows))))
        )


def chosen(array: np.ndarray, indices: Indices) -> np.ndarray:
    """Return the entries of a vector at ``indices``, 0 in the padding."""
    return np.where(indices >= 0, array[np.maximum(indices, 0)], array.dtype.type(0))


def spread(compact: np.ndarray, indices: Indices, into: np.ndarray) -> None:
    """Write the compact entries of a vector to their places."""
    real = indices >= 0
    into[indices[real]] = compact[real]


def connections(ticket: Ticket, live_pixels: BoolArray, classes: int) -> tuple[Connections, ...]:
    """Return what takes part of each layer, the output layer's included.

    Left out are the inputs that no kept weight reads, the units that nothing reads, and of the products, those that
    send a constant; all of them keep the numbers that they have at the level's start, as their gradients are 0.
    """
    live = ticket.live_inputs(live_pixels)
    everything = np.ones((classes, len(live[-1])), np.bool_)
    masks = [*(mask.array for mask in ticket.masks), everything]
    read = [mask.any(axis=0) for mask in masks]
    found = []
    for index in range(len(masks)):
        varying = _padded(np.flatnonzero(live[index] & read[index]))
        constant = np.flatnonzero(~live[index] & read[index])
        constant = _padded(constant) if len(constant) else constant
        if index == len(masks) - 1:
            rows = _padded(np.arange(classes))
        else:  # These are the varying inputs of the layer above.
            rows = _padded(np.flatnonzero(live[index + 1] & read[index + 1]))
        found.append(Connections(rows, np.concatenate([varying, constant]), len(varying)))
    return tuple(found)


def _padded(indices: Indices) -> Indices:
    length = max(1, -(-len(indices) // MULTIPLE)) * MULTIPLE
    return np.concatenate([indices, np.full(length - len(indices), PADDING)]).astype(np.int64)


def copied(model: Model) -> list[list[FloatArray]]:
    """Return writable copies of every field of every layer, in the order of model.LAYER_FIELDS."""
    return [[np.array(array, np.float32) for array in vars(layer).values()] for layer in model.layers]
