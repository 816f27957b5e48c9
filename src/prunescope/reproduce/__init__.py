"""Reproduce the paper: run what a figure needs and draw it, or write the paper in miniature on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope import _lazy

if TYPE_CHECKING:
    from prunescope.reproduce.request import Reproduced as Reproduced
    from prunescope.reproduce.request import Request as Request
    from prunescope.reproduce.request import missing as missing
    from prunescope.reproduce.request import needed as needed
    from prunescope.reproduce.request import planned as planned
    from prunescope.reproduce.request import reproduce as reproduce

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__, dict.fromkeys(("Reproduced", "Request", "missing", "needed", "planned", "reproduce"), "request")
)
