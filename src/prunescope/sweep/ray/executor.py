"""An executor whose workers are tasks of a Ray cluster, one a run: Ray says where and when each run goes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError, RuntimeEnvSetupError

from prunescope.experiment import Experiment
from prunescope.sweep.executor import Executor, Request
from prunescope.sweep.planning import PlannedRun
from prunescope.sweep.ray.liveness import LivenessLock
from prunescope.sweep.ray.node import SweepContext, serve
from prunescope.sweep.run_shares import cpus_of, gpus_of
from prunescope.sweep.status import Event

AHEAD = 256  # runs that Ray is given at once, to choose from
LOST = -1  # the exit code of a run whose Ray worker or node is gone
PATIENCE = 60.0  # seconds to wait for runs that are saving
LEAVING = 5.0  # seconds to wait for the thread of a run that nobody waits for any more
# Ray kills what its workers started when a sweep's own process is gone; a run has to save first
ENVIRONMENT = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "false"}}


class RayWorker:
    """One run as a task of the cluster.

    task: the remote function, see remote_task. messages: the queue of its events, as (worker, event), and of its end, as
    (worker, None).
    """

    def __init__(
        self, task: Any, context: SweepContext, liveness: LivenessLock, messages: SimpleQueue[Any]
    ) -> None:
        self.planned: PlannedRun | None = None
        self._task, self._context, self._liveness, self._messages = task, context, liveness, messages
        self._began = self._left = False
        self._events: Any = None
        self._code, self._message = LOST, "its node ended it"
        self._reader = threading.Thread(target=self._read_events, daemon=True)

    def start(self, planned: PlannedRun, request: Request) -> None:
        """Begin with the run ``planned``, which ``request`` describes; returns at once."""
        self.planned = planned
        self.send(request, request["experiment"]["run"]["threads"])

    def send(self, request: Request, threads: int) -> None:
        """Have a node do ``request`` in a process of so many threads."""
        self._events = self._task.remote(request, threads, self._context)
        self._reader.start()

    def run_ended(self, code: int) -> None:
        """Do nothing: the task ends by itself."""

    def request_stop(self) -> None:
        """Release the liveness lock, which tasks notice; a task that has not begun is given up."""
        self._liveness.release()
        if not self._began:
            self.kill()

    def kill(self) -> None:
        """Stop waiting for the task. Its process notices that the sweep is gone, saves and ends."""
        self._leave()
        events = self._events
        if not self._began and events is not None:
            ray.cancel(events)  # It ends at once, and with it the thread that reads its events.

    def _leave(self) -> None:
        if not self._left:
            self._left = True
            self._messages.put((self, None))

    def wait(self) -> tuple[int, str]:
        """Wait for the end of the task, a minute at most; return its exit code and its last message."""
        # Ray ends the whole process when a thread uses it after it was shut down: none may be left then.
        self._reader.join(LEAVING if self._left else PATIENCE)
        return self._code, self._message

    def _read_events(self) -> None:
        try:
            for reference in self._events:
                event: Event = ray.get(reference)
                self._began = self._began or event["event"] == "began"
                self._messages.put((self, event))
        except RayError as error:
            self._code = 1 if isinstance(error, RayTaskError | RuntimeEnvSetupError) else LOST
            self._message = _message(error)
        except Exception:
            if not self._left:  # otherwise Ray was shut down while this thread waited
                raise
        finally:
            self._events = None
            self._leave()


class RayExecutor(Executor[RayWorker]):
    """An executor whose workers are tasks of the cluster that this process is connected to.

    largest: by Ray's names the most of each resource that any one node has. at_once: at most so many runs are given to
    Ray, None for as many as it needs to choose from.
    """

    def __init__(
        self,
        context: SweepContext,
        liveness: LivenessLock,
        largest: dict[str, float],
        at_once: int | None,
        trackers: Sequence[str] = (),
    ) -> None:
        super().__init__(trackers)
        self._context, self._liveness, self._largest = context, liveness, largest
        self._at_once = at_once or AHEAD

    def has_space(self, run: PlannedRun) -> bool:
        """Return whether Ray may be given one more run."""
        return len(self.busy) < self._at_once

    def _free_worker(self, run: PlannedRun, experiment: Experiment) -> RayWorker:
        wanted = {
            "num_cpus": cpus_of(experiment, None),
            "num_gpus": gpus_of(experiment),
            "memory": run.estimate.memory_bytes if run.estimate else 0,
        }
        # a run that wants more than any node has goes to a node alone
        resources = {name: min(value, self._largest[name]) for name, value in wanted.items()}
        resources["memory"] = int(resources["memory"])
        worker = RayWorker(remote_task(**resources), self._context, self._liveness, self._messages)
        self._workers.append(worker)
        return worker


def remote_task(**options: Any) -> Any:
    """Return node.serve as a remote function of Ray with these options; Ray itself does not retry it when it fails."""
    options = {"scheduling_strategy": "SPREAD"} | options
    return ray.remote(serve).options(
        num_returns="streaming", max_retries=0, runtime_env=ENVIRONMENT, **options
    )


def _message(error: RayError) -> str:
    """Return the part of an error of Ray that fits in a line."""
    if not isinstance(error, RayTaskError):
        return " ".join(str(error).split()).partition(". ")[0].rstrip(".") or type(error).__name__
    lines = [line.strip() for line in str(error.cause).splitlines() if line.strip()]
    return lines[-1] if len(lines) > 1 else f"{type(error.cause).__name__}: {''.join(lines)}"
