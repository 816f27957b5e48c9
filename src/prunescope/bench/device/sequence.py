"""Estimate how long a sequence of levels takes, from measured steps, evaluations and ends of levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prunescope.bench.device.sizes import DeviceSizes

Row = dict[str, Any]


def sequence_rows(
    sizes: DeviceSizes, steps: Sequence[Row], evaluations: Mapping[str, float], level_end: float | None
) -> list[Row]:
    """Return rows {competitor, precision, minutes, …} of a sequence with the most classes, fastest first.

    ``steps`` are the rows of the steps, ``evaluations`` the seconds of one evaluation by precision, and ``level_end``
    the seconds of what is measured at the end of a level, None where it was not timed. A step between two measured
    densities takes what a line between them says, over log u; below the lowest it takes as long as there. A
    competitor that is no engine is given the engine's evaluation in its precision and the same ends of levels.
    """
    rows = []
    points = [row for row in steps if row["classes"] == sizes.most_classes and row["alive"] == 1]
    for kind, precision in dict.fromkeys((row["competitor"], row["precision"]) for row in points):
        own = {
            row["u"]: row["wall"]
            for row in points
            if (row["competitor"], row["precision"]) == (kind, precision)
        }
        known = sorted(own)
        densities = [(1 - sizes.rate) ** level for level in range(sizes.levels)]
        each = np.interp(np.log(densities), np.log(known), [own[u] for u in known])
        evaluation = evaluations.get(precision, 0.0)
        minutes = {
            "steps_minutes": float(each.sum()) * sizes.level_steps / 60,
            "evaluations_minutes": sizes.levels * sizes.level_steps // sizes.eval_every * evaluation / 60,
            "level_ends_minutes": sizes.levels * (level_end or 0.0) / 60,
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
