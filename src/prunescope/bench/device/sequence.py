"""Estimate how long a sequence of levels takes, from measured steps, evaluations and ends of levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prunescope.bench.device.sizes import DeviceSizes
from prunescope.bench.sequence import over_levels

Row = dict[str, Any]


def sequence_rows(
    sizes: DeviceSizes,
    steps: Sequence[Row],
    evaluations: Mapping[str, float],
    level_ends: Mapping[float, float],
) -> list[Row]:
    """Return rows {competitor, precision, minutes, …} of a sequence with the most classes, fastest first.

    ``steps`` are the rows of the steps, ``evaluations`` the seconds of one evaluation by precision, and ``level_ends``
    those of the end of a level by its density, empty where it was not timed. Between measured densities a step or an end
    takes what ``over_levels`` says. A competitor that is no engine is given the engine's evaluation in its precision and
    the same ends of levels.
    """
    rows = []
    points = [row for row in steps if row["classes"] == sizes.most_classes and row["alive"] == 1]
    for kind, precision in dict.fromkeys((row["competitor"], row["precision"]) for row in points):
        own = {
            row["u"]: row["wall"]
            for row in points
            if (row["competitor"], row["precision"]) == (kind, precision)
        }
        known, each = sorted(own), _over_levels(sizes, own)
        evaluation = evaluations.get(precision, 0.0)
        minutes = {
            "steps_minutes": float(each.sum()) * sizes.level_steps / 60,
            "evaluations_minutes": sizes.levels * sizes.level_steps // sizes.eval_every * evaluation / 60,
            "level_ends_minutes": float(_over_levels(sizes, level_ends).sum()) / 60,
        }
        rows.append(
            {
                "competitor": kind,
                "precision": precision,
                "minutes": sum(minutes.values()),
                "densities_measured": len(known),
            }
            | minutes
        )
    return sorted(rows, key=lambda row: row["minutes"])


def _over_levels(sizes: DeviceSizes, seconds: Mapping[float, float]) -> np.ndarray:
    """Return the seconds of each level, from those at some densities; zeros where there are none."""
    if not seconds:
        return np.zeros(sizes.levels)
    return over_levels(seconds, sizes.levels, sizes.rate)
