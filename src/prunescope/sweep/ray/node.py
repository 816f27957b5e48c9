"""What a node of a Ray cluster does for a sweep: check whether it can, and have a worker process do what it is sent."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue

from prunescope._renamed import old_names
from prunescope.locks import is_held
from prunescope.sweep.executor import Message, Request, WorkerProcess
from prunescope.sweep.ray.liveness import storage_problem
from prunescope.sweep.status import Event

UNFIT = 3  # the exit code of a run that this node cannot do and another one may
TICK = 0.2
CHECK_LIVENESS = 1.0  # seconds after which the liveness lock is tested again
SAME = ("prunescope", "torch")  # packages whose versions decide the last bit


@dataclass(frozen=True)
class SweepContext:
    """What a node must know of a sweep: the path of its liveness lock, its working directory and its versions."""

    liveness: Path
    folder: Path
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Return the versions of the packages that must be the same on all nodes."""
    return {name: version(name) for name in SAME}


def serve(request: Request, threads: int, context: SweepContext) -> Iterator[Event]:
    """Have a worker process on this node do ``request`` and yield its events: ``began`` first, ``ended`` last.

    The process is the one that a sweep on a single machine uses: when whatever runs this function is killed, the process
    notices, saves and ends. It is asked to stop when the liveness lock of the sweep is released.
    """
    import ray

    node = ray.util.get_node_ip_address()
    if problem := _problem(context):
        yield {"event": "ended", "code": UNFIT, "message": f"node {node}: {problem}"}
        return
    worker = _worker(threads, context.folder)
    try:
        yield {"event": "began", "pid": worker.process.pid, "node": node}
        worker.process.send(request)
        ended = yield from worker.events(context.liveness)
        if ended["code"] == 0 and not ray.get_gpu_ids():  # a process that has used a GPU holds memory there
            _idle[threads] = worker
        elif worker.process.alive:
            worker.process.request_stop()
            worker.process.wait()
    finally:
        if _idle.get(threads) is not worker:
            worker.process.request_stop()
    yield ended


class _NodeWorker:
    """A worker process of this node with the queue of its events."""

    def __init__(self, threads: int, folder: Path) -> None:
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self.process = WorkerProcess(threads, None, self._messages, folder if folder.is_dir() else None)

    def events(self, liveness: Path) -> Generator[Event, None, Event]:
        """Yield events until the work has ended; return ``ended``. Stop the process when the liveness lock is released."""
        checked = time.monotonic()
        while True:
            if time.monotonic() - checked > CHECK_LIVENESS and not self.process.stopping:
                checked = time.monotonic()
                if not is_held(liveness):
                    self.process.request_stop()
            try:
                _, event = self._messages.get(timeout=TICK)
            except Empty:
                continue
            if event is None:
                code, message = self.process.wait()
                return {"event": "ended", "code": code, "message": message}
            if event["event"] == "ended":
                return event
            yield event


_idle: dict[int, _NodeWorker] = {}  # idle processes by their threads: importing torch again takes seconds


def _worker(threads: int, folder: Path) -> _NodeWorker:
    idle = _idle.pop(threads, None)
    return idle if idle is not None and idle.process.alive else _NodeWorker(threads, folder)


def _problem(context: SweepContext) -> str:
    here = versions()
    for name, wanted in context.versions.items():
        if here[name] != wanted:
            return f"has {name} {here[name]} and the sweep {wanted}: install the same on all nodes"
    return storage_problem(context.liveness)


__getattr__ = old_names(__name__)
