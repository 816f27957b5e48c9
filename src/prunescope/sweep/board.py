"""Board: what is known of every run of a sweep while it goes on, and how long the rest will take."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.analysis.labels import labels
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
    left_then: float = 0.0

    @property
    def left(self) -> float:
        """Seconds of the estimate that are left: levels cost less the sparser they are."""
        inside = self.step / self.steps if self.steps else 0.0
        return self.run.estimate.seconds_after(self.finished, inside) if self.run.estimate else 0.0

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
        state.status, state.note, state.level, state.left_then = "running", "", None, 0.0
        return state

    def heard(self, run: Planned, event: dict[str, Any]) -> State:
        """The run said something: see prunescope.sweep.worker."""
        state = self.states[run.path]
        match event["event"]:
            case "preparing":
                state.note = event["text"]
            case "level_started" | "stepped":
                first = state.level is None
                state.level, state.step, state.steps = event["level"], event["step"], event["steps"]
                state.note = ""
                if first:  # reading images and what a resumed run had done before are not its pace
                    state.began, state.left_then = time.monotonic(), state.left
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
        return state.left * self._pace()

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
            done = state.left_then - state.left
            if done > LEAST_WORK * state.seconds:
                spent += time.monotonic() - state.began
                expected += done
        return spent / expected if expected > 0 else 1.0
