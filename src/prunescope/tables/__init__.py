"""Numbers across runs: one tidy table of everything, and comparisons with spread and intervals."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.tables.collect import find_runs as find_runs
    from prunescope.tables.collect import table as table
    from prunescope.tables.comparing import compare as compare

_HOMES = {"compare": "comparing", "find_runs": "collect", "table": "collect"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    # on demand: one of them must not load what the others need
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
