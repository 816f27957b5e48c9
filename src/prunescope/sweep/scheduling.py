"""Scheduler: which run starts when, and what is done when one ends."""

from __future__ import annotations

import time
from pathlib import Path
from queue import Empty, SimpleQueue

from prunescope.experiment import Experiment
from prunescope.store import Run
from prunescope.sweep.child import Child, Message
from prunescope.sweep.costs import pinned
from prunescope.sweep.planning import Plan, Planned, in_use
from prunescope.sweep.reporting import SweepReporter
from prunescope.sweep.room import Room

RETRIES = 2
TICK = 0.2  # seconds between two looks at the clock and at signals
BUSY = 1.0  # seconds until a directory that another process holds is tried again


class Scheduler:
    """Keeps the room full with the runs of a plan, the longest first, until all have ended."""

    def __init__(self, plan: Plan, room: Room, threads: int | None, reporter: SweepReporter) -> None:
        self.failed: dict[Path, str] = {}
        self.retries = 0
        self.stopping = 0
        self._asked = 0
        self._plan, self._room, self._threads, self._reporter = plan, room, threads, reporter
        self._waiting = sorted(plan.todo, key=lambda run: -run.seconds)
        self._children: list[Child] = []
        self._tries: dict[Path, int] = {}
        self._not_before: dict[Path, float] = {}
        self._messages: SimpleQueue[Message] = SimpleQueue()

    def run(self) -> None:
        """Return when nothing runs and nothing waits, or, after stop, when nothing runs."""
        try:
            while self._busy or (self._waiting and not self.stopping):
                self._obey()
                if not self.stopping:
                    self._start()
                self._hear()
        finally:
            for child in self._children:
                child.ask_to_stop()
            for child in self._children:
                child.ended()

    def stop(self) -> None:
        """Let every run save and end; asked again, end them at once. May be called from a signal handler."""
        self._asked += 1

    @property
    def _busy(self) -> list[Child]:
        return [child for child in self._children if child.planned is not None]

    def _obey(self) -> None:
        if self._asked > self.stopping:
            if not self.stopping:
                self._reporter.stopping()
            self.stopping += 1
            for child in self._children:
                if self.stopping == 1:
                    child.ask_to_stop()
                else:
                    child.kill()

    def _start(self) -> None:
        for run in tuple(self._waiting):
            if not self._may_start(run):
                continue
            self._waiting.remove(run)
            if done(run.path):  # by another process, since the plan was made
                self._reporter.ended(run, "done", "")
                continue
            experiment = self._resumable(run)
            child = self._child(experiment.run.threads, self._room.device(run, self._busy))
            child.give(run, experiment, self._plan.out)
            self._reporter.started(run, child.pid)

    def _child(self, threads: int, device: str | None) -> Child:
        """A process that waits for work and has these threads and this device, else a new one."""
        idle = [child for child in self._children if child.planned is None and not child.leaving]
        for child in idle:
            if (child.threads, child.device) == (threads, device):
                return child
        for child in idle:  # it would hold memory in vain
            child.ask_to_stop()
        child = Child(threads, device, self._messages)
        self._children.append(child)
        return child

    def _resumable(self, run: Planned) -> Experiment:
        """The experiment with its threads pinned; a started run keeps those of its start, which its sums depend on."""
        stored = Run(run.path).about.get("threads") if (run.path / "run.json").is_file() else None
        return pinned(run.job.experiment, stored or self._threads)

    def _may_start(self, run: Planned) -> bool:
        if self._not_before.get(run.path, 0) > time.monotonic():
            return False
        needed = run.job.needs()
        if needed is not None:
            ahead = [*self._waiting, *(child.planned for child in self._busy)]
            if any(other is not None and other.path.resolve() == needed.resolve() for other in ahead):
                return False
        return self._room.has_room(run, self._busy, self._threads) and not self._held_elsewhere(run)

    def _held_elsewhere(self, run: Planned) -> bool:
        if not in_use(run.path):
            return False
        if run.path not in self._not_before:
            self._reporter.ended(run, "in use", "another process is running this: waiting for it")
        self._not_before[run.path] = time.monotonic() + BUSY
        return True

    def _hear(self) -> None:
        try:
            child, event = self._messages.get(timeout=TICK)
        except Empty:
            return
        run = child.planned
        if event is None:
            code, message = child.ended()
            self._children.remove(child)
            child.planned = None
            if run is not None:
                self._judge(run, code, message)
        elif run is not None and event["event"] == "ended":
            child.planned = None
            if event["code"]:
                child.ask_to_stop()  # what broke the run may have broken the process
            self._judge(run, event["code"], event["message"])
        elif run is not None:
            self._reporter.heard(run, event)

    def _judge(self, run: Planned, code: int, message: str) -> None:
        """What becomes of a run that ended: 1 is its own failure, anything else was done to its process."""
        if done(run.path):
            self._reporter.ended(run, "done", "")
        elif self.stopping:
            self._reporter.ended(run, "stopped", "")
        elif in_use(run.path):
            self._waiting.append(run)  # another process was faster
        elif code != 1 and self._tries.get(run.path, 0) < RETRIES:
            self._tries[run.path] = self._tries.get(run.path, 0) + 1
            self.retries += 1
            self._waiting.insert(0, run)
            self._reporter.ended(run, "retry", message)
        else:
            self.failed[run.path] = message
            self._reporter.ended(run, "failed", message)


def done(path: Path) -> bool:
    """Whether a run directory says that its run is done."""
    return (path / "run.json").is_file() and Run(path).status == "done"
