"""The program of a worker process, ``python -m prunescope.sweep.worker``: it does runs, one after the other.

executor.WorkerProcess starts it. Each line of stdin is a request as JSON: a run, or data sets to open. stdin stays open as
long as the process that started it lives and wants it to go on; the end of stdin means "save and stop", so a killed sweep
stops its runs too. Events go to stdout, a JSON object a line (``preparing``, ``level_started``, ``stepped``, ``evaluated``,
``level_finished``, ``tracker``, ``ended``); what trackers print does not.
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

from prunescope.errors import InputError, described
from prunescope.runs.columns import shown_on
from prunescope.runs.reporting import Reporter
from prunescope.signals import stop_signals

if TYPE_CHECKING:
    from prunescope.experiment import Experiment
    from prunescope.mask import ImageShape
    from prunescope.training.levels import Level
    from prunescope.training.loop import Evaluation

EVERY = 0.25  # seconds between two events about steps
Report = Callable[..., None]


class EventReporter(Reporter):
    """A reporter that turns what a run does into events, which it passes to ``report``."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._reported = 0.0

    def preparing(self, done: int, total: int, what: str) -> None:
        if time.monotonic() - self._reported > EVERY:
            self._reported = time.monotonic()
            self._report("preparing", text=f"{what}: {done} of {total}", done=done, total=total, what=what)

    def started(
        self, path: Path, experiment: Experiment, rows: list[dict[str, Any]], engine: str = ""
    ) -> None:
        if rows:
            self._report("level_finished", **_row(rows))

    def level_started(self, level: Level, step: int, shape: ImageShape) -> None:
        self._reported = time.monotonic()
        self._report("level_started", level=level.number, step=step, steps=level.steps)

    def stepped(self, level: Level, step: int) -> None:
        if time.monotonic() - self._reported > EVERY:
            self._reported = time.monotonic()
            self._report("stepped", level=level.number, step=step, steps=level.steps)

    def evaluated(self, evaluation: Evaluation) -> None:
        self._report(
            "evaluated",
            level=evaluation.level,
            accuracy=evaluation.val.accuracy,
            images=evaluation.val.images,
        )

    def level_finished(self, rows: list[dict[str, Any]]) -> None:
        self._report("level_finished", **_row(rows))


def _row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a live view shows of the last finished level."""
    last = [row for row in rows if row["layer"] == 1][-1]
    # Without null_shuffles z would be taken for one of version 0.1, whose sd came from shuffled masks.
    names = ["level", "null_shuffles", *(column.name for column in shown_on("live"))]
    return {"levels": len({row["level"] for row in rows}), **{name: last.get(name) for name in names}}


def main() -> int:
    """Do the requests on stdin until it ends; return the exit code: 0 done, 130 stopped with everything saved."""
    numbers = set(stop_signals())
    for number in numbers:  # The process that started this one may ignore or block them.
        signal.signal(number, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    report = _event_writer()
    requests: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    try:
        threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
        while (request := requests.get()) is not None:
            code, message = _run(request, report)
            report("ended", code=code, message=message)
    except KeyboardInterrupt:
        return 130
    return 0


def _run(request: dict[str, Any], report: Report) -> tuple[int, str]:
    """Do a request; return exit code 0, or 1 and the error message."""
    try:
        _check_data(request, report) if "data" in request else _train(request, report)
    except OSError as error:
        return 1, " ".join(described(error).split()) or type(error).__name__
    except (InputError, RuntimeError) as error:
        return 1, " ".join(str(error).split()) or type(error).__name__
    except Exception as error:  # a defect that one run meets does not stop the others
        traceback.print_exc()
        return 1, f"{type(error).__name__}: {' '.join(str(error).split())}"
    return 0, ""


def _train(request: dict[str, Any], report: Report) -> None:
    from prunescope.experiment import build
    from prunescope.pruning.running import run_as_named

    reporter = _tracked(EventReporter(report), request["track"], report)
    try:
        # The sweep has chosen the directory, so that none is searched for here.
        run_as_named(build(request["experiment"]), request["seed"], request["out"], reporter)
    finally:
        reporter.close()


def _tracked(reporter: Reporter, trackers: list[str], report: Report) -> Reporter:
    """Return a reporter that feeds ``trackers`` too.

    The trackers were checked before the sweep began, so what is wrong with one now is no reason not to run.
    """
    if not trackers:
        return reporter
    from prunescope.track import tracked

    def warn(text: str) -> None:
        report("tracker", text=text)

    try:
        return tracked(reporter, trackers, warn)
    except InputError as error:
        warn(f"{error}; the run goes on untracked")
        return reporter


def _check_data(request: dict[str, Any], report: Report) -> None:
    """Open data sets, which prepares them where that was not done; raise InputError for a tracker that cannot be fed."""
    from prunescope.data import open_dataset
    from prunescope.experiment import Data
    from prunescope.track import tracked

    tracked(Reporter(), request["track"])
    for fields, seed in request["data"]:
        open_dataset(Data.model_validate(fields), seed, progress=EventReporter(report).preparing)


def _read_requests(requests: SimpleQueue[dict[str, Any] | None]) -> None:
    """Put each request into the queue; at the end of stdin, interrupt what runs."""
    with open(0, "rb", buffering=0, closefd=False) as lines:
        while line := lines.readline():
            requests.put(json.loads(line))
    requests.put(None)
    os.kill(os.getpid(), signal.SIGINT)


def _event_writer() -> Report:
    """Return a function that writes events to stdout, and redirect whatever else is written there to stderr.

    Trackers, and the processes that they start, write to stdout.
    """
    stdout, one_at_a_time = os.dup(1), threading.Lock()
    os.dup2(2, 1)

    def report(event: str, **facts: Any) -> None:
        # an OSError: nobody reads the events any more, and the end of stdin stops this process
        with one_at_a_time, contextlib.suppress(OSError):
            os.write(stdout, (json.dumps({"event": event, **facts}) + "\n").encode())

    return report


if __name__ == "__main__":
    sys.exit(main())
