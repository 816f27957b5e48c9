"""What is checked of a sweep before any of its runs starts: places, devices, methods, trackers, and the data of all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError
from prunescope.experiment import Data
from prunescope.pruning import find_traits
from prunescope.pruning.traits import check_requirements
from prunescope.runs.directory import Run, is_done
from prunescope.sweep.capacity import check_places
from prunescope.sweep.job import Job
from prunescope.sweep.options import ExecutionOptions
from prunescope.sweep.planning import Plan
from prunescope.sweep.status import SweepReporter

if TYPE_CHECKING:
    from prunescope.data import Dataset


def check_roots(jobs: Iterable[Job], options: ExecutionOptions) -> None:
    """Raise InputError for a ``data.root`` that is not there; the data of a cluster may be on its nodes alone."""
    from prunescope.data.prepared.preparation import check_root

    if options.cluster_address is None:
        for data in dict.fromkeys(job.experiment.data for job in jobs):
            check_root(data)


def check_devices(jobs: Iterable[Job], out: str | Path, options: ExecutionOptions) -> None:
    """Raise InputError for a run that is not done and whose device is not here; a cluster's nodes have their own."""
    if options.cluster_address is None:
        check_places((job, path) for job in jobs if not is_surely_done(path := job.path(out)))


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


def check_methods(planned: Plan) -> None:
    """Raise InputError for a run that lacks what its method needs, before any data is opened."""
    for experiment in {run.job.experiment_key: run.job.experiment for run in planned.todo}.values():
        check_requirements(experiment, find_traits(experiment.prune.method))


class DataNotes:
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


def check_finished(planned: Plan, reporter: SweepReporter, notes: DataNotes) -> None:
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


def open_data(planned: Plan, reporter: SweepReporter, notes: DataNotes) -> None:
    """Open each data set once, so that bad data is reported before any work and workers find it prepared."""
    from prunescope.data import open_dataset

    seen: set[Data] = set()
    for run in planned.todo:
        data = run.job.experiment.data
        if data not in seen:
            seen.add(data)
            notes.report(open_dataset(data, run.job.seed, progress=reporter.preparing), data)


def is_surely_done(path: Path) -> bool:
    """Return whether a run directory's run is done; a damaged one is not, and says so when it is tried."""
    try:
        return is_done(path)
    except InputError:
        return False
