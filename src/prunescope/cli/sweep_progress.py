"""Progress of a sweep: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prunescope.analysis.formats import number, span
from prunescope.runs.columns import find_column
from prunescope.sweep.board import Board, State
from prunescope.sweep.planning import Plan, Planned
from prunescope.sweep.reporting import SweepReporter

if TYPE_CHECKING:
    from rich.console import Group

    from prunescope.sweep.room import Room

    PlanLines = Callable[[Plan, Room, int | None], list[str]]


COLUMNS = ("level", "u", "best", "locality", "left")


class SweepLines(SweepReporter):
    """Plain lines on stderr: runs that start and end, levels, and once a minute how far it is."""

    def __init__(self, plan_lines: PlanLines | None = None, every: float = 60.0) -> None:
        self._plan_lines, self._every = plan_lines, every
        self._said = time.monotonic()
        self._what = ""

    def planned(self, plan: Plan, room: Room, threads: int | None) -> None:
        self._board = Board(plan, room.slots(plan, threads))
        for line in self._plan_lines(plan, room, threads) if self._plan_lines else ():
            _say(line)

    def preparing(self, done: int, total: int, what: str) -> None:
        if what != self._what or time.monotonic() - self._said > 10:
            self._what, self._said = what, time.monotonic()
            _say(f"{what}: {done} of {total}")

    def started(self, run: Planned, pid: int, node: str = "") -> None:
        state = self._board.started(run)
        where = f"process {pid}{f' on {node}' if node else ''}"
        _say(f"{state.label}: {'goes on' if state.finished else 'starts'}, {run.path}, {where}")

    def heard(self, run: Planned, event: dict[str, Any]) -> None:
        state = self._board.heard(run, event)
        if event["event"] == "tracker":
            _say(f"{state.label}: {event['text']}")
        if event["event"] == "level_finished":
            cells = zip(COLUMNS, _cells(state, self._board), strict=True)
            _say(f"{state.label}: {'  '.join(f'{name} {cell}' for name, cell in cells)}")
        if time.monotonic() - self._said > self._every:
            self._said = time.monotonic()
            _say(heading(self._board))

    def ended(self, run: Planned, how: str, message: str) -> None:
        state = self._board.ended(run, how, message)
        _say(f"{state.label}: {how}{f', {message}' if message else ''}")

    def stopping(self) -> None:
        _say("stopping: every run saves its state")


class SweepLive(SweepReporter):
    """A table of the runs that are on, redrawn on stderr."""

    def __init__(self, plan_lines: PlanLines | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._plan_lines = plan_lines
        self._board: Board | None = None
        self._note = ""
        self._live = Live(get_renderable=self._view, console=Console(stderr=True), refresh_per_second=4)

    def planned(self, plan: Plan, room: Room, threads: int | None) -> None:
        self._board = Board(plan, room.slots(plan, threads))
        for line in self._plan_lines(plan, room, threads) if self._plan_lines else ():
            _say(line)
        self._live.start()

    def preparing(self, done: int, total: int, what: str) -> None:
        self._note = f"{what}: {done:,} of {total:,}"

    def started(self, run: Planned, pid: int, node: str = "") -> None:
        self._note = ""
        if self._board:
            self._board.started(run)

    def heard(self, run: Planned, event: dict[str, Any]) -> None:
        if not self._board:
            return
        state = self._board.heard(run, event)
        if event["event"] == "tracker":
            self._live.console.print(f"{state.label}: {event['text']}", highlight=False, markup=False)

    def ended(self, run: Planned, how: str, message: str) -> None:
        if not self._board:
            return
        state = self._board.ended(run, how, message)
        if how != "stopped":
            self._live.console.print(
                f"{state.label}: {how}{f', {message}' if message else ''}", highlight=False
            )

    def stopping(self) -> None:
        self._note = "stopping: every run saves its state; Ctrl-C again ends them at once"

    def close(self) -> None:
        self._live.stop()

    def _view(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        parts: list[Any] = []
        if self._board is not None:
            table = Table(box=None, pad_edge=False)
            for name in ("run", *COLUMNS):
                table.add_column(name, justify="left" if name == "run" else "right", no_wrap=name != "run")
            for state in self._board.running:
                label = f"{state.label}: {state.note}" if state.note else state.label
                table.add_row(Text(label), *_cells(state, self._board))
            parts = [table] if self._board.running else []
            parts.append(Text(heading(self._board)))
        if self._note:
            parts.append(Text(self._note))
        return Group(*parts)


def heading(board: Board) -> str:
    """``3 of 12 done, 2 running, about 5 min 10 s left``."""
    counts = board.counts
    text = f"{counts['done']} of {len(board.states)} done, {counts['running']} running"
    if counts["failed"]:
        text += f", {counts['failed']} failed"
    return f"{text}, about {span(board.all_left())} left"


def _cells(state: State, board: Board) -> list[str]:
    """COLUMNS of a run; density, accuracy and locality of its last finished level where there is one."""
    row = state.row or {}
    known = row if "best_val_accuracy" in row else row | {"best_val_accuracy": state.accuracy}
    level = state.level if state.level is not None else row.get("level")

    def of(name: str) -> str:
        return number(known.get(name), find_column(name).format)

    z = "" if known.get("locality_z") is None else f" (z {of('locality_z')})"
    locality = f"{of('locality')}{z}" if known.get("locality") is not None else number(None, "ratio")
    return [
        number(level, "count"),
        of("nominal_density"),
        of("best_val_accuracy"),
        locality,
        span(board.left(state)),
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
