"""This module multiplies dense matrices in float32, or with operands rounded to TF32 or bfloat16.

Products of rounded operands are accumulated in float32. TF32 has the 10 bits of a half's mantissa and float32's range.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor


class Products(abc.ABC):
    """The interface by which training's forward and backward passes multiply matrices.

    Sums, results and weights are float32 whatever the operands are. ``dtype``: that in which operands are stored.
    """

    dtype = torch.float32

    @abc.abstractmethod
    def operand(self, x: Tensor) -> Tensor:
        """Return ``x`` in the form in which ``multiply`` and ``affine`` take it, so that it is converted once only."""

    @abc.abstractmethod
    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        """Return left @ right in float32, of two results of ``operand``."""

    @abc.abstractmethod
    def affine(self, bias: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Return bias + left @ right in float32, of two results of ``operand``."""


class Float32Products(Products):
    """Products of float32 operands."""

    def operand(self, x: Tensor) -> Tensor:
        return x

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        return left @ right

    def affine(self, bias: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return torch.addmm(bias, left, right)


class RoundedProducts(Products):
    """Products for CPUs, of operands rounded to bfloat16 (to nearest, ties to even) and stored as float32.

    The product of two bfloat16 numbers is exact in float32, so a float32 product of rounded operands is right on
    any CPU. ``narrow`` lets oneDNN use the CPU's bfloat16 units; its rounding changes nothing, since the operands
    are rounded already. torch's own bfloat16 product would round the result too, and is slower than float32 on a
    CPU without such units.
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
    """Products for GPUs, of operands stored as bfloat16.

    With ``wide`` the result keeps the float32 of the accumulator (``torch.mm`` with ``out_dtype``). Without it,
    for an older torch, the result is rounded to bfloat16.
    """

    dtype = torch.bfloat16

    def __init__(self, wide: bool) -> None:
        self._wide = wide

    def operand(self, x: Tensor) -> Tensor:
        return x.bfloat16()

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        return torch.mm(left, right, out_dtype=torch.float32) if self._wide else (left @ right).float()

    def affine(self, bias: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.multiply(left, right).add_(bias)


class WidenedProducts(Float32Products):
    """Products of operands stored as bfloat16, for devices whose own products of such operands round the result."""

    dtype = torch.bfloat16

    def operand(self, x: Tensor) -> Tensor:
        return x.bfloat16()

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        return left.float() @ right.float()


class TF32Products(Float32Products):
    """Products of operands that are rounded to TF32, to nearest, and stored as float32.

    On CUDA devices `matrix_units` lets them go through the matrix units, which would cut off what is beyond TF32. On
    others the products are exact, as they are there too, and the sums float32.
    """

    def operand(self, x: Tensor) -> Tensor:
        return rounded_to_tf32(x)


FLOAT32 = Float32Products()


def products(precision: str, device: torch.device) -> Products:
    """Return the products for a ``train.precision`` ("float32", "tf32" or "bf16") on ``device``."""
    if precision == "float32":
        return FLOAT32
    if precision == "tf32":
        return TF32Products()
    if device.type == "cpu":
        return RoundedProducts(narrow=_has_bfloat16_units())
    return BFloat16Products(wide=_keeps_float32(device))


def stored_products(precision: str, device: torch.device) -> Products:
    """Return such products as `products` whose operands are stored as bfloat16 for "bf16", on a CPU too."""
    found = products(precision, device)
    return WidenedProducts() if isinstance(found, RoundedProducts) else found


def rounded_to_tf32(x: Tensor) -> Tensor:
    """Return float32 numbers rounded to the 10 bits of TF32's mantissa, to nearest, ties to even; NaN stays NaN."""
    bits = x.view(torch.int32)
    rounded = ((bits + 0xFFF + ((bits >> 13) & 1)) & -8192).view(torch.float32)
    return torch.where(x == x, rounded, x)


@contextmanager
def matrix_units(tf32: bool) -> Iterator[None]:
    """Let float32 products on CUDA devices round their operands to TF32 within the context, or not.

    The setting belongs to the whole process and may have been changed by anybody; it is restored at the end.
    """
    setting: Any = torch.backends.cuda.matmul
    name, value = "fp32_precision", "tf32" if tf32 else "ieee"
    if not hasattr(setting, name):  # torch before 2.9
        name, value = "allow_tf32", tf32  # type: ignore[assignment]
    with _set_for_now(setting, name, value):
        yield


@contextmanager
def _set_for_now(setting: Any, name: str, value: object) -> Iterator[None]:
    """Set an attribute within the context."""
    before = getattr(setting, name)
    setattr(setting, name, value)
    try:
        yield
    finally:
        setattr(setting, name, before)


def _has_bfloat16_units() -> bool:
    """Return whether oneDNN can use bfloat16 units for float32 operands, which it does with AMX only."""
    settable = hasattr(torch.backends.mkldnn, "matmul") and hasattr(torch.cpu, "get_capabilities")
    return settable and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@contextmanager
def _bfloat16_units() -> Iterator[None]:
    """Let float32 products round their operands to bfloat16 within the context.

    The setting belongs to the whole process, so it is restored at the end.
    """
    setting: Any = getattr(torch.backends.mkldnn, "matmul", None)
    with _set_for_now(setting, "fp32_precision", "bf16"):
        yield


def _keeps_float32(device: torch.device) -> bool:
    """Return whether a bfloat16 product on ``device`` can return float32."""
    one = torch.ones(8, 8, dtype=torch.bfloat16, device=device)
    try:
        torch.mm(one, one, out_dtype=torch.float32)
    except (RuntimeError, TypeError):  # torch before 2.8 lacks the argument, and some devices lack the kernel
        return False
    return True
