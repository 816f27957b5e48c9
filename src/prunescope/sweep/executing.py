"""Execute: jobs as processes on this machine, as many at once as it has room for."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from prunescope.errors import InputError
from prunescope.sweep.jobs import Job
from prunescope.sweep.planning import Plan, check_room, plan
from prunescope.sweep.reporting import SweepReporter, silent
from prunescope.sweep.room import Room
from prunescope.sweep.scheduling import Scheduler


@dataclass(frozen=True)
class Results:
    """What became of jobs: directories of those that are done, in the order given; what the others died of.

    ``retries`` counts the processes that were killed and started again.
    """

    done: tuple[Path, ...] = ()
    failed: dict[Path, str] = field(default_factory=dict)
    retries: int = 0


def execute(
    jobs: Iterable[Job],
    out: str | Path,
    *,
    jobs_at_once: int | None = None,
    threads: int | None = None,
    reporter: SweepReporter = silent,
) -> Results:
    """Run ``jobs`` below ``out``, each in a process of its own with ``threads`` threads (default run.threads, else 1).

    ``jobs_at_once`` is by default what cores, memory and CUDA devices have room for. Done runs are taken as they
    are, interrupted ones go on; one that fails does not stop the others; one whose process is killed is tried
    again twice. Raises InputError before any work for what is wrong with it, Interrupted after Ctrl-C or
    SIGTERM, when every run has saved its state.
    """
    from prunescope.driver import Interrupted

    planned = plan(jobs, out, threads)
    room = Room.of_this_machine(planned, jobs_at_once)
    scheduler = Scheduler(planned, room, threads, reporter)
    if planned.todo:
        check_room(planned)
        reporter.planned(planned, room, threads)
        _ready(planned, reporter)
        with _signals(scheduler):
            scheduler.run()
        if scheduler.stopping:
            raise Interrupted
    done = tuple(run.path for run in planned.runs if run.path not in scheduler.failed)
    return Results(done, scheduler.failed, scheduler.retries)


def _ready(planned: Plan, reporter: SweepReporter) -> None:
    """Open each data set once, so that bad data is said before any work and workers find it prepared."""
    from prunescope.data import open_dataset

    try:
        planned.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{planned.out}: cannot write there ({error.strerror}); choose another --out"
        ) from None
    if not os.access(planned.out, os.W_OK):
        raise InputError(f"{planned.out}: cannot write there; choose another --out")
    seen: set[Any] = set()
    for run in planned.todo:
        data = run.job.experiment.data
        if data not in seen:
            seen.add(data)
            open_dataset(data, run.job.seed, progress=reporter.preparing)


@contextlib.contextmanager
def _signals(scheduler: Scheduler) -> Iterator[None]:
    """The first SIGINT or SIGTERM lets every run save and stop; a second one kills them.

    Outside the main thread (a notebook's worker) signals are left alone.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        scheduler.stop()

    before: dict[signal.Signals, Any] = {}
    with contextlib.suppress(ValueError):
        for name in (signal.SIGINT, signal.SIGTERM):
            before[name] = signal.signal(name, ask)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
