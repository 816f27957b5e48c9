"""The paper again: run what a figure needs, draw it; the paper in miniature on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope import _lazy

if TYPE_CHECKING:
    from prunescope.reproduce.running import Reproduced as Reproduced
    from prunescope.reproduce.running import Request as Request
    from prunescope.reproduce.running import needed as needed
    from prunescope.reproduce.running import planned as planned
    from prunescope.reproduce.running import reproduce as reproduce

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__, dict.fromkeys(("Reproduced", "Request", "needed", "planned", "reproduce"), "running")
)
