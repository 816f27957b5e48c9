"""What is measured of embeddings beside their margins: whether a token's number tells how much of it is kept."""

from __future__ import annotations

import numpy as np

from prunescope.layers.fitted import Arrays
from prunescope.layers.kinds import LayerMask
from prunescope.observables.measure import Scalar
from prunescope.observables.rank_correlation import rank_correlation


def embedding_fit(layer: LayerMask) -> tuple[dict[str, Scalar], Arrays]:
    """Return the scalars of a table of embeddings, rows of tokens and columns of dimensions.

    Kept rows and columns are the fan-ins and fan-outs that every layer has.
    """
    numbers = np.arange(layer.mask.n_out)
    return {"token_order": rank_correlation(numbers, layer.mask.fan_in)}, {}
