"""Magnitudes of weights and gradients, checked to be finite before masks are chosen by them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunescope.model import FloatArray, Model
from prunescope.training.loop import Diverged


def magnitudes(model: Model, step: int) -> list[FloatArray]:
    """Return |w| of each hidden layer; raise Diverged when a weight is not finite."""
    return sizes([layer.weight for layer in model.layers[:-1]], "weight", step)


def sizes(arrays: Sequence[FloatArray], what: str, step: int) -> list[FloatArray]:
    """Return |x| of each array; raise Diverged, which names ``what`` they hold, when an entry is not finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise Diverged(f"step {step}: a {what} is not finite; lower train.lr")
    return [np.abs(array) for array in arrays]
