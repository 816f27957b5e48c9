"""Estimate how long the paper's sequence of levels takes on this machine, from measured steps and evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from prunescope.bench.sizes import Sizes

Rows = Sequence[dict[str, Any]]


def sequence_rows(sizes: Sizes, steps: Rows, evaluations: Rows) -> list[dict[str, Any]]:
    """Return rows {competitor, seconds, …} of a whole sequence, from the rows of steps and of evaluations.

    ``seconds`` is the sum of ``steps_seconds`` and ``evaluations_seconds``, and ``level_seconds`` has one entry for each
    level. ``dense_trainings`` is the number of dense levels that plain PyTorch trains in that time. There is a row for
    each competitor with steps of the sequence's classes and evaluations; none without plain PyTorch's. What is left
    out, the start and the end of a level, takes seconds, where a level takes hours.
    """
    own_steps = [row for row in steps if row["classes"] == sizes.sequence_classes]
    each: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in dict.fromkeys(row["competitor"] for row in own_steps):
        step, evaluation = _seconds(own_steps, name), _seconds(evaluations, name)
        if evaluation:
            of_levels = partial(over_levels, levels=sizes.sequence_levels, rate=sizes.sequence_rate)
            number = sizes.sequence_steps // sizes.sequence_eval_every
            each[name] = (sizes.sequence_steps * of_levels(step), number * of_levels(evaluation))
    if "plain" not in each:
        return []
    dense = float(each["plain"][0][0] + each["plain"][1][0])
    whole = {"levels": sizes.sequence_levels, "steps": sizes.sequence_steps}
    rows = []
    for name, (training, evaluating) in each.items():
        seconds = float(training.sum() + evaluating.sum())
        rows.append(
            {
                "competitor": name,
                "seconds": seconds,
                "steps_seconds": float(training.sum()),
                "evaluations_seconds": float(evaluating.sum()),
                "dense_trainings": seconds / dense,
                "level_seconds": (training + evaluating).tolist(),
            }
            | whole
        )
    return rows


def over_levels(known: Mapping[float, float], levels: int, rate: float) -> np.ndarray:
    """Return the seconds of each of so many levels, each pruned by ``rate``, from those ``known`` at some densities.

    Between two densities the logarithm of the seconds is a line over log u; beyond the last ones it stays as it is.
    """
    densities = sorted(known)
    wanted = np.log(1 - rate) * np.arange(levels)
    return np.exp(np.interp(wanted, np.log(densities), np.log([known[u] for u in densities])))


def _seconds(rows: Rows, competitor: str) -> dict[float, float]:
    return {row["u"]: row["seconds"] for row in rows if row["competitor"] == competitor}
