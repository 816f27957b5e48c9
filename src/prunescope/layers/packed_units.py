"""The units of layers that keep several rows for each of them: the gates of a recurrent layer, q, k and v in one array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunescope.layers.heads import AttentionShape
from prunescope.layers.kinds import LayerForm


def unit_rows(form: LayerForm) -> NDArray[np.int64] | None:
    """Return the rows of each unit of a packed layer, int64 [units, rows of a unit]; None where a row is a unit.

    A unit of a recurrent layer has a row in each gate. One of a packed projection has a row in each of q, k and v, where
    these have equally many heads; where several heads of queries share one of keys and values, a row in each of them.
    docs/science.md, "Matched units".
    """
    n_out = form.shape[0]
    if form.gates is not None and form.gates > 1:
        return np.arange(n_out).reshape(form.gates, -1).T
    shape = form.attention
    if shape is None or len(shape.parts) < 2 or sum(shape.parts) != n_out:
        return None
    if len(set(shape.parts)) == 1:
        return _of_equal_parts(n_out, shape)
    shared = shape.heads[-1]
    if any(heads % shared for heads in shape.heads):
        return None
    parts = np.split(np.arange(n_out), np.cumsum(shape.parts)[:-1])
    by_head = [part.reshape(shared, -1, shape.size) for part in parts]
    return np.concatenate(by_head, axis=1).transpose(0, 2, 1).reshape(shared * shape.size, -1)


def _of_equal_parts(n_out: int, shape: AttentionShape) -> NDArray[np.int64]:
    """Return the rows of each unit of a projection whose parts have equally many rows."""
    count, rows = len(shape.parts), np.arange(n_out)
    if shape.interleaved:
        return rows.reshape(-1, count, shape.size).transpose(0, 2, 1).reshape(-1, count)
    return rows.reshape(count, -1).T
