"""Conversion of arrays and tensors to NumPy arrays, without importing torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import real_array


def as_array(source: Any, name: str = "values", *, with_complex: bool = False) -> NDArray[Any]:
    """Return a NumPy view or copy of an array, a nested list or a torch tensor on any device.

    ``name``: what it is called. Raises InputError for what are no numbers, and for complex ones unless ``with_complex``.
    """
    return real_array(name, source, with_complex=with_complex)


def in_range(values: NDArray[Any], most: int, axis: int | None = None) -> NDArray[Any]:
    """Return values whose largest is far from 1 multiplied by a power of two, so that their powers do not overflow.

    most: the largest power of two, up or down, at which values stay as they are; axis: along which values have a scale
    in common, default all. Digits stay the same. Values that are not finite stay as they are, and so do those beside
    them.
    """
    if not values.size or values.dtype.kind != "f":
        return values
    low, high = (one(axis=axis, keepdims=axis is not None) for one in (values.min, values.max))
    exponent = np.frexp(np.maximum(-low, high))[1]
    far = np.where(np.abs(exponent) > most, exponent, 0)
    # In two steps, because 2^-1074 is a number but its inverse is not.
    return np.ldexp(np.ldexp(values, -(far // 2)), -(far - far // 2)) if far.any() else values
