"""Execute jobs: start each run when there is capacity for it, and decide what happens when one ends."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError
from prunescope.experiment import Data, Experiment
from prunescope.pruning import find_traits
from prunescope.pruning.traits import check_requirements
from prunescope.runs.directory import Run, is_done, is_in_use
from prunescope.runs.same_data import Fingerprints
from prunescope.signals import receiving
from prunescope.sweep.capacity import check_places, machine_capacity
from prunescope.sweep.executor import Executor, LocalExecutor
from prunescope.sweep.planning import ExecutionOptions, Job, Plan, PlannedRun, check_disk, pinned, plan
from prunescope.sweep.status import SweepReporter, silent

if TYPE_CHECKING:
    from prunescope.data import Dataset
    from prunescope.sweep.ray.cluster import Cluster

RETRIES = 2
TICK = 0.2  # seconds after which the clock and the signals are checked again
RETRY_LOCK = 1.0  # seconds until a directory that another process holds is tried again
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


def check_roots(jobs: Iterable[Job], options: ExecutionOptions) -> None:
    """Raise InputError for a ``data.root`` that is not there; the data of a cluster may be on its nodes alone."""
    from prunescope.data.prepared.preparation import check_root

    if options.cluster_address is None:
        for data in dict.fromkeys(job.experiment.data for job in jobs):
            check_root(data)


def check_devices(jobs: Iterable[Job], out: str | Path, options: ExecutionOptions) -> None:
    """Raise InputError for a run that is not done and whose device is not here; a cluster's nodes have their own."""
    if options.cluster_address is None:
        check_places((job, path) for job in jobs if not _is_done(path := job.path(out)))


def check_trackers(options: ExecutionOptions) -> None:
    """Raise InputError for a tracker that cannot be fed.

    That is an unknown tracker, one whose package is missing, or a folder that the nodes of a cluster may read differently.
    """
    if not options.trackers:
        return
    from prunescope.runs.reporting import silent
    from prunescope.track import Destination, tracked

    tracked(silent, options.trackers)
    if options.cluster_address is None:
        return
    for to in map(Destination.read, options.trackers):
        if not (to.out.is_absolute() if to.out else to.name != "tensorboard"):
            given = f"{to.name}={to.out}" if to.out else to.name
            raise InputError(
                f"--track {given}: with --ray {options.ray} give a whole path, as in --track {to.name}=/shared/{to.name}"
            )


def _execute(
    planned: Plan, options: ExecutionOptions, reporter: SweepReporter, cluster: Cluster | None
) -> Results:
    from prunescope.runs.driver import Interrupted

    failed, retries = {}, 0
    notes = _DataNotes(reporter)
    check_methods(planned)
    if cluster is None or cluster.local:
        _check_finished(planned, reporter, notes)
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
                _open_data(planned, reporter, notes)
            executor: Executor[Any]
            if cluster is None:
                executor = LocalExecutor(capacity, options.trackers)
            else:
                executor = stack.enter_context(cluster.executor(planned, options, reporter))
            scheduler = Scheduler(planned, executor, options.threads, reporter)
            with _signals(scheduler):
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


def check_methods(planned: Plan) -> None:
    """Raise InputError for a run that lacks what its method needs, before any data is opened."""
    for experiment in {run.job.experiment_key: run.job.experiment for run in planned.todo}.values():
        check_requirements(experiment, find_traits(experiment.prune.method))


class _DataNotes:
    """The notes of data sets, which all runs of a set share: each is reported once."""

    def __init__(self, reporter: SweepReporter) -> None:
        self._reporter = reporter
        self._said: set[str] = set()

    def report(self, dataset: Dataset, data: Data) -> None:
        """Report what is noted of a data set and was not reported yet."""
        for note in dataset.notes:
            line = f"{data.set_name or data.source}: {note}"
            if line not in self._said:
                self._said.add(line)
                self._reporter.note(line)


def _is_done(path: Path) -> bool:
    """Return whether a run directory's run is done; a damaged one is not, and says so when it is tried."""
    try:
        return is_done(path)
    except InputError:
        return False


def _check_finished(planned: Plan, reporter: SweepReporter, notes: _DataNotes) -> None:
    """Raise InputError for a finished run whose data are not those that its job names."""
    from prunescope.data import open_dataset
    from prunescope.runs.same_data import check, described

    known: dict[tuple[Data, str | None], dict[str, Any]] = {}
    for planned_run in planned.runs:
        if planned_run.status == "done":
            run, data = Run(planned_run.path), planned_run.job.experiment.data
            key = (data, run.split_rule)
            if key not in known:
                dataset = open_dataset(data, run.seed, progress=reporter.preparing, split_rule=run.split_rule)
                known[key] = described(dataset)
                notes.report(dataset, data)
            check(run, known[key])


