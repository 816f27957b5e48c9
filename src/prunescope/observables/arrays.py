"""Conversion of arrays and tensors to NumPy arrays, without importing torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_array(source: Any) -> NDArray[Any]:
    """Return a NumPy view or copy of an array, a nested list or a torch tensor on any device."""
    if hasattr(source, "detach"):
        source = source.detach().cpu().numpy()
    return np.asarray(source)
