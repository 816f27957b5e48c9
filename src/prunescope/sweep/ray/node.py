"""What a node of a Ray cluster does for a sweep: look whether it can, and have a worker process run a job."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from prunescope.sweep.beacon import is_lit, unfit
from prunescope.sweep.child import Child, Message, Order

Event = dict[str, Any]

UNFIT = 3  # the code of a run that this node cannot do and another one may
TICK = 0.2
LOOK = 1.0  # seconds between two looks at the beacon
SAME = ("prunescope", "torch")  # packages whose versions decide the last bit


@dataclass(frozen=True)
class Sweep:
    """What a node has to know of the sweep: its beacon, the folder it was started in, its versions."""

    beacon: Path
    folder: Path
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Versions of the packages that have to be the same on all nodes."""
    return {name: version(name) for name in SAME}


def work(order: Order, threads: int, sweep: Sweep) -> Iterator[Event]:
    """Have a process here do ``order``, and pass on what it says: ``began`` first, ``ended`` last.

    It is the process of a sweep on a single machine: when whatever runs this is killed, it notices, saves and ends.
    It is asked to when the beacon goes out.
    """
    import ray

    node = ray.util.get_node_ip_address()
    if trouble := _trouble(sweep):
        yield {"event": "ended", "code": UNFIT, "message": f"node {node}: {trouble}"}
        return
    hand = _hand(threads, sweep.folder)
    try:
        yield {"event": "began", "pid": hand.child.pid, "node": node}
        hand.child.send(order)
        ended = yield from hand.said(sweep.beacon)
        if ended["code"] == 0 and not ray.get_gpu_ids():  # one that has used a GPU holds memory there
            _idle[threads] = hand
        elif hand.child.alive:
            hand.child.ask_to_stop()
            hand.child.ended()
    finally:
        if _idle.get(threads) is not hand:
            hand.child.ask_to_stop()
    yield ended


class _Hand:
    """A worker process, and what it says."""

    def __init__(self, threads: int, folder: Path) -> None:
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self.child = Child(threads, None, self._messages, folder if folder.is_dir() else None)

    def said(self, beacon: Path) -> Generator[Event, None, Event]:
        """What it says until its work has ended; returns that event. Asks it to stop when the beacon goes out."""
        looked = time.monotonic()
        while True:
            if time.monotonic() - looked > LOOK and not self.child.leaving:
                looked = time.monotonic()
                if not is_lit(beacon):
                    self.child.ask_to_stop()
            try:
                _, event = self._messages.get(timeout=TICK)
            except Empty:
                continue
            if event is None:
                code, words = self.child.ended()
                return {"event": "ended", "code": code, "message": words}
            if event["event"] == "ended":
                return event
            yield event


_idle: dict[int, _Hand] = {}  # processes without work, by threads: importing torch again takes seconds


def _hand(threads: int, folder: Path) -> _Hand:
    idle = _idle.pop(threads, None)
    return idle if idle is not None and idle.child.alive else _Hand(threads, folder)


def _trouble(sweep: Sweep) -> str:
    here = versions()
    for name, wanted in sweep.versions.items():
        if here[name] != wanted:
            return f"has {name} {here[name]} and the sweep {wanted}: install the same on all nodes"
    return unfit(sweep.beacon)