def _open_data(planned: Plan, reporter: SweepReporter, notes: _DataNotes) -> None:
    """Open each data set once, so that bad data is reported before any work and workers find it prepared."""
    from prunescope.data import open_dataset

    seen: set[Data] = set()
    for run in planned.todo:
        data = run.job.experiment.data
        if data not in seen:
            seen.add(data)
            notes.report(open_dataset(data, run.job.seed, progress=reporter.preparing), data)


class Scheduler:
    """A scheduler keeps an executor busy with the runs of a plan, the longest first, until all have ended.

    ``threads`` is the number that a run may use, None for the experiment's own. After ``run``, ``failed`` holds the error
    message of each run that failed, by its directory.
    """

    def __init__(
        self, plan: Plan, executor: Executor[Any], threads: int | None, reporter: SweepReporter
    ) -> None:
        self.failed: dict[Path, str] = {}
        self.retries = 0
        self.stopping = 0
        self._asked = 0
        self._ending = False
        self._plan, self._executor, self._threads, self._reporter = plan, executor, threads, reporter
        self._waiting = sorted(plan.todo, key=lambda run: -run.seconds)
        self._tries: dict[Path, int] = {}
        self._not_before: dict[Path, float] = {}

    def run(self) -> None:
        """Return when nothing runs and nothing waits, or, after ``stop``, when nothing runs."""
        try:
            while self._executor.runs or (self._waiting and not self.stopping):
                self._pass_on_stop()
                if not self.stopping:
                    self._start()
                self._take_event()
        finally:
            self._ending = True
            self._executor.shutdown()

    def stop(self) -> None:
        """Ask every run to save and end; a second call kills them. May be called from a signal handler."""
        self._asked += 1
        if self._ending and self._asked > 1:  # Nothing but this ends a wait for a worker that does not end.
            self._executor.kill()

    def _pass_on_stop(self) -> None:
        if self._asked > self.stopping:
            if not self.stopping:
                self._reporter.stopping()
            self.stopping += 1
            if self.stopping == 1:
                self._executor.request_stop()
            else:
                self._executor.kill()

    def _start(self) -> None:
        for run in tuple(self._waiting):
            if not self._may_start(run):
                continue
            self._waiting.remove(run)
            if _is_done(run.path):  # another process has finished it since the plan was made
                self._reporter.ended(run, "done", "")
                continue
            self._executor.submit(run, self._resumable(run), self._plan.out)

    def _resumable(self, run: PlannedRun) -> Experiment:
        """Return the experiment with its threads pinned.

        A run that was started before keeps the threads of its start, since its sums depend on their number.
        """
        stored = None
        with contextlib.suppress(InputError):  # A damaged run says so when it is tried.
            if (run.path / "run.json").is_file():
                stored = Run(run.path).record.threads
        return pinned(run.job.experiment, stored or self._threads)

    def _may_start(self, run: PlannedRun) -> bool:
        if self._not_before.get(run.path, 0) > time.monotonic():
            return False
        needed = run.job.needs()
        if needed is not None:
            ahead = [*self._waiting, *self._executor.runs]
            if any(other.path.resolve() == needed.resolve() for other in ahead):
                return False
        return self._executor.has_space(run) and not self._held_elsewhere(run)

    def _held_elsewhere(self, run: PlannedRun) -> bool:
        if not is_in_use(run.path):
            return False
        if run.path not in self._not_before:
            self._reporter.ended(run, "in use", "another process is running this: waiting for it")
        self._not_before[run.path] = time.monotonic() + RETRY_LOCK
        return True

    def _take_event(self) -> None:
        received = self._executor.next_event(TICK)
        if received is None:
            return
        run, event = received
        match event["event"]:
            case "began":
                self._reporter.started(run, event["pid"], event["node"])
            case "ended":
                self._decide(run, event["code"], event["message"])
            case _:
                self._reporter.updated(run, event)

    def _decide(self, run: PlannedRun, code: int, message: str) -> None:
        """Decide what happens to a run that ended: code 1 is its own failure, any other was done to its process."""
        if code == 0 or _is_done(run.path):
            self._reporter.ended(run, "done", "")
        elif self.stopping:
            self._reporter.ended(run, "stopped", "")
        elif code == 1 and is_in_use(run.path):
            self._waiting.append(run)  # another process was faster
        elif code != 1 and self._tries.get(run.path, 0) < RETRIES:
            self._tries[run.path] = self._tries.get(run.path, 0) + 1
            self.retries += 1
            self._waiting.insert(0, run)
            self._reporter.ended(run, "retry", message)
        else:
            self.failed[run.path] = message
            self._reporter.ended(run, "failed", message)


@contextlib.contextmanager
def _signals(scheduler: Scheduler) -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP save and stop every run while the block runs, and a second one kill them.

    Signals are left alone outside the main thread, as in a notebook's worker thread. SIGHUP stays ignored under nohup.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        scheduler.stop()

    with receiving(stop):
        yield
