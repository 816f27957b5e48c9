"""Executors run jobs on workers: processes of this machine here, tasks of a Ray cluster in prunescope.sweep.ray.executor."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Generic, Protocol, TypeVar, cast

from prunescope.experiment import Experiment
from prunescope.sweep.capacity import Capacity
from prunescope.sweep.planning import PlannedRun
from prunescope.sweep.run_shares import threads_of
from prunescope.sweep.status import Event

# -P: a torch.py in the working directory is not torch
COMMAND = [sys.executable, "-P", "-m", "prunescope.sweep.worker"]
THREAD_POOLS = ("OMP", "MKL", "OPENBLAS", "VECLIB", "NUMEXPR")
ERROR_BYTES = 4000  # so much of what a process wrote to stderr is searched for its last line

Request = dict[str, Any]  # what a worker is asked to do, as JSON
Message = tuple["WorkerProcess", Event | None]


class Worker(Protocol):
    """A worker does one run at a time; ``planned`` is that run, None while there is none.

    A worker puts its events into the executor's queue as (worker, event): ``began`` with pid and node, then those of
    prunescope.sweep.worker, ``ended`` with code and message when the run has ended, and None at the worker's own end.
    """

    planned: PlannedRun | None

    def start(self, planned: PlannedRun, request: Request) -> None:
        """Begin with the run ``planned``, which ``request`` describes; returns at once."""

    def run_ended(self, code: int) -> None:
        """Receive that the worker's run has ended with exit code ``code``."""

    def request_stop(self) -> None:
        """Ask the worker to save and end; returns at once."""

    def kill(self) -> None:
        """End the worker now, or stop waiting for it."""

    def wait(self) -> tuple[int, str]:
        """Wait for the worker's end; return its exit code and its last message. Code 1 is the run's own failure."""


W = TypeVar("W", bound=Worker)


class Executor(ABC, Generic[W]):
    """An executor runs jobs on its workers and queues the events that they report.

    ``trackers`` are NAME or NAME=FOLDER of what each worker feeds from its run's files.
    """

    def __init__(self, trackers: Sequence[str] = ()) -> None:
        self._trackers = trackers
        self._workers: list[W] = []
        self._messages: SimpleQueue[tuple[W, Event | None]] = SimpleQueue()

    @abstractmethod
    def has_space(self, run: PlannedRun) -> bool:
        """Return whether ``run`` may be started beside those that are on."""

    @abstractmethod
    def _free_worker(self, run: PlannedRun, experiment: Experiment) -> W:
        """Return a worker that is free to do ``run``."""

    @property
    def busy(self) -> list[W]:
        """The workers that have a run."""
        return [worker for worker in self._workers if worker.planned is not None]

    @property
    def runs(self) -> list[PlannedRun]:
        """The runs that workers have."""
        return [worker.planned for worker in self._workers if worker.planned is not None]

    def submit(self, run: PlannedRun, experiment: Experiment, out: Path) -> None:
        """Start ``run``, as ``experiment``, below the folder ``out``; returns at once."""
        request = {
            "experiment": experiment.model_dump(mode="json"),
            "seed": run.job.seed,
            "out": str(out),
            "track": list(self._trackers),
        }
        self._free_worker(run, experiment).start(run, request)

    def next_event(self, seconds: float) -> tuple[PlannedRun, Event] | None:
        """Return the next event of a run, None when there is none for so many seconds. A run's last one is ``ended``."""
        try:
            worker, event = self._messages.get(timeout=seconds)
        except Empty:
            return None
        run = worker.planned
        if worker not in self._workers:  # nobody waits for this worker any longer
            return None
        if event is None:
            event = self._lost(worker)
        elif event["event"] == "ended":
            worker.planned = None
            worker.run_ended(event["code"])
        return None if run is None else (run, event)

    def _lost(self, worker: W) -> Event:
        worker.planned = None
        self._workers.remove(worker)
        code, message = worker.wait()
        return {"event": "ended", "code": code, "message": message}

    def request_stop(self) -> None:
        """Ask every run to save and end; returns at once."""
        for worker in self._workers:
            worker.request_stop()

    def kill(self) -> None:
        """End every run now; each keeps its last checkpoint."""
        for worker in self._workers:
            worker.kill()

    def shutdown(self) -> None:
        """Stop every worker and wait until each has saved its run and has ended."""
        self.request_stop()
        for worker in self._workers:
            worker.wait()


