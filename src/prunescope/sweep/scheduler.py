"""The scheduler starts each run when there is capacity for it, and decides what happens when one ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.runs.directory import Run, is_in_use
from prunescope.signals import receiving
from prunescope.sweep.checks import is_surely_done
from prunescope.sweep.executor import Executor
from prunescope.sweep.planning import Plan, PlannedRun
from prunescope.sweep.run_shares import pinned
from prunescope.sweep.status import SweepReporter

RETRIES = 2
TICK = 0.2  # seconds after which the clock and the signals are checked again
RETRY_LOCK = 1.0  # seconds until a directory that another process holds is tried again


class Scheduler:
    """A scheduler keeps an executor busy with the runs of a plan, the longest first, until all have ended.

    ``threads`` is the number that a run may use, None for the experiment's own. After ``run``, ``failed`` holds the error
    message of each run that failed, by its directory.
    """

    def __init__(
        self, plan: Plan, executor: Executor[Any], threads: int | None, reporter: SweepReporter
    ) -> None:
        self.failed: dict[Path, str] = {}
        self.retries = 0
        self.stopping = 0
        self._asked = 0
        self._ending = False
        self._plan, self._executor, self._threads, self._reporter = plan, executor, threads, reporter
        self._waiting = sorted(plan.todo, key=lambda run: -run.seconds)
        self._tries: dict[Path, int] = {}
        self._not_before: dict[Path, float] = {}

    def run(self) -> None:
        """Return when nothing runs and nothing waits, or, after ``stop``, when nothing runs."""
        try:
            while self._executor.runs or (self._waiting and not self.stopping):
                self._pass_on_stop()
                if not self.stopping:
                    self._start()
                self._take_event()
        finally:
            self._ending = True
            self._executor.shutdown()

    def stop(self) -> None:
        """Ask every run to save and end; a second call kills them. May be called from a signal handler."""
        self._asked += 1
        if self._ending and self._asked > 1:  # Nothing but this ends a wait for a worker that does not end.
            self._executor.kill()

    def _pass_on_stop(self) -> None:
        if self._asked > self.stopping:
            if not self.stopping:
                self._reporter.stopping()
            self.stopping += 1
            if self.stopping == 1:
                self._executor.request_stop()
            else:
                self._executor.kill()

    def _start(self) -> None:
        for run in tuple(self._waiting):
            if not self._may_start(run):
                continue
            self._waiting.remove(run)
            if is_surely_done(run.path):  # another process has finished it since the plan was made
                self._reporter.ended(run, "done", "")
                continue
            self._executor.submit(run, self._resumable(run), self._plan.out)

    def _resumable(self, run: PlannedRun) -> Experiment:
        """Return the experiment with its threads pinned.

        A run that was started before keeps the threads of its start, since its sums depend on their number.
        """
        stored = None
        with contextlib.suppress(InputError):  # A damaged run says so when it is tried.
            if (run.path / "run.json").is_file():
                stored = Run(run.path).record.threads
        return pinned(run.job.experiment, stored or self._threads)

    def _may_start(self, run: PlannedRun) -> bool:
        if self._not_before.get(run.path, 0) > time.monotonic():
            return False
        needed = run.job.needs()
        if needed is not None:
            ahead = [*self._waiting, *self._executor.runs]
            if any(other.path.resolve() == needed.resolve() for other in ahead):
                return False
        return self._executor.has_space(run) and not self._held_elsewhere(run)

    def _held_elsewhere(self, run: PlannedRun) -> bool:
        if not is_in_use(run.path):
            return False
        if run.path not in self._not_before:
            self._reporter.ended(run, "in use", "another process is running this: waiting for it")
        self._not_before[run.path] = time.monotonic() + RETRY_LOCK
        return True

    def _take_event(self) -> None:
        received = self._executor.next_event(TICK)
        if received is None:
            return
        run, event = received
        match event["event"]:
            case "began":
                self._reporter.started(run, event["pid"], event["node"])
            case "ended":
                self._decide(run, event["code"], event["message"])
            case _:
                self._reporter.updated(run, event)

    def _decide(self, run: PlannedRun, code: int, message: str) -> None:
        """Decide what happens to a run that ended: code 1 is its own failure, any other was done to its process."""
        if code == 0 or is_surely_done(run.path):
            self._reporter.ended(run, "done", "")
        elif self.stopping:
            self._reporter.ended(run, "stopped", "")
        elif code == 1 and is_in_use(run.path):
            self._waiting.append(run)  # another process was faster
        elif code != 1 and self._tries.get(run.path, 0) < RETRIES:
            self._tries[run.path] = self._tries.get(run.path, 0) + 1
            self.retries += 1
            self._waiting.insert(0, run)
            self._reporter.ended(run, "retry", message)
        else:
            self.failed[run.path] = message
            self._reporter.ended(run, "failed", message)


@contextlib.contextmanager
def receiving_signals(scheduler: Scheduler) -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP save and stop every run while the block runs, and a second one kill them.

    Signals are left alone outside the main thread, as in a notebook's worker thread. SIGHUP stays ignored under nohup.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        scheduler.stop()

    with receiving(stop):
        yield
