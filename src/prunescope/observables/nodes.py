"""S(d), the number of pairs of inputs by displacement, of single nodes (paper, Fig. 9)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import indices
from prunescope.mask import ImageShape, Mask, image_shape
from prunescope.observables.pair_counts import count_pairs


def node_locality(mask: Any, shape: ImageShape, nodes: Any = None) -> NDArray[np.int64]:
    """Count the same-channel pairs S_sc(d) of each node separately.

    mask: [n_out, C·H·W]; shape: (C, H, W), of a series (C, 1, W); nodes: indices [K], default all. Returns int64
    [K, 2H-1, 2W-1], indexed as ``Locality.same``, which is their sum over nodes. Raises InputError unless
    C·H·W = n_in. Paper, Fig. 9; docs/science.md, "Locality".
    """
    mask = Mask.of(mask)
    shape = image_shape(shape)
    mask.images(shape)  # raises for a shape that does not fit
    chosen = np.arange(mask.n_out) if nodes is None else indices("nodes", nodes, mask.n_out)
    maps = np.zeros((len(chosen), 2 * shape[1] - 1, 2 * shape[2] - 1), np.int64)
    for k, node in enumerate(chosen):
        maps[k] = count_pairs(mask.array[node : node + 1], shape)[0]
    return maps
