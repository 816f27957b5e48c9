"""Removal of first-layer nodes from a trained model (paper, Fig. 1c)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from prunescope.model import Model

REMOVALS = ("mask", "mean", "outgoing")


def remove_first_layer_nodes(model: Model, nodes: NDArray[np.int64], how: str = "mask") -> Model:
    """Return the model without the first-layer units ``nodes`` [k], not trained further.

    ``how``: "mask" sets their incoming weights to 0 (paper, Fig. 1c); "mean" replaces each by
    its average over images (a normalised value of 0, which needs the norm before the maps);
    "outgoing" sets their outgoing weights to 0. Raises ValueError for another ``how``, or for
    "mean" without that norm.
    """
    first, second, *rest = model.layers
    if how == "mask":
        weight = first.weight.copy()
        weight[nodes] = 0
        return Model((replace(first, weight=weight), second, *rest))
    if how == "mean":
        if second.gamma.size != second.weight.shape[1]:
            raise ValueError("removal by the mean needs batch norm before the linear maps")
        gamma = second.gamma.copy()
        gamma[nodes] = 0
        return Model((first, replace(second, gamma=gamma), *rest))
    if how == "outgoing":
        weight = second.weight.copy()
        weight[:, nodes] = 0
        return Model((first, replace(second, weight=weight), *rest))
    raise ValueError(f"removal is {how!r}; use one of {', '.join(REMOVALS)}")
