"""The paper again: run what a figure needs, draw it; the paper in miniature on one page."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.reproduce.request import Reproduced as Reproduced
    from prunescope.reproduce.request import Request as Request
    from prunescope.reproduce.request import needed as needed
    from prunescope.reproduce.request import planned as planned
    from prunescope.reproduce.request import reproduce as reproduce

__all__ = ["Reproduced", "Request", "needed", "planned", "reproduce"]


def __getattr__(name: str) -> Any:
    # on demand: reading a recipe must not load what runs it
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("prunescope.reproduce.request"), name)
