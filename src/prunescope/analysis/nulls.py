"""This module says from how many shuffled masks the nulls of stored runs come (docs/science.md, "z")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.runs.directory import Run

# Runs of version 0.1 drew so many masks for every null and did not store the number.
EARLIER_SHUFFLES = 20


def sampled_z(row: Mapping[str, Any]) -> int | None:
    """Return from how many shuffled masks a row's z of locality comes; None where its null has a closed form."""
    if row.get("locality_z") is None or row.get("null_shuffles") is not None:
        return None
    return EARLIER_SHUFFLES


def earlier_nulls(runs: Sequence[Run]) -> str | None:
    """Return a note where some of the runs have nulls of version 0.1, which are less exact than those of today."""
    earlier = [run for run in runs if _has_earlier(run)]
    if not earlier:
        return None
    which = str(earlier[0].path) if len(earlier) == 1 else f"{len(earlier)} runs"
    text = (
        f"{which}: of version 0.1, the sd of its nulls comes from {EARLIER_SHUFFLES} shuffled masks, and so does z "
        "(relative error 16 %)"
    )
    mixed = len(earlier) < len(runs)
    return f"{text}; that of the other runs is exact, so do not compare z between them" if mixed else text


def _has_earlier(run: Run) -> bool:
    return any(sampled_z(row) is not None for row in run.table.iter_rows(named=True))
