"""Entries are what trackers receive of a run, in the order in which the run made them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

from prunescope.runs.columns import columns
from prunescope.runs.directory import Run


@dataclass(frozen=True)
class Entry:
    """An entry for a tracker: a line of metrics.jsonl, or what levels.parquet holds of one level.

    ``values``: finite numbers by name. ``step``: what they are drawn over, which is ``global_step`` (level ·
    train.steps + step) for an evaluation and the level's number for a level.
    """

    kind: Literal["evaluation", "level"]
    level: int
    step: int
    global_step: int
    values: dict[str, float]


def entries(run: Run) -> list[Entry]:
    """Return all entries of a run so far: a level's evaluations, then the level, then the next one.

    The order is that of a run that was never interrupted, so that a later call returns the same entries and then
    more, also of a run that is being written. Names are ``evaluation/val_loss``, ``level/seconds`` and, by layer,
    ``layer-1/locality``. Raises InputError when the run's files are damaged.
    """
    table = _table(run)  # This is read first, so that metrics.jsonl has all evaluations of its levels.
    evaluations: dict[int, list[Entry]] = defaultdict(list)
    for line in run.metrics:
        evaluations[line["level"]].append(_evaluation(line, run.experiment.train.steps))
    found = []
    for level in sorted(evaluations.keys() | table.keys()):
        found += evaluations[level]
        if level not in table:  # Later levels were written after the table was read.
            break
        found.append(_level(level, table[level], run.experiment.train.steps))
    return found


def _table(run: Run) -> dict[int, list[dict[str, Any]]]:
    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    if (run.path / "levels.parquet").is_file():
        for row in run.table.to_dicts():
            rows[row["level"]].append(row)
    return rows


def _evaluation(line: dict[str, Any], steps: int) -> Entry:
    values = {f"evaluation/{name}": value for name, value in line.items() if name != "step"}
    at = line["level"] * steps + line["step"]
    return Entry("evaluation", line["level"], at, at, _numbers(values))


def _level(level: int, rows: list[dict[str, Any]], steps: int) -> Entry:
    whole = {column.name for column in columns() if column.of == "level"} - {"level"}
    values = {f"level/{name}": rows[0][name] for name in rows[0] if name in whole}
    for row in rows:
        layer = f"layer-{row['layer']}"
        values |= {f"{layer}/{name}": row[name] for name in row if name not in whole | {"level", "layer"}}
    return Entry("level", level, level, level * steps + rows[0]["steps"], _numbers(values))


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
