"""Libraries of requirements-layouts.lock, which write what only tests read; tests are skipped where one is absent."""

from __future__ import annotations

import warnings
from types import ModuleType

import pytest
import torch

_DEFINED: list[torch.library.Library] = []


def library(name: str) -> ModuleType:
    """Return a library, or skip the test; what it warns of while it is imported is its own."""
    reason = f"{name} is not installed: pip install --no-deps -r requirements-layouts.lock"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in ("torchvision", "transformers") and not _DEFINED:  # transformers imports torchvision
            _define_operators()
        return pytest.importorskip(name, reason=reason)


def _define_operators() -> None:
    """Define the operators that torchvision expects of its compiled part, which needs CUDA and is not used here."""
    made = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            made.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DEFINED.append(made)
