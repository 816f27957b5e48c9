"""Board: what is known of every run of a sweep while it goes on, and how long the rest will take."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.figures.labels import labels
from prunescope.sweep.planning import Plan, Planned

LEAST_WORK = 0.02  # of a run: before so much is done its pace says nothing


@dataclass
class State:
    """One run's: where it stands, and the last it said."""

    run: Planned
    label: str
    status: str = "waiting"
    finished: int = 0
    level: int | None = None
    step: int = 0
    steps: int = 0
    accuracy: float | None = None
    row: dict[str, Any] | None = None
    note: str = ""
    began: float = 0.0
    began_at: float = 0.0

    @property
    def share(self) -> float:
        """How much of the run is done, 0 to 1, all levels counted alike."""
        levels = self.run.estimate.levels + 1 if self.run.estimate else 1
        inside = self.step / self.steps if self.steps else 0.0
        return min((self.finished + inside) / levels, 1.0)

    @property
    def seconds(self) -> float:
        """The time the whole run was estimated to take."""
        return self.run.estimate.seconds if self.run.estimate else 0.0


class Board:
    """Keeps the states of a plan's runs up to date with what they say."""

    def __init__(self, plan: Plan, slots: int) -> None:
        by_identity = {run.job.experiment.identity: run.job.experiment for run in plan.runs}
        names = dict(zip(by_identity, labels(list(by_identity.values())), strict=True))
        self.states: dict[Path, State] = {}
        self._slots = slots
        for run in plan.runs:
            state = State(
                run, f"{names[run.job.experiment.identity]}, seed {run.job.seed}", finished=run.levels
            )
            state.status = "done" if run.status == "done" else "waiting"
            self.states[run.path] = state

    @property
    def counts(self) -> Counter[str]:
        """How many runs are done, running, waiting, failed."""
        return Counter(state.status for state in self.states.values())

    def started(self, run: Planned) -> State:
        """The run's process was started."""
        state = self.states[run.path]
        state.status, state.note = "running", ""
        state.began, state.began_at = time.monotonic(), state.share
        return state

    def heard(self, run: Planned, event: dict[str, Any]) -> State:
        """The run said something: see prunescope.sweep.worker."""
        state = self.states[run.path]
        match event["event"]:
            case "preparing":
                state.note = event["text"]
            case "level_started" | "stepped":
                state.level, state.step, state.steps = event["level"], event["step"], event["steps"]
                state.note = ""
            case "evaluated":
                state.accuracy = event["accuracy"]
            case "level_finished":
                state.row, state.step, state.steps = event, 0, 0
                state.finished = event["levels"]
        return state

    def ended(self, run: Planned, how: str, message: str) -> State:
        """The run's process has ended."""
        state = self.states[run.path]
        state.status = how if how in ("done", "failed") else "waiting"
        state.note = message
        return state

    @property
    def running(self) -> list[State]:
        """Runs that have a process now."""
        return [state for state in self.states.values() if state.status == "running"]

    def left(self, state: State) -> float:
        """Seconds that a run will still take."""
        return state.seconds * (1 - state.share) * self._pace()

    def all_left(self) -> float:
        """Seconds until the last run ends."""
        ends = [self.left(state) for state in self.running]
        ends += [0.0] * (self._slots - len(ends))
        heapq.heapify(ends)
        waiting = [self.left(state) for state in self.states.values() if state.status == "waiting"]
        for seconds in sorted(waiting, reverse=True):
            heapq.heappush(ends, heapq.heappop(ends) + seconds)
        return max(ends)

    def _pace(self) -> float:
        """Time taken for each second estimated, over the runs that are on."""
        spent = expected = 0.0
        for state in self.running:
            done = state.share - state.began_at
            if done > LEAST_WORK:
                spent += time.monotonic() - state.began
                expected += done * state.seconds
        return spent / expected if expected > 0 else 1.0
