"""The evaluations of a run (metrics.jsonl), checked once, where they are read."""

from __future__ import annotations

import json
import math
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.errors import damaged
from prunescope.files import read_limited
from prunescope.memory import check_memory
from prunescope.runs.owner import Owner
from prunescope.runs.record import LARGEST, LARGEST_NUMBER

METRICS_LIMIT = 2_000_000_000  # bytes; a line has some 200
BYTES_OF_METRICS = 8  # of memory, for each byte of the file
MEASURED = ("train_loss", "val_loss", "val_accuracy", "val_top5")


@dataclass(frozen=True)
class MetricsLine:
    """A line of metrics.jsonl: its text, its entry, and whether it says whose it is."""

    text: str
    entry: dict[str, Any]
    owned: bool


def read_metrics(path: Path, owner: Owner) -> list[MetricsLine]:
    """Return the whole lines of a metrics.jsonl; raise InputError for a damaged one and for one of another run."""
    size = path.stat().st_size
    if size > METRICS_LIMIT:
        raise damaged(path, f"more than {METRICS_LIMIT / 1e6:g} MB")
    check_memory(BYTES_OF_METRICS * size, f"{path}")
    try:
        texts = read_limited(path, METRICS_LIMIT).decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError:
        raise damaged(path, "not a UTF-8 text file") from None
    return [_metrics_line(path, number, text, owner) for number, text in enumerate(texts, 1)]


def _metrics_line(path: Path, number: int, text: str, owner: Owner) -> MetricsLine:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        raise damaged(path, f"line {number} is not JSON") from None
    if not isinstance(entry, dict):
        raise damaged(path, f"line {number} is not a table of entries")
    for name in ("level", "step"):
        value = entry.get(name)
        if type(value) is not int or not 0 <= value <= LARGEST:
            raise damaged(path, f"line {number}: {name} is {reprlib.repr(value)}")
    for name in MEASURED:
        value = entry.get(name)
        if value is not None:
            if type(value) not in (int, float) or (math.isfinite(value) and abs(value) > LARGEST_NUMBER):
                raise damaged(path, f"line {number}: {name} is {reprlib.repr(value)}")
            entry[name] = float(value)
    whose = {key: str(entry.pop(key)) for key in ("identity", "seed") if key in entry}
    return MetricsLine(text, entry, owner.at(None).owns(path, whose))
