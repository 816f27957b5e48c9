"""Dense matrix products: in float32, or of operands rounded to bfloat16 and accumulated in float32."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor


class Products(abc.ABC):
    """How the training forward and backward passes multiply matrices. Sums, results and weights are float32."""

    @abc.abstractmethod
    def operand(self, x: Tensor) -> Tensor:
        """``x`` as the products below take it; made once where it is used twice."""

    @abc.abstractmethod
    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        """left @ right in float32, of two operands."""

    @abc.abstractmethod
    def affine(self, bias: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """bias + left @ right in float32, of two operands."""


class Float32Products(Products):
    """Operands as they are."""

    def operand(self, x: Tensor) -> Tensor:
        return x

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        return left @ right

    def affine(self, bias: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return torch.addmm(bias, left, right)


class RoundedProducts(Products):
    """Operands rounded to bfloat16 (to nearest, ties to even) and held as float32: for CPUs.

    The product of two bfloat16 numbers is exact in float32, so a float32 product of rounded operands is the
    product wanted, on any CPU. ``narrow`` lets oneDNN use the CPU's bfloat16 units for it: the rounding it
    then does changes nothing any more. (torch's own bfloat16 product would round the result too, and
    is slower than float32 on a CPU without such units.)
    """

    def __init__(self, narrow: bool) -> None:
        self._narrow = narrow

    def operand(self, x: Tensor) -> Tensor:
        return x.bfloat16().to(x.dtype)

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        with _bfloat16_units() if self._narrow else nullcontext():
            return left @ right

    def affine(self, bias: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.multiply(left, right).add_(bias)


class BFloat16Products(Products):
    """Operands held as bfloat16: for GPUs.

    With ``wide`` the product leaves the accumulator as float32 (``torch.mm`` with ``out_dtype``). An
    older torch rounds it to bfloat16 on the way out.
    """

    def __init__(self, wide: bool) -> None:
        self._wide = wide

    def operand(self, x: Tensor) -> Tensor:
        return x.bfloat16()

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        return torch.mm(left, right, out_dtype=torch.float32) if self._wide else (left @ right).float()

    def affine(self, bias: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.multiply(left, right).add_(bias)


FLOAT32 = Float32Products()


def products(precision: str, device: torch.device) -> Products:
    """The products of ``train.precision`` on a device."""
    if precision == "float32":
        return FLOAT32
    if device.type == "cpu":
        return RoundedProducts(narrow=_has_bfloat16_units())
    return BFloat16Products(wide=_keeps_float32(device))


def _has_bfloat16_units() -> bool:
    """Whether oneDNN would use them for float32 operands: it does with AMX only."""
    settable = hasattr(torch.backends.mkldnn, "matmul") and hasattr(torch.cpu, "get_capabilities")
    return settable and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@contextmanager
def _bfloat16_units() -> Iterator[None]:
    """Let float32 products round their operands to bfloat16, here only: the setting is the process's."""
    setting: Any = getattr(torch.backends.mkldnn, "matmul", None)
    before = setting.fp32_precision
    setting.fp32_precision = "bf16"
    try:
        yield
    finally:
        setting.fp32_precision = before


def _keeps_float32(device: torch.device) -> bool:
    one = torch.ones(8, 8, dtype=torch.bfloat16, device=device)
    try:
        torch.mm(one, one, out_dtype=torch.float32)
    except (RuntimeError, TypeError):  # no such argument before 2.8, no kernel for some devices
        return False
    return True
