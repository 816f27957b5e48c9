"""Scheduler: which run starts when, and what is done when one ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from prunescope.experiment import Experiment
from prunescope.runs.directory import Run, is_done
from prunescope.sweep.costs import pinned
from prunescope.sweep.crew import Crew
from prunescope.sweep.planning import Plan, Planned, in_use
from prunescope.sweep.reporting import SweepReporter

RETRIES = 2
TICK = 0.2  # seconds between two looks at the clock and at signals
BUSY = 1.0  # seconds until a directory that another process holds is tried again


class Scheduler:
    """Keeps a crew busy with the runs of a plan, the longest first, until all have ended."""

    def __init__(self, plan: Plan, crew: Crew[Any], threads: int | None, reporter: SweepReporter) -> None:
        self.failed: dict[Path, str] = {}
        self.retries = 0
        self.stopping = 0
        self._asked = 0
        self._plan, self._crew, self._threads, self._reporter = plan, crew, threads, reporter
        self._waiting = sorted(plan.todo, key=lambda run: -run.seconds)
        self._tries: dict[Path, int] = {}
        self._not_before: dict[Path, float] = {}

    def run(self) -> None:
        """Return when nothing runs and nothing waits, or, after stop, when nothing runs."""
        try:
            while self._crew.runs or (self._waiting and not self.stopping):
                self._obey()
                if not self.stopping:
                    self._start()
                self._hear()
        finally:
            self._crew.dismiss()

    def stop(self) -> None:
        """Let every run save and end; asked again, end them at once. May be called from a signal handler."""
        self._asked += 1

    def _obey(self) -> None:
        if self._asked > self.stopping:
            if not self.stopping:
                self._reporter.stopping()
            self.stopping += 1
            if self.stopping == 1:
                self._crew.ask_to_stop()
            else:
                self._crew.kill()

    def _start(self) -> None:
        for run in tuple(self._waiting):
            if not self._may_start(run):
                continue
            self._waiting.remove(run)
            if is_done(run.path):  # by another process, since the plan was made
                self._reporter.ended(run, "done", "")
                continue
            self._crew.start(run, self._resumable(run), self._plan.out)

    def _resumable(self, run: Planned) -> Experiment:
        """The experiment with its threads pinned; a started run keeps those of its start, which its sums depend on."""
        stored = Run(run.path).about.get("threads") if (run.path / "run.json").is_file() else None
        return pinned(run.job.experiment, stored or self._threads)

    def _may_start(self, run: Planned) -> bool:
        if self._not_before.get(run.path, 0) > time.monotonic():
            return False
        needed = run.job.needs()
        if needed is not None:
            ahead = [*self._waiting, *self._crew.runs]
            if any(other.path.resolve() == needed.resolve() for other in ahead):
                return False
        return self._crew.has_room(run) and not self._held_elsewhere(run)

    def _held_elsewhere(self, run: Planned) -> bool:
        if not in_use(run.path):
            return False
        if run.path not in self._not_before:
            self._reporter.ended(run, "in use", "another process is running this: waiting for it")
        self._not_before[run.path] = time.monotonic() + BUSY
        return True

    def _hear(self) -> None:
        said = self._crew.hear(TICK)
        if said is None:
            return
        run, event = said
        match event["event"]:
            case "began":
                self._reporter.started(run, event["pid"], event["node"])
            case "ended":
                self._judge(run, event["code"], event["message"])
            case _:
                self._reporter.heard(run, event)

    def _judge(self, run: Planned, code: int, message: str) -> None:
        """What becomes of a run that ended: 1 is its own failure, anything else was done to its process."""
        if code == 0 or is_done(run.path):
            self._reporter.ended(run, "done", "")
        elif self.stopping:
            self._reporter.ended(run, "stopped", "")
        elif code == 1 and in_use(run.path):
            self._waiting.append(run)  # another process was faster
        elif code != 1 and self._tries.get(run.path, 0) < RETRIES:
            self._tries[run.path] = self._tries.get(run.path, 0) + 1
            self.retries += 1
            self._waiting.insert(0, run)
            self._reporter.ended(run, "retry", message)
        else:
            self.failed[run.path] = message
            self._reporter.ended(run, "failed", message)
