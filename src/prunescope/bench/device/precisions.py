"""Set what float32 products of plain PyTorch are: true float32, or TF32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# torch.set_float32_matmul_precision sets its older and its newer switches alike, which torch.compile asks for.
MATMUL = {"float32": "highest", "tf32": "high", "bf16": "highest"}


@contextmanager
def float32_products(precision: str) -> Iterator[None]:
    """Let float32 products be those of a precision within the context; the setting belongs to the process."""
    before = _setting()
    torch.set_float32_matmul_precision(MATMUL[precision])
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def operand_type(precision: str) -> torch.dtype:
    """Return the type of a product's operands."""
    return torch.bfloat16 if precision == "bf16" else torch.float32


def _setting() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # Somebody set the newer switch alone.
        return "highest"
