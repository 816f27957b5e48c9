"""RayCrew: runs as tasks of a Ray cluster, one each. Ray says where and when, the scheduler what when one ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError, RuntimeEnvSetupError

from prunescope.experiment import Experiment
from prunescope.sweep.beacon import Beacon
from prunescope.sweep.child import Order
from prunescope.sweep.costs import cpus_of, gpus_of
from prunescope.sweep.crew import Crew, Event
from prunescope.sweep.planning import Planned
from prunescope.sweep.ray.node import Sweep, work

AHEAD = 256  # runs that Ray is given at once, to choose from
LOST = -1  # the code of a run whose worker or node is gone
PATIENCE = 60.0  # seconds to wait for runs that are saving
# Ray kills what its workers started when a sweep's own process is gone; a run has to save first
ENVIRONMENT = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "false"}}


class RayTask:
    """One run as a task of the cluster."""

    def __init__(self, task: Any, sweep: Sweep, beacon: Beacon, messages: SimpleQueue[Any]) -> None:
        self.planned: Planned | None = None
        self._task, self._sweep, self._beacon, self._messages = task, sweep, beacon, messages
        self._began = self._left = False
        self._code, self._words = LOST, "its node ended it"
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def give(self, planned: Planned, order: Order) -> None:
        self.planned = planned
        self.send(order, order["experiment"]["run"]["threads"])

    def send(self, order: Order, threads: int) -> None:
        """Have a node do ``order``."""
        self._said = self._task.remote(order, threads, self._sweep)
        self._listener.start()

    def free(self, code: int) -> None:
        """Nothing to do: the task ends by itself."""

    def ask_to_stop(self) -> None:
        """Tasks see that the beacon is out; one that has not begun will not begin."""
        self._beacon.put_out()
        if not self._began:
            self.kill()

    def kill(self) -> None:
        """Wait for it no longer. Its process notices that nobody does, saves and ends."""
        if not self._left:
            self._left = True
            self._messages.put((self, None))

    def ended(self) -> tuple[int, str]:
        if not self._left:
            self._listener.join(PATIENCE)
        return self._code, self._words

    def _listen(self) -> None:
        try:
            for reference in self._said:
                event: Event = ray.get(reference)
                self._began = self._began or event["event"] == "began"
                self._messages.put((self, event))
        except RayError as error:
            self._code = 1 if isinstance(error, RayTaskError | RuntimeEnvSetupError) else LOST
            self._words = _words(error)
        except Exception:
            if not self._left:  # else: Ray was shut down while we waited
                raise
        finally:
            self.kill()


class RayCrew(Crew[RayTask]):
    """Tasks of the cluster that this process is connected to. ``largest``: resources of which no node has more."""

    def __init__(
        self,
        sweep: Sweep,
        beacon: Beacon,
        largest: dict[str, float],
        at_once: int | None,
        trackers: Sequence[str] = (),
    ) -> None:
        super().__init__(trackers)
        self._sweep, self._beacon, self._largest = sweep, beacon, largest
        self._at_once = at_once or AHEAD

    def has_room(self, run: Planned) -> bool:
        return len(self.busy) < self._at_once

    def _member(self, run: Planned, experiment: Experiment) -> RayTask:
        wanted = {
            "num_cpus": cpus_of(experiment, None),
            "num_gpus": gpus_of(experiment),
            "memory": run.estimate.memory_bytes if run.estimate else 0,
        }
        # what is more than any node has goes to one alone
        resources = {name: min(value, self._largest[name]) for name, value in wanted.items()}
        resources["memory"] = int(resources["memory"])
        self._members.append(RayTask(task(**resources), self._sweep, self._beacon, self._messages))
        return self._members[-1]


def task(**options: Any) -> Any:
    """``work`` as a task of Ray that Ray itself does not try again."""
    options = {"scheduling_strategy": "SPREAD"} | options
    return ray.remote(work).options(
        num_returns="streaming", max_retries=0, runtime_env=ENVIRONMENT, **options
    )


def _words(error: RayError) -> str:
    """The part of an error of Ray that a line has room for."""
    if not isinstance(error, RayTaskError):
        return " ".join(str(error).split()).partition(". ")[0].rstrip(".") or type(error).__name__
    lines = [line.strip() for line in str(error.cause).splitlines() if line.strip()]
    return lines[-1] if len(lines) > 1 else f"{type(error.cause).__name__}: {''.join(lines)}"