class WorkerProcess:
    """A process of this machine that does the runs it is sent, one after the other: see prunescope.sweep.worker.

    threads: how many its libraries may use. device: the CUDA device that it sees, None for all. messages: the queue of
    its events, as (process, event), and of its end, as (process, None). folder: its working directory, by default this
    process's. ``stopping`` is True once it was asked to stop.
    """

    def __init__(
        self, threads: int, device: str | None, messages: SimpleQueue[Message], folder: Path | None = None
    ) -> None:
        self.planned: PlannedRun | None = None
        self.stopping = False
        self.threads = threads
        self.device = device
        self._messages = messages
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the process)
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=folder,
            env=_environment(threads, device),
            start_new_session=True,  # Ctrl-C reaches the sweep alone, which asks each worker once
        )
        self._input = cast(IO[bytes], self._process.stdin)
        self._output = cast(IO[bytes], self._process.stdout)
        threading.Thread(target=self._read_events, daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is there and was not asked to stop."""
        return not self.stopping and self._process.poll() is None

    def start(self, planned: PlannedRun, request: Request) -> None:
        """Begin with the run ``planned``, which ``request`` describes; returns at once."""
        self.planned = planned
        self._messages.put((self, {"event": "began", "pid": self.pid, "node": ""}))
        self.send(request)

    def send(self, request: Request) -> None:
        """Send the process a request of prunescope.sweep.worker."""
        with contextlib.suppress(OSError):  # the process was killed: the event of its end is on its way
            self._input.write(json.dumps(request).encode() + b"\n")
            self._input.flush()

    def run_ended(self, code: int) -> None:
        """Ask the process to end where its run failed: what broke the run may have broken the process."""
        if code:
            self.request_stop()

    def request_stop(self) -> None:
        """Ask the process to save and end; returns at once."""
        self.stopping = True
        with contextlib.suppress(OSError):
            self._input.close()

    def kill(self) -> None:
        """Kill the process; its run keeps its last checkpoint."""
        self._process.kill()

    def wait(self) -> tuple[int, str]:
        """Wait for the end of the process; return its exit code, negative for a signal, and its last line on stderr."""
        code = self._process.wait()
        self.request_stop()
        message = self._last_line(code)
        self._errors.close()
        return code, message

    def _read_events(self) -> None:
        for line in self._output:
            with contextlib.suppress(ValueError):  # a line that a kill has cut short
                self._messages.put((self, json.loads(line)))
        self._output.close()
        self._messages.put((self, None))

    def _last_line(self, code: int) -> str:
        if code < 0:
            return f"killed by signal {-code}"
        self._errors.seek(max(self._errors.seek(0, os.SEEK_END) - ERROR_BYTES, 0))
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        written = [line.strip() for line in lines if line.strip()]
        return written[-1] if written else f"ended with exit code {code}"


def _environment(threads: int, device: str | None) -> dict[str, str]:
    environment = os.environ | {f"{pool}_NUM_THREADS": str(threads) for pool in THREAD_POOLS}
    environment["POLARS_MAX_THREADS"] = str(threads)
    if device is not None:
        environment["CUDA_VISIBLE_DEVICES"] = device
    return environment


class LocalExecutor(Executor[WorkerProcess]):
    """An executor whose workers are processes of this machine, as many as ``capacity`` has space for."""

    def __init__(self, capacity: Capacity, trackers: Sequence[str] = ()) -> None:
        super().__init__(trackers)
        self._capacity = capacity

    def has_space(self, run: PlannedRun) -> bool:
        """Return whether ``run`` fits beside those that are on."""
        return self._capacity.has_space(run, self.busy)

    def _free_worker(self, run: PlannedRun, experiment: Experiment) -> WorkerProcess:
        """Return an idle process that has the right threads and device, else a new one."""
        threads = threads_of(experiment, None)
        device = self._capacity.device(run, self.busy)
        idle = [worker for worker in self._workers if worker.planned is None and not worker.stopping]
        for worker in idle:
            if (worker.threads, worker.device) == (threads, device):
                return worker
        for worker in idle:  # an idle process would hold memory that the new one may need
            worker.request_stop()
        self._workers.append(WorkerProcess(threads, device, self._messages))
        return self._workers[-1]
