"""Reporters of a sweep's progress: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prunescope.analysis.formats import number, span
from prunescope.cli.plain_output import shown
from prunescope.cli.progress import ProgressLines, ProgressView, z_text
from prunescope.runs.columns import find_column
from prunescope.sweep.capacity import Capacity
from prunescope.sweep.planning import Plan, PlannedRun
from prunescope.sweep.status import Event, RunStatus, SweepReporter, SweepStatus

if TYPE_CHECKING:
    from rich.console import Group


PlanLines = Callable[[Plan, Capacity], list[str]]

COLUMNS = ("level", "u", "best", "locality", "left")


class SweepLines(ProgressLines, SweepReporter):
    """A reporter of plain lines on stderr: runs that start and end, levels, and once a minute how far the sweep is.

    plan_lines: makes the lines that describe the plan, None for none. every: seconds between two lines on how far it is.
    """

    def __init__(self, plan_lines: PlanLines | None = None, every: float = 60.0) -> None:
        super().__init__(every)
        self._plan_lines = plan_lines

    def planned(self, plan: Plan, capacity: Capacity) -> None:
        self._status = SweepStatus(plan, capacity.slots(plan))
        for line in self._plan_lines(plan, capacity) if self._plan_lines else ():
            self.say(line)

    def started(self, run: PlannedRun, pid: int, node: str = "") -> None:
        known = self._status.started(run)
        where = f"process {pid}{f' on {node}' if node else ''}"
        self.say(f"{known.label}: {'goes on' if known.finished else 'starts'}, {run.path}, {where}")

    def updated(self, run: PlannedRun, event: Event) -> None:
        known = self._status.updated(run, event)
        if event["event"] == "tracker":
            self.say(f"{known.label}: {event['text']}")
        if event["event"] == "level_finished":
            cells = zip(COLUMNS, _cells(known, self._status), strict=True)
            self.say(f"{known.label}: {'  '.join(f'{name} {cell}' for name, cell in cells)}")
        if self.due():
            self.say(heading(self._status))

    def ended(self, run: PlannedRun, how: str, message: str) -> None:
        known = self._status.ended(run, how, message)
        self.say(f"{known.label}: {how}{f', {message}' if message else ''}")

    def stopping(self) -> None:
        self.say("stopping: every run saves its state")


class SweepLive(ProgressView, SweepReporter):
    """A reporter that redraws a table of the runs that are on, on stderr."""

    def __init__(self, plan_lines: PlanLines | None = None) -> None:
        self._plan_lines = plan_lines
        self._status: SweepStatus | None = None
        super().__init__()

    def planned(self, plan: Plan, capacity: Capacity) -> None:
        self._status = SweepStatus(plan, capacity.slots(plan))
        for line in self._plan_lines(plan, capacity) if self._plan_lines else ():
            print(line, file=sys.stderr, flush=True)
        self._live.start()

    def started(self, run: PlannedRun, pid: int, node: str = "") -> None:
        self._note = ""
        if self._status:
            self._status.started(run)

    def updated(self, run: PlannedRun, event: Event) -> None:
        if not self._status:
            return
        known = self._status.updated(run, event)
        if event["event"] == "tracker":
            self._live.console.print(shown(f"{known.label}: {event['text']}"), highlight=False, markup=False)

    def ended(self, run: PlannedRun, how: str, message: str) -> None:
        if not self._status:
            return
        known = self._status.ended(run, how, message)
        if how != "stopped":
            self._live.console.print(
                shown(f"{known.label}: {how}{f', {message}' if message else ''}"),
                highlight=False,
                markup=False,
            )

    def stopping(self) -> None:
        self._note = "stopping: every run saves its state; Ctrl-C again ends them at once"

    def _view(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        parts: list[Any] = []
        if self._status is not None:
            table = Table(box=None, pad_edge=False)
            for name in ("run", *COLUMNS):
                table.add_column(name, justify="left" if name == "run" else "right", no_wrap=name != "run")
            for known in self._status.running:
                label = f"{known.label}: {known.note}" if known.note else known.label
                table.add_row(Text(shown(label)), *_cells(known, self._status))
            parts = [table] if self._status.running else []
            parts.append(Text(heading(self._status)))
        if self._note:
            parts.append(Text(shown(self._note)))
        return Group(*parts)


def heading(status: SweepStatus) -> str:
    """Return how far a sweep is, as in ``3 of 12 done, 2 running, about 5 min 10 s left``."""
    counts = status.counts
    text = f"{counts['done']} of {len(status.runs)} done, {counts['running']} running"
    if counts["failed"]:
        text += f", {counts['failed']} failed"
    return f"{text}, about {span(status.all_left())} left"


def _cells(known: RunStatus, status: SweepStatus) -> list[str]:
    """Return the COLUMNS of a run; density, accuracy and locality are of its last finished level where there is one."""
    row = known.row or {}
    values = row if "best_val_accuracy" in row else row | {"best_val_accuracy": known.accuracy}
    level = known.level if known.level is not None else row.get("level")

    def of(name: str) -> str:
        return number(values.get(name), find_column(name).format)

    locality = (
        f"{of('locality')}{z_text(values)}" if values.get("locality") is not None else number(None, "ratio")
    )
    return [
        number(level, "count"),
        of("nominal_density"),
        f"{of('best_val_accuracy')}{f' of {known.images:,}' if known.images else ''}",
        locality,
        span(status.left(known)),
    ]
