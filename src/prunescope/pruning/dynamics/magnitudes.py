"""What masks are chosen by, checked: numbers that are not finite rank nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunescope.model import FloatArray, Model
from prunescope.training.loop import Diverged


def magnitudes(model: Model, step: int) -> list[FloatArray]:
    """|w| of each hidden layer; raises Diverged."""
    return sizes([layer.weight for layer in model.layers[:-1]], "weight", step)


def sizes(arrays: Sequence[FloatArray], what: str, step: int) -> list[FloatArray]:
    """|x| of each array; raises Diverged, naming ``what`` they hold, when one is not finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise Diverged(f"step {step}: a {what} is not finite; lower train.lr")
    return [np.abs(array) for array in arrays]
