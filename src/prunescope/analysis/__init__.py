"""This package analyses stored runs: one table of all numbers, and comparisons with spreads and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope import _lazy

if TYPE_CHECKING:
    from prunescope.analysis.comparison import compare as compare
    from prunescope.analysis.tables import find_runs as find_runs
    from prunescope.analysis.tables import table as table

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__, {"compare": "comparison", "find_runs": "tables", "table": "tables"}
)
