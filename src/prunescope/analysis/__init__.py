"""Numbers across runs: one tidy table of everything, and comparisons with spread and intervals."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.analysis.comparison import compare as compare
    from prunescope.analysis.tables import find_runs as find_runs
    from prunescope.analysis.tables import table as table

_HOMES = {"compare": "comparison", "find_runs": "tables", "table": "tables"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    # on demand: one of them must not load what the others need
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
