"""One sparse linear map on its own: what the benchmark of a single layer times."""

from __future__ import annotations

from typing import Any

import numpy as np

from prunescope.errors import InputError
from prunescope.mask import BoolArray, Mask
from prunescope.model import FloatArray
from prunescope.native import kernels


class SparseLayer:
    """y = W x with the kept weights of W alone, and its gradients; float32, feature-major.

    ``weight`` [n_out, n_in], ``mask`` bool of the same shape. Raises InputError for a mask without
    kept weights and for arrays of another shape or type.
    """

    def __init__(self, weight: FloatArray, mask: BoolArray, threads: int = 1) -> None:
        mask = Mask(mask).array
        if not mask.any():
            raise InputError("the mask keeps no weight: it needs at least one 1")
        if weight.shape != mask.shape or weight.dtype != np.float32:
            raise InputError(f"weight is {weight.dtype} {weight.shape}: float32 {mask.shape} is needed")
        self._shape = mask.shape
        module: Any = kernels()
        self._layer = module.Layer(
            isa=module.instruction_sets()[0],
            threads=threads,
            mask=np.ascontiguousarray(mask).view(np.uint8),
            weight=np.ascontiguousarray(weight),
        )

    def forward(self, x: FloatArray) -> FloatArray:
        """[n_in, B] to [n_out, B]."""
        self._check(x, self._shape[1])
        y: FloatArray = np.empty((self._shape[0], x.shape[1]), np.float32)
        self._layer.forward(x, y)
        return y

    def backward(self, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """From dy [n_out, B], for the last x: dx [n_in, B], and dw [kept] in row-major order of the mask."""
        self._check(dy, self._shape[0])
        dx: FloatArray = np.empty((self._shape[1], dy.shape[1]), np.float32)
        dw: FloatArray = np.empty(self._layer.kept, np.float32)
        self._layer.backward(dy, dx, dw)
        return dx, dw

    def _check(self, x: FloatArray, features: int) -> None:
        if x.dtype != np.float32 or x.ndim != 2 or x.shape[0] != features or not x.flags.c_contiguous:
            raise InputError(f"an array {x.dtype} {x.shape}: C-ordered float32 [{features}, B] is needed")
