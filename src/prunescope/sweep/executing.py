"""Execute: jobs as processes on this machine or on a Ray cluster, as many at once as there is room for."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError
from prunescope.sweep.crew import Crew, LocalCrew
from prunescope.sweep.jobs import Job
from prunescope.sweep.planning import Plan, check_room, plan
from prunescope.sweep.reporting import SweepReporter, silent
from prunescope.sweep.room import Room
from prunescope.sweep.scheduling import Scheduler

if TYPE_CHECKING:
    from prunescope.sweep.ray.cluster import Cluster


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
    ray: str | None = None,
    track: Sequence[str] = (),
) -> Results:
    """Run ``jobs`` below ``out``, each in a process of its own with ``threads`` threads (default run.threads, else 1).

    ``jobs_at_once`` is by default what cores, memory and CUDA devices have room for. Done runs are taken as they
    are, interrupted ones go on; one that fails does not stop the others; one whose process is killed is tried
    again twice. ``ray`` is HOST:PORT of a Ray cluster, ``auto`` on a node of one, or ``local`` for one that is
    started on this machine: Ray says where and when each runs, and a lost node is like a killed process. ``track``:
    NAME or NAME=FOLDER of trackers that each process feeds from its run's files; one that fails is said to the reporter
    and its run goes on. Raises InputError before any work for what is wrong with it, Interrupted after Ctrl-C or SIGTERM,
    when every run has saved its state.
    """
    if track:
        from prunescope.sweep.tracking import check_trackers

        check_trackers(track, ray)
    if ray is None:
        return _execute(jobs, Path(out), jobs_at_once, threads, reporter, None, track)
    from prunescope.sweep.ray.cluster import check_address, connected

    check_address(ray, Path(out))
    with connected(ray) as cluster:
        return _execute(jobs, Path(out).absolute(), jobs_at_once, threads, reporter, cluster, track)


def _execute(
    jobs: Iterable[Job],
    out: Path,
    at_once: int | None,
    threads: int | None,
    reporter: SweepReporter,
    cluster: Cluster | None,
    track: Sequence[str],
) -> Results:
    from prunescope.runs.driver import Interrupted

    planned = plan(jobs, out, threads)
    failed, retries = {}, 0
    if planned.todo:
        room = cluster.room(planned, at_once) if cluster else Room.of_this_machine(planned, at_once)
        check_room(planned)
        reporter.planned(planned, room, threads)
        with _crew(planned, room, threads, reporter, cluster, track) as crew:
            scheduler = Scheduler(planned, crew, threads, reporter)
            with _signals(scheduler):
                scheduler.run()
        if scheduler.stopping:
            raise Interrupted
        failed, retries = scheduler.failed, scheduler.retries
    done = tuple(run.path for run in planned.runs if run.path not in failed)
    return Results(done, failed, retries)


@contextlib.contextmanager
def _crew(
    planned: Plan,
    room: Room,
    threads: int | None,
    reporter: SweepReporter,
    cluster: Cluster | None,
    track: Sequence[str],
) -> Iterator[Crew[Any]]:
    """Who does the runs, once it is known that they can."""
    _make_folder(planned.out)
    if cluster is None:
        _open_data(planned, reporter)
        yield LocalCrew(room, threads, track)
        return
    from prunescope.sweep.beacon import Beacon
    from prunescope.sweep.ray.crew import RayCrew
    from prunescope.sweep.ray.node import Sweep, versions

    with Beacon(planned.out) as beacon:
        sweep = Sweep(beacon.path, Path.cwd(), versions())
        if cluster.local:
            _open_data(planned, reporter)
        else:
            cluster.check(planned, sweep, beacon, reporter, track)
        yield RayCrew(sweep, beacon, cluster.largest, room.at_once, track)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot write there ({error.strerror}); choose another --out") from None
    if not os.access(out, os.W_OK):
        raise InputError(f"{out}: cannot write there; choose another --out")


def _open_data(planned: Plan, reporter: SweepReporter) -> None:
    """Open each data set once, so that bad data is said before any work and workers find it prepared."""
    from prunescope.data import open_dataset

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
