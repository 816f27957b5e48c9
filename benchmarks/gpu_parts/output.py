"""What the parts print and keep: a log, and one JSON value a line."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROWS, LOG = "rows.jsonl", "log.txt"
LAST_LINES = 6  # of a traceback


@dataclass(frozen=True)
class Output:
    """Writes to the log and to the rows in ``folder``, at once, and prints what it logs."""

    folder: Path

    def say(self, line: str = "") -> None:
        """Print a line and add it to the log."""
        print(line, flush=True)
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def row(self, part: str, **facts: object) -> None:
        """Add one row."""
        with (self.folder / ROWS).open("a", encoding="utf-8") as rows:
            rows.write(json.dumps({"part": part, **facts}, default=str) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows."""
        path = self.folder / ROWS
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]

    def clear(self) -> None:
        """Make the folder, and begin the log and the rows anew."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (ROWS, LOG):
            (self.folder / name).write_text("", "utf-8")

    @contextmanager
    def recorded(self, part: str, name: str) -> Iterator[dict[str, object]]:
        """Record how something ended: facts that are put into the value given, or the exception, which is kept here."""
        self.row(part, name=name, state="begun")
        facts: dict[str, object] = {}
        began = time.monotonic()
        try:
            yield facts
        except Exception as error:
            lines = traceback.format_exc().rstrip().splitlines()[-LAST_LINES:]
            facts |= {"error": lines}
            self._end(part, name, "FAILED", began, facts)
            for line in lines:
                self.say(f"    {line}")
            if breaks_the_device(error):
                raise BrokenDevice from error
        else:
            self._end(part, name, "ok", began, facts)

    def _end(self, part: str, name: str, state: str, began: float, facts: Mapping[str, object]) -> None:
        seconds = round(time.monotonic() - began, 2)
        self.row(part, **{**facts, "name": name, "state": state, "seconds": seconds})
        shown = " ".join(f"{key}={short(value)}" for key, value in facts.items() if key != "error")
        self.say(f"{state:6} {part} {name} ({seconds:.1f} s) {shown}")


class BrokenDevice(RuntimeError):
    """The device's context is lost, so that only a new process can go on."""


def breaks_the_device(error: BaseException | None) -> bool:
    """Return whether after this error each further call to the device fails."""
    from prunescope.training.torch.device import DeviceLostError, fault

    while error is not None:
        if isinstance(error, DeviceLostError) or fault(error) == "device":
            return True
        error = error.__cause__ or error.__context__
    return False


def short(value: object) -> str:
    """Return a fact as it is printed: floats with two digits."""
    if isinstance(value, float):
        return f"{value:.2g}"
    if isinstance(value, dict):
        return "{" + " ".join(f"{key}:{short(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(short, value)) + "]"
    return str(value)


def table(title: str, header: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Yield the lines of a table with aligned columns."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    yield ""
    yield title
    for row in [header, *rows]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
