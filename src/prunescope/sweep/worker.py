"""Runs in a process of their own, one after the other: ``python -m prunescope.sweep.worker``, started by Child.

Each line of stdin is an order: a run, or data sets to open. stdin stays open as long as whoever started it lives and
wants it to go on; its end means: save and stop. So a killed parent stops its runs too. What happens goes to stdout, a
JSON object a line; what trackers print does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError
from prunescope.runs.columns import shown_on
from prunescope.runs.reporting import Reporter

if TYPE_CHECKING:
    from prunescope.experiment import Experiment
    from prunescope.mask import ImageShape
    from prunescope.training.levels import Level
    from prunescope.training.loop import Evaluation

EVERY = 0.25  # seconds between two reports of steps
Say = Callable[..., None]


class Events(Reporter):
    """Says what a run does through ``say``."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._said = 0.0

    def preparing(self, done: int, total: int, what: str) -> None:
        if time.monotonic() - self._said > EVERY:
            self._said = time.monotonic()
            self._say("preparing", text=f"{what}: {done} of {total}", done=done, total=total, what=what)

    def started(
        self, path: Path, experiment: Experiment, rows: list[dict[str, Any]], engine: str = ""
    ) -> None:
        if rows:
            self._say("level_finished", **_row(rows))

    def level_started(self, level: Level, step: int, shape: ImageShape) -> None:
        self._said = time.monotonic()
        self._say("level_started", level=level.number, step=step, steps=level.steps)

    def stepped(self, level: Level, step: int) -> None:
        if time.monotonic() - self._said > EVERY:
            self._said = time.monotonic()
            self._say("stepped", level=level.number, step=step, steps=level.steps)

    def evaluated(self, look: Evaluation) -> None:
        self._say("evaluated", level=look.level, accuracy=look.val.accuracy)

    def level_finished(self, rows: list[dict[str, Any]]) -> None:
        self._say("level_finished", **_row(rows))


def _row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What a view shows of the last finished level."""
    last = [row for row in rows if row["layer"] == 1][-1]
    names = ["level", *(column.name for column in shown_on("live"))]
    return {"levels": len({row["level"] for row in rows}), **{name: last.get(name) for name in names}}


def main() -> int:
    """Run the jobs on stdin until it ends; 0 done, 130 stopped with everything saved."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever started us may ignore or block them
        signal.signal(number, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    say = _speaker()
    orders: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    try:
        threading.Thread(target=_listen, args=(orders,), daemon=True).start()
        while (order := orders.get()) is not None:
            code, message = _run(order, say)
            say("ended", code=code, message=message)
    except KeyboardInterrupt:
        return 130
    return 0


def _run(order: dict[str, Any], say: Say) -> tuple[int, str]:
    """0, or 1 and what went wrong."""
    try:
        _look(order, say) if "data" in order else _train(order, say)
    except (InputError, RuntimeError, OSError) as error:
        return 1, " ".join(str(error).split()) or type(error).__name__
    except Exception as error:  # one run's defect is no other's
        traceback.print_exc()
        return 1, f"{type(error).__name__}: {' '.join(str(error).split())}"
    return 0, ""


def _train(order: dict[str, Any], say: Say) -> None:
    from prunescope.experiment import build
    from prunescope.pruning.running import run

    reporter = _tracked(Events(say), order["track"], say)
    try:
        run(build(order["experiment"]), seed=order["seed"], out=order["out"], reporter=reporter)
    finally:
        reporter.close()


def _tracked(reporter: Reporter, trackers: list[str], say: Say) -> Reporter:
    """Feeds ``trackers`` too. They were looked at before, so what is wrong with one now is no reason not to run."""
    if not trackers:
        return reporter
    from prunescope.track import tracked

    def warn(text: str) -> None:
        say("tracker", text=text)

    try:
        return tracked(reporter, trackers, warn)
    except InputError as error:
        warn(f"{error}; the run goes on untracked")
        return reporter


def _look(order: dict[str, Any], say: Say) -> None:
    """Open data sets, which prepares them where that was not done; raise InputError for a tracker that is not there."""
    from prunescope.data import open_dataset
    from prunescope.experiment import Data
    from prunescope.track import tracked

    tracked(Reporter(), order["track"])
    for fields, seed in order["data"]:
        open_dataset(Data.model_validate(fields), seed, progress=Events(say).preparing)


def _listen(orders: SimpleQueue[dict[str, Any] | None]) -> None:
    """Pass on orders; at the end of input, interrupt what runs."""
    with open(0, "rb", buffering=0, closefd=False) as lines:
        while line := lines.readline():
            orders.put(json.loads(line))
    orders.put(None)
    os.kill(os.getpid(), signal.SIGINT)


def _speaker() -> Say:
    """Says events on stdout and takes it from all others: what trackers print, or the processes they start, goes to stderr."""
    stdout, one_at_a_time = os.dup(1), threading.Lock()
    os.dup2(2, 1)

    def say(event: str, **facts: Any) -> None:
        # an OSError: nobody listens any more, and the end of stdin stops us
        with one_at_a_time, contextlib.suppress(OSError):
            os.write(stdout, (json.dumps({"event": event, **facts}) + "\n").encode())

    return say


if __name__ == "__main__":
    sys.exit(main())
