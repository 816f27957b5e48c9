"""A single sparse linear map, for the benchmark of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prunescope.errors import InputError
from prunescope.mask import BoolArray, Mask
from prunescope.model import FloatArray
from prunescope.native import kernels

if TYPE_CHECKING:
    from prunescope.native import _kernels


class SparseLayer:
    """Multiply by the kept weights of a matrix alone, and compute the gradients of that product.

    Activations are float32 and feature-major, [features, B], in C order.
    """

    def __init__(self, weight: FloatArray, mask: BoolArray, threads: int = 1) -> None:
        """Take the kept entries of ``weight``, float32 [n_out, n_in], where ``mask``, bool of the same shape, is True.

        ``threads`` is the number of threads of each product, at least one. Raises InputError for a mask that keeps
        nothing and for arrays of another shape or type, ValueError for fewer threads.
        """
        mask = Mask(mask).array
        if not mask.any():
            raise InputError("the mask keeps no weight: it needs at least one 1")
        if weight.shape != mask.shape or weight.dtype != np.float32:
            raise InputError(f"weight is {weight.dtype} {weight.shape}: float32 {mask.shape} is needed")
        self._shape = mask.shape
        module = kernels()
        self._layer: _kernels.Layer = module.Layer(
            isa=module.instruction_sets()[0],
            threads=threads,
            mask=np.ascontiguousarray(mask).view(np.uint8),
            weight=np.ascontiguousarray(weight),
        )

    def forward(self, x: FloatArray) -> FloatArray:
        """Return y = W x, float32 [n_out, B], for x float32 [n_in, B], and keep x for ``backward``.

        Raises InputError for an array of another shape, type or order.
        """
        self._check(x, self._shape[1])
        y = _on_a_cache_line((self._shape[0], x.shape[1]))
        self._layer.forward(x, y)
        return y

    def backward(self, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the gradients (dx, dw) that follow from ``dy``, float32 [n_out, B], with the last x.

        dx is float32 [n_in, B]; dw is float32 [kept], of the kept weights in row-major order of the mask. Raises
        InputError for an array of another shape, type or order, ValueError before the first ``forward`` and for
        another B than its.
        """
        self._check(dy, self._shape[0])
        dx = _on_a_cache_line((self._shape[1], dy.shape[1]))
        dw: FloatArray = np.empty(self._layer.kept, np.float32)
        self._layer.backward(dy, dx, dw)
        return dx, dw

    def _check(self, x: FloatArray, features: int) -> None:
        if x.dtype != np.float32 or x.ndim != 2 or x.shape[0] != features or not x.flags.c_contiguous:
            raise InputError(f"an array {x.dtype} {x.shape}: C-ordered float32 [{features}, B] is needed")


def _on_a_cache_line(shape: tuple[int, int]) -> FloatArray:
    """Return an array whose first number begins a cache line, so that the kernels can write to it themselves."""
    line = 64 // 4
    memory: FloatArray = np.empty(shape[0] * shape[1] + line, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + shape[0] * shape[1]].reshape(shape)
