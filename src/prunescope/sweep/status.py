"""Status of a sweep while it goes on: the interface that is told of it, and what is known of every run."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.analysis.labels import labels
from prunescope.sweep.capacity import Capacity
from prunescope.sweep.planning import Plan, PlannedRun, seconds_until_all_end

Event = dict[str, Any]  # what a worker says: prunescope.sweep.worker lists the events
LEAST_WORK = 0.02  # the share of a run below which its pace says nothing


class SweepReporter:
    """The interface through which a sweep reports what it does; this base class ignores everything."""

    def planned(self, plan: Plan, capacity: Capacity) -> None:
        """Receive the plan and the capacity that its runs will share, before anything is done."""

    def preparing(self, done: int, total: int, what: str) -> None:
        """Receive that data preparation has done ``done`` of ``total`` of ``what``."""

    def note(self, text: str) -> None:
        """Receive what a reader of the numbers has to know about a data set."""

    def started(self, run: PlannedRun, pid: int, node: str = "") -> None:
        """Receive that a run starts or goes on in process ``pid`` of this machine, or of a cluster's ``node``."""

    def updated(self, run: PlannedRun, event: Event) -> None:
        """Receive an event of a run: see prunescope.sweep.worker."""

    def ended(self, run: PlannedRun, how: str, message: str) -> None:
        """Receive that a run's process has ended: done, failed, stopped, retry (it was killed) or in use."""

    def stopping(self) -> None:
        """Receive that runs were asked to save and stop."""

    def close(self) -> None:
        """Release the terminal."""


silent = SweepReporter()


@dataclass
class RunStatus:
    """What is known of one run: where it stands, and the last event that it reported."""

    run: PlannedRun
    label: str
    status: str = "waiting"
    finished: int = 0
    level: int | None = None
    step: int = 0
    steps: int = 0
    accuracy: float | None = None
    images: int | None = None
    row: Event | None = None
    note: str = ""
    began: float = 0.0
    left_then: float = 0.0

    @property
    def left(self) -> float:
        """The seconds of the estimate that are left, for starting too before the first level; sparser levels cost less."""
        if self.run.estimate is None:
            return 0.0
        inside = self.step / self.steps if self.steps else 0.0
        starting = self.run.estimate.starting if self.level is None else 0.0
        return starting + self.run.estimate.seconds_after(self.finished, inside)

    @property
    def seconds(self) -> float:
        """The seconds that the whole run was estimated to take."""
        return self.run.estimate.seconds if self.run.estimate else 0.0


class SweepStatus:
    """The status of every run of a plan, kept up to date with the events of its workers.

    ``slots`` is how many runs go at once.
    """

    def __init__(self, plan: Plan, slots: int) -> None:
        by_experiment = {run.job.experiment_key: run.job.experiment for run in plan.runs}
        names = dict(zip(by_experiment, labels(list(by_experiment.values())), strict=True))
        self.runs: dict[Path, RunStatus] = {}
        self._slots = slots
        self._crowding = plan.crowding(slots)
        self._spent = self._expected = 0.0  # by runs that were done meanwhile
        for run in plan.runs:
            label = f"{names[run.job.experiment_key]}, seed {run.job.seed}"
            status = "done" if run.status == "done" else "waiting"
            self.runs[run.path] = RunStatus(run, label, status, finished=run.levels)

    @property
    def counts(self) -> Counter[str]:
        """The numbers of runs that are done, running, waiting, failed."""
        return Counter(known.status for known in self.runs.values())

    @property
    def running(self) -> list[RunStatus]:
        """The runs that have a process now."""
        return [known for known in self.runs.values() if known.status == "running"]

    def started(self, run: PlannedRun) -> RunStatus:
        """Record that the run's process was started."""
        known = self.runs[run.path]
        known.status, known.note, known.level, known.left_then = "running", "", None, 0.0
        return known

    def updated(self, run: PlannedRun, event: Event) -> RunStatus:
        """Record an event of the run: see prunescope.sweep.worker."""
        known = self.runs[run.path]
        match event["event"]:
            case "preparing":
                known.note = event["text"]
            case "level_started" | "stepped":
                first = known.level is None
                known.level, known.step, known.steps = event["level"], event["step"], event["steps"]
                known.note = ""
                if (
                    first
                ):  # the time for reading images, and what a resumed run had done before, are not its pace
                    known.began, known.left_then = time.monotonic(), known.left
            case "evaluated":
                known.accuracy, known.images = event["accuracy"], event.get("images", known.images)
            case "level_finished":
                known.row, known.step, known.steps = event, 0, 0
                known.finished = event["levels"]
        return known

    def ended(self, run: PlannedRun, how: str, message: str) -> RunStatus:
        """Record that the run's process has ended."""
        known = self.runs[run.path]
        if known.status == "running" and how == "done" and known.level is not None:
            self._spent += time.monotonic() - known.began
            self._expected += known.left_then
        known.status = how if how in ("done", "failed") else "waiting"
        known.note = message
        return known

    def left(self, known: RunStatus) -> float:
        """Return the seconds that a run will still take, by the pace of the runs that are on or were done."""
        pace = self._pace()
        if pace is None:
            learned = known.run.estimate is not None and known.run.estimate.learned
            pace = 1.0 if learned else self._crowding
        return known.left * pace

    def all_left(self) -> float:
        """Return the seconds until the last run ends."""
        busy = [self.left(known) for known in self.running]
        waiting = [self.left(known) for known in self.runs.values() if known.status == "waiting"]
        return seconds_until_all_end([*busy, *[0.0] * (self._slots - len(busy))], waiting)

    def _pace(self) -> float | None:
        """Return the seconds taken for each second estimated, over the runs that are on or were done; None before any."""
        spent, expected = self._spent, self._expected
        for known in self.running:
            done = known.left_then - known.left
            if done > LEAST_WORK * known.seconds:
                spent += time.monotonic() - known.began
                expected += done
        return spent / expected if expected > 0 else None
