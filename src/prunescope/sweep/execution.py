"""Execute jobs: check them, plan them, and let a scheduler run what is left on this machine or on a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError
from prunescope.runs.same_data import Fingerprints
from prunescope.sweep.capacity import machine_capacity
from prunescope.sweep.checks import (
    DataNotes,
    check_devices,
    check_finished,
    check_methods,
    check_roots,
    check_trackers,
    open_data,
)
from prunescope.sweep.executor import Executor, LocalExecutor
from prunescope.sweep.job import Job
from prunescope.sweep.options import ExecutionOptions
from prunescope.sweep.planning import Plan, check_disk, plan
from prunescope.sweep.scheduler import Scheduler, receiving_signals
from prunescope.sweep.status import SweepReporter, silent

if TYPE_CHECKING:
    from prunescope.sweep.ray.cluster import Cluster

# What execute's options were called in version 0.1, before there was ExecutionOptions.
EARLIER_OPTIONS = {"jobs_at_once": "at_once", "threads": "threads", "ray": "ray", "track": "trackers"}


@dataclass(frozen=True)
class Results:
    """The outcome of a sweep.

    ``done`` are the directories of finished runs in the order of their jobs, ``failed`` the error message of each run that
    failed by its directory. ``retries`` counts the processes that were killed and whose runs were started again.
    """

    done: tuple[Path, ...] = ()
    failed: dict[Path, str] = field(default_factory=dict)
    retries: int = 0


def execute(
    jobs: Iterable[Job],
    out: str | Path,
    options: ExecutionOptions | None = None,
    reporter: SweepReporter = silent,
    **earlier: Any,
) -> Results:
    """Run ``jobs`` below the folder ``out``, each in a process of its own, as ``options`` say.

    Done runs are taken as they are and interrupted ones go on. A run that fails does not stop the others. A run whose
    process is killed is tried again twice; on a Ray cluster, which says where and when each run goes, a lost node is like a
    killed process. A tracker that fails is reported and its run goes on. ``earlier`` are the keywords of version 0.1
    (jobs_at_once, threads, ray, track), which warn.

    Raises InputError before any work for whatever is wrong with the jobs or the options, and Interrupted after Ctrl-C,
    SIGTERM or SIGHUP, when every run has saved its state.
    """
    options = _with_earlier(options or ExecutionOptions(), earlier)
    options.check()
    check_trackers(options)
    jobs = list(jobs)
    check_roots(jobs, options)
    check_devices(jobs, out, options)
    fingerprints = Fingerprints(reporter.preparing)
    if options.ray is None:
        return _execute(plan(jobs, Path(out), options.threads, fingerprints), options, reporter, None)
    from prunescope.sweep.ray.cluster import check_address, connected

    check_address(options.ray, Path(out))
    with connected(options.ray) as cluster:
        known = fingerprints if cluster.local else None  # Those of nodes may be on them alone.
        planned = plan(jobs, Path(out).absolute(), options.threads, known, options.cluster_address is None)
        return _execute(planned, options, reporter, cluster)


def _with_earlier(options: ExecutionOptions, earlier: dict[str, Any]) -> ExecutionOptions:
    """Return ``options`` with what was given under the keywords of version 0.1; raise TypeError for any other keyword."""
    for name, value in earlier.items():
        if name not in EARLIER_OPTIONS:
            raise TypeError(f"execute() got an unexpected keyword argument {name!r}")
        current = EARLIER_OPTIONS[name]
        warnings.warn(
            f"execute({name}=…) is now execute(…, ExecutionOptions({current}=…)): the old keyword goes with the next version",
            DeprecationWarning,
            stacklevel=3,
        )
        changed: dict[str, Any] = {current: tuple(value) if name == "track" else value}
        options = replace(options, **changed)
    return options


def _execute(
    planned: Plan, options: ExecutionOptions, reporter: SweepReporter, cluster: Cluster | None
) -> Results:
    from prunescope.runs.driver import Interrupted

    failed, retries = {}, 0
    notes = DataNotes(reporter)
    check_methods(planned)
    if cluster is None or cluster.local:
        check_finished(planned, reporter, notes)
    elif len(planned.todo) < len(planned.runs):
        reporter.note(
            "finished runs are not compared with their data, which may be on the cluster's nodes alone"
        )
    if planned.todo:
        capacity = cluster.capacity(planned, options) if cluster else machine_capacity(planned, options)
        check_disk(planned)
        reporter.planned(planned, capacity)
        _make_folder(planned.out)
        with contextlib.ExitStack() as stack:
            if cluster is None or cluster.local:
                open_data(planned, reporter, notes)
            executor: Executor[Any]
            if cluster is None:
                executor = LocalExecutor(capacity, options.trackers)
            else:
                executor = stack.enter_context(cluster.executor(planned, options, reporter))
            scheduler = Scheduler(planned, executor, options.threads, reporter)
            with receiving_signals(scheduler):
                scheduler.run()
        if scheduler.stopping:
            raise Interrupted
        failed, retries = scheduler.failed, scheduler.retries
    done = tuple(run.path for run in planned.runs if run.path not in failed)
    return Results(done, failed, retries)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot write there ({error.strerror}); choose another --out") from None
    if not os.access(out, os.W_OK):
        raise InputError(f"{out}: cannot write there; choose another --out")
