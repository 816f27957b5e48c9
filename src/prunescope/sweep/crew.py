"""Crew: who does the runs. Processes of this machine here; tasks of a Ray cluster in ray_crew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from prunescope.experiment import Experiment
from prunescope.sweep.child import Child, Order, order
from prunescope.sweep.costs import threads_of
from prunescope.sweep.planning import Planned
from prunescope.sweep.room import Room

Event = dict[str, Any]


class Member(Protocol):
    """Does one run at a time. ``planned`` is the one it is at, None while it has none.

    What it says goes to the crew's messages as (member, event): ``began`` with pid and node, then what
    prunescope.sweep.worker says, ``ended`` with code and message when the run has ended, and None at its own end.
    """

    planned: Planned | None

    def give(self, planned: Planned, order: Order) -> None:
        """Have it run ``planned``, as ``order`` says."""

    def free(self, code: int) -> None:
        """Its run has ended with ``code``."""

    def ask_to_stop(self) -> None:
        """Have it save and end; returns at once."""

    def kill(self) -> None:
        """End it now, or wait for it no longer."""

    def ended(self) -> tuple[int, str]:
        """Wait for its end; its exit code, and its last words. Code 1 is the run's own failure."""


M = TypeVar("M", bound=Member)


class Crew(ABC, Generic[M]):
    """Members, and what they say. ``trackers``: NAME or NAME=FOLDER, what each feeds from its run's files."""

    def __init__(self, trackers: Sequence[str] = ()) -> None:
        self._trackers = trackers
        self._members: list[M] = []
        self._messages: SimpleQueue[tuple[M, Event | None]] = SimpleQueue()

    @abstractmethod
    def has_room(self, run: Planned) -> bool:
        """Whether ``run`` may be started beside those that are on."""

    @abstractmethod
    def _member(self, run: Planned, experiment: Experiment) -> M:
        """One that is free to do ``run``."""

    @property
    def busy(self) -> list[M]:
        """Members that have a run."""
        return [member for member in self._members if member.planned is not None]

    @property
    def runs(self) -> list[Planned]:
        """What they are at."""
        return [member.planned for member in self._members if member.planned is not None]

    def start(self, run: Planned, experiment: Experiment, out: Path) -> None:
        """Have ``run`` done, as ``experiment``; returns at once."""
        self._member(run, experiment).give(run, order(run, experiment, out, self._trackers))

    def hear(self, seconds: float) -> tuple[Planned, Event] | None:
        """The next thing said of a run, None when nothing is for so many seconds. The last one is ``ended``."""
        try:
            member, event = self._messages.get(timeout=seconds)
        except Empty:
            return None
        run = member.planned
        if member not in self._members:  # it is waited for no longer
            return None
        if event is None:
            event = self._lost(member)
        elif event["event"] == "ended":
            member.planned = None
            member.free(event["code"])
        return None if run is None else (run, event)

    def _lost(self, member: M) -> Event:
        member.planned = None
        self._members.remove(member)
        code, message = member.ended()
        return {"event": "ended", "code": code, "message": message}

    def ask_to_stop(self) -> None:
        """Have every run saved and ended; returns at once."""
        for member in self._members:
            member.ask_to_stop()

    def kill(self) -> None:
        """End every run now; each keeps its last checkpoint."""
        for member in self._members:
            member.kill()

    def dismiss(self) -> None:
        """Wait until everything is saved and has ended."""
        self.ask_to_stop()
        for member in self._members:
            member.ended()


class LocalCrew(Crew[Child]):
    """Processes of this machine, each for run after run."""

    def __init__(self, room: Room, threads: int | None, trackers: Sequence[str] = ()) -> None:
        super().__init__(trackers)
        self._room, self._threads = room, threads

    def has_room(self, run: Planned) -> bool:
        return self._room.has_room(run, self.busy, self._threads)

    def _member(self, run: Planned, experiment: Experiment) -> Child:
        """A process that waits for work and has these threads and this device, else a new one."""
        threads = threads_of(experiment, None)
        device = self._room.device(run, self.busy)
        idle = [child for child in self._members if child.planned is None and not child.leaving]
        for child in idle:
            if (child.threads, child.device) == (threads, device):
                return child
        for child in idle:  # it would hold memory in vain
            child.ask_to_stop()
        self._members.append(Child(threads, device, self._messages))
        return self._members[-1]
