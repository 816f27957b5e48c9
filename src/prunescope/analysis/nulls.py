"""This module says from how many shuffled masks the nulls of stored runs come (docs/science.md, "z")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

    from prunescope.analysis.groups import Group
    from prunescope.observables.null_moments import Moments
    from prunescope.runs.directory import Run

# Runs of version 0.1 drew so many masks for every null and did not store the number.
EARLIER_SHUFFLES = 20


def sampled_z(row: Mapping[str, Any]) -> int | None:
    """Return from how many shuffled masks a row's z of locality comes; None where its null has a closed form."""
    if row.get("locality_z") is None or row.get("null_shuffles") is not None:
        return None
    return EARLIER_SHUFFLES


def band_of(found: Sequence[Group]) -> str:
    """Return what to say of the band of ± 2 sd of shuffled masks: how many shuffles gave it, where any did."""
    counts = {sampled_z(row) for group in found for row in group.first_layer.iter_rows(named=True)} - {None}
    return f"shuffled ± 2 sd ({max(filter(None, counts))} shuffles)" if counts else "shuffled ± 2 sd (exact)"


def fan_in_null(rows: polars.DataFrame, inputs: int) -> list[Moments]:
    """Return the null of the first layer's fan-in variance ratio for each row of ``units`` and ``weight_density``.

    inputs: the number of inputs of the layer. The rows of runs that did not store either have nan.
    """
    from prunescope.observables.null_moments import Moments, fan_in_ratio_null  # slow to import

    if not {"units", "weight_density"} <= set(rows.columns):
        return [Moments()] * len(rows)
    pairs = rows.select("units", "weight_density").iter_rows()
    return [
        Moments() if None in pair else fan_in_ratio_null(pair[0], inputs, round(pair[1] * pair[0] * inputs))
        for pair in pairs
    ]


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
