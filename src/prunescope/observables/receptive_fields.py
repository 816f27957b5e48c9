"""Images of a node's weights and mask (paper, Figs. 3 and 4)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import flag, whole
from prunescope.errors import InputError
from prunescope.mask import NOT_BINARY, BoolArray, ImageShape, Mask, image_shape
from prunescope.observables.arrays import as_array, in_range


def weight_image(
    weights_row: Any, mask_row: Any, shape: ImageShape, *, symmetric: bool = False
) -> NDArray[np.float64]:
    """Return the kept weights w ⊙ m of a first-layer node as an RGB image.

    weights_row, mask_row: [C·H·W]; shape: (C, H, W) with C 3, or 1 for grey. Returns float64 [H, W, 3] in
    [0, 1]: the smallest value of the node is 0 and the largest 1, pruned weights included as zeros; with
    ``symmetric`` 0.5 is zero and the largest |w| reaches 0 or 1. A node whose values are all the same is 0.5
    everywhere. Raises InputError for other shapes and for kept weights that are not finite. Paper, Fig. 3.
    """
    shape, symmetric = image_shape(shape), flag("symmetric", symmetric)
    mask = _mask_row(mask_row, shape)
    weights = _row(weights_row, shape, "weights").astype(np.float64)
    values = np.where(mask, weights, 0.0)  # a product would turn a pruned inf or nan into nan
    if not np.isfinite(values).all():
        raise InputError("kept weights hold nan or inf; an image needs finite weights")
    values = in_range(values, 1000)  # so that the difference of two values is finite
    low, high = float(values.min()), float(values.max())
    if symmetric:
        high = max(-low, high)
        low = -high
    scaled = (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
    return _rgb(scaled, shape)


def mask_image(mask_row: Any, shape: ImageShape) -> NDArray[np.float64]:
    """Return the binary mask of a first-layer node as an RGB image.

    mask_row: [C·H·W]; shape: (C, H, W) with C 3, or 1 for grey. Returns float64 [H, W, 3] of 0 and 1.
    Raises InputError for other shapes. Paper, Fig. 3a.
    """
    shape = image_shape(shape)
    return _rgb(_mask_row(mask_row, shape).astype(np.float64), shape)


def most_connected(mask: Any, k: int) -> NDArray[np.int64]:
    """Return the indices of the k nodes of largest fan-in, the largest first, ties by lower index.

    mask: [n_out, n_in]. Returns int64 [min(k, n_out)]. Raises InputError for k < 0. Paper, Fig. 3a.
    """
    k = whole("k", k)
    return np.argsort(-Mask.of(mask).fan_in, kind="stable")[:k].astype(np.int64)


def _row(row: Any, shape: ImageShape, name: str) -> NDArray[Any]:
    array = as_array(row, name)
    if array.shape != (math.prod(shape),):
        raise InputError(
            f"{name} of a node must have shape ({math.prod(shape)},) for {_text(shape)}, got {array.shape}"
        )
    return array


def _mask_row(row: Any, shape: ImageShape) -> BoolArray:
    array = _row(row, shape, "mask")
    if not ((array == 0) | (array == 1)).all():
        raise InputError(NOT_BINARY)
    return array.astype(np.bool_)


def _rgb(values: NDArray[np.float64], shape: ImageShape) -> NDArray[np.float64]:
    if shape[0] not in (1, 3):
        raise InputError(f"an image needs 1 or 3 channels, got {shape[0]} in {_text(shape)}")
    image = values.reshape(shape).transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(image, (shape[1], shape[2], 3)))


def _text(shape: ImageShape) -> str:
    return "x".join(map(str, shape))
