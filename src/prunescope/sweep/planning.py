"""Plans of many runs: which jobs are done, which go on, and what time, memory and disk the rest will take."""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from prunescope._renamed import old_names
from prunescope.analysis.formats import gigabytes
from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.experiment.device import read_device
from prunescope.experiment.fields import MOST_THREADS
from prunescope.experiment.loading import to_stderr
from prunescope.experiment.mask_place import MaskPlace
from prunescope.experiment.paths import decoded
from prunescope.pruning.running import crowding, estimate
from prunescope.runs.checkpoint import saved_step
from prunescope.runs.device_memory import on_device
from prunescope.runs.directory import Run, is_in_use
from prunescope.runs.estimate import Estimate
from prunescope.runs.machine import cores
from prunescope.runs.same_data import Fingerprints, same_place
from prunescope.runs.writer import as_stored, run_path
from prunescope.training import check_place

LOCAL_RAY = "local"  # the address of a Ray instance that is started for a sweep, on this machine
RunState = Literal["new", "interrupted", "failed", "in use", "done"]


@dataclass(frozen=True)
class Job:
    """An experiment with one seed, which becomes one run directory."""

    experiment: Experiment
    seed: int

    def __hash__(self) -> int:
        return hash((self.experiment.name, self.experiment.identity, self.seed))

    @property
    def experiment_key(self) -> tuple[str, str]:
        """What the seeds of one experiment on one data set share: identity and the name of the data set."""
        return self.experiment.identity, self.experiment.data.set_name

    @property
    def key(self) -> tuple[str, int, str]:
        """What two jobs that are the same run share, whatever their names: identity, seed and data set."""
        return self.experiment.identity, self.seed, self.experiment.data.set_name

    def path(self, out: str | Path) -> Path:
        """Return the run directory of the job in the folder ``out``; raise InputError for a negative seed."""
        return run_path(as_stored(self.experiment, self.seed, out), self.seed, out)

    def located(self, out: str | Path, fingerprints: Fingerprints | None = None) -> Job:
        """Return the job under the name of its run directory in ``out`` (``runs.writer.as_stored``)."""
        return replace(self, experiment=as_stored(self.experiment, self.seed, out, fingerprints))

    def needs(self) -> Path | None:
        """Return the run directory that ``prune.like`` or ``prune.masks`` names, which must be done before this job.

        It is None without one.
        """
        prune = self.experiment.prune
        if prune.like:
            return Path(decoded(prune.like).replace("{seed}", str(self.seed)))
        place = MaskPlace.of(prune.masks).at(self.seed)
        return None if place.level is None else place.path


@dataclass(frozen=True)
class ExecutionOptions:
    """How the runs of a sweep are executed; nothing here changes a result.

    at_once: at most so many runs at a time, None for as many as cores, memory and CUDA devices have space for. threads:
    threads of each run, None for run.threads, else one. ray: HOST:PORT of a Ray cluster, ``auto`` on a node of one,
    ``local`` for one that is started on this machine, None for processes of this machine. trackers: NAME or NAME=FOLDER of
    each tracker that a run's process feeds from the run's files.
    """

    at_once: int | None = None
    threads: int | None = None
    ray: str | None = None
    trackers: tuple[str, ...] = ()

    @property
    def cluster_address(self) -> str | None:
        """The address of a Ray cluster beyond this machine; None where all runs go to this machine."""
        return None if self.ray == LOCAL_RAY else self.ray

    def check(self) -> None:
        """Raise InputError for a limit of runs at once below 1, and for more threads than a run may have."""
        if self.at_once is not None and self.at_once < 1:
            raise InputError(f"--jobs is {self.at_once}; it must be 1 or more")
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise InputError(f"--threads is {self.threads}; it must be 1 or more, and at most {MOST_THREADS}")


@dataclass(frozen=True)
class PlannedRun:
    """A job with the state of its run directory and what is left to do.

    ``levels`` counts the finished levels. ``seconds`` is the time that the run will still take, as if it were alone unless
    its estimate was learned from a run of the sweep; 0 when it is done. ``estimate`` is of the whole run, None when it is
    done.
    """

    job: Job
    path: Path
    status: RunState
    levels: int
    seconds: float
    estimate: Estimate | None


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep in the order given, each once, and the folder ``out`` of their directories.

    ``crowding`` says how many times longer a run takes than alone while so many go at a time on this machine.
    """

    out: Path
    runs: tuple[PlannedRun, ...]
    crowding: Callable[[int], float] = field(default=lambda at_once: 1.0, compare=False)

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        """The runs that are not done."""
        return tuple(run for run in self.runs if run.status != "done")

    @property
    def disk_bytes(self) -> int:
        """The bytes that the run directories will take beyond what they hold already."""
        return sum(
            run.estimate.disk_bytes
            * max(run.estimate.levels + 1 - run.levels, 0)
            // (run.estimate.levels + 1)
            for run in self.todo
            if run.estimate
        )

    @property
    def checkpoint_bytes(self) -> int:
        """The bytes that the checkpoint of the largest run takes while it trains."""
        return max((run.estimate.checkpoint_bytes for run in self.todo if run.estimate), default=0)

    @property
    def preparing(self) -> float:
        """The seconds for preparing the images of the runs, each data set once."""
        by_data = {run.job.experiment.data: run.estimate.preparing for run in self.todo if run.estimate}
        return sum(by_data.values())

    @property
    def memory_bytes(self) -> int:
        """The memory, in bytes, of the run that needs most."""
        return max((run.estimate.memory_bytes for run in self.todo if run.estimate), default=0)

    def seconds(self, at_once: int) -> float:
        """Return the time until the last run ends when ``at_once`` run at a time, the longest started first."""
        factor = self.crowding(at_once) if any(not _learned(run) for run in self.todo) else 1.0
        times = [run.seconds * (1.0 if _learned(run) else factor) for run in self.todo]
        workers = min(max(at_once, 1), max(len(times), 1))
        return self.preparing + seconds_until_all_end([0.0] * workers, times)


def _learned(run: PlannedRun) -> bool:
    """Return whether the time of a run is known from one of the same experiment, which others ran beside."""
    return run.estimate is not None and run.estimate.learned


def seconds_until_all_end(busy: Sequence[float], waiting: Iterable[float]) -> float:
    """Return when the last task ends if each free worker takes the longest of those that wait.

    busy: seconds for which each worker is still busy, 0 for a free one. waiting: seconds that each waiting task takes.
    """
    ends = list(busy)
    heapq.heapify(ends)
    for seconds in sorted(waiting, reverse=True):
        heapq.heappush(ends, heapq.heappop(ends) + seconds)
    return max(ends)


def plan(
    jobs: Iterable[Job],
    out: str | Path,
    threads: int | None = None,
    fingerprints: Fingerprints | None = None,
    here: bool = True,
) -> Plan:
    """Read the run directories of ``jobs`` in the folder ``out`` and estimate what is left to do.

    A job that is given twice is planned once. ``threads`` is the number that a run may use, as in ExecutionOptions.
    ``fingerprints`` is as for ``runs.writer.as_stored``. ``here`` is False for runs of other machines, whose devices need
    not be on this one. Raises InputError for a damaged run directory.
    """
    costs = Costs(threads, here)
    located = [job.located(out, fingerprints) for job in jobs]
    by_path = {run_path(job.experiment, job.seed, out): job for job in located}
    states = {path: _state(path) for path in by_path}
    # What finished runs took counts for those before them in the order too.
    for path, job in by_path.items():
        if states[path][0] == "done":
            costs.learn(job.experiment, path)
    runs = tuple(_planned(job, path, states[path], costs) for path, job in by_path.items())
    return Plan(Path(out), runs, partial(_crowding, runs, threads))


def _planned(job: Job, path: Path, state: tuple[RunState, int], costs: Costs) -> PlannedRun:
    status, levels = state
    if status == "done":
        return PlannedRun(job, path, status, levels, 0.0, None)
    cost = costs.of(job.experiment)
    inside = min(saved_step(path) / job.experiment.train.steps, 1.0) if levels or status != "new" else 0.0
    return PlannedRun(job, path, status, levels, cost.starting + cost.seconds_after(levels, inside), cost)


def _crowding(runs: tuple[PlannedRun, ...], threads: int | None, at_once: int) -> float:
    """Return how many times longer the largest of ``runs`` takes while so many go at a time on this machine."""
    largest = max(runs, key=lambda run: run.seconds).job.experiment
    if on_device(largest):
        return float(runs_a_card(largest, at_once))
    fitting = max(
        cores() // threads_of(largest, threads), 1
    )  # Runs beyond these are on other machines, or asked for.
    return crowding(pinned(largest, threads), min(at_once, fitting))


def runs_a_card(experiment: Experiment, at_once: int) -> int:
    """Return how many of so many runs like ``experiment`` share a card, on which they take turns."""
    import torch

    kind, _, index = experiment.run.device.partition(":")
    cards = 1 if index or kind != "cuda" else torch.cuda.device_count()
    if cards:
        return max(-(-at_once // cards), 1)
    share = gpus_of(experiment)  # The cards are on other machines.
    return max(min(at_once, int(1 / share)), 1) if share else at_once


def _kind(experiment: Experiment) -> str:
    """Return the kind of device that an experiment runs on, as in ``cuda`` for ``cuda:1``."""
    return experiment.run.device.partition(":")[0]


def _state(path: Path) -> tuple[RunState, int]:
    """Return the state of a run directory and the number of its finished levels.

    A damaged one counts as failed: it is tried, says what is wrong, and the others go on.
    """
    if not (path / "run.json").is_file():
        return "new", 0
    try:
        run = Run(path)
        stored, levels = run.status, len(run.levels)
    except InputError as error:
        to_stderr(str(error))
        return "failed", 0
    if stored == "done":
        return "done", levels
    if is_in_use(path):
        return "in use", levels
    return "failed" if stored == "failed" else "interrupted", levels


def free_disk(folder: Path) -> int:
    """Return the bytes that are free where ``folder`` is or will be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_disk(plan: Plan) -> None:
    """Raise InputError when the disk of ``plan.out`` does not hold what the runs will write."""
    free = free_disk(plan.out.absolute())
    if plan.disk_bytes + plan.checkpoint_bytes > free:
        raise InputError(
            f"{plan.out}: {gigabytes(free, 2)} are free and the runs will write about "
            f"{gigabytes(plan.disk_bytes + plan.checkpoint_bytes, 2)}: free some space or choose another --out"
        )


def check_distinct(jobs: Sequence[Job]) -> None:
    """Raise InputError when two of ``jobs`` are the same run, whatever their names, or have two data sets of one name."""
    seen: dict[tuple[str, int, str], Job] = {}
    sets: dict[tuple[str, str], Job] = {}
    for job in jobs:
        first, data = sets.setdefault(job.experiment_key, job), job.experiment.data
        if first.experiment.data.root != data.root and not same_place(first.experiment.data, data):
            raise InputError(
                f"{_names(first, job)}: {first.experiment.data.root} and {data.root} are two data sets of one name, "
                f"{data.set_name}: give each its own data.name"
            )
        if (twin := seen.setdefault(job.key, job)) is not job:
            raise InputError(
                f"{_names(twin, job)}: two entries are the same experiment (identity {job.key[0]}, seed {job.seed}); "
                "leave one"
            )


def _names(one: Job, other: Job) -> str:
    return " and ".join(dict.fromkeys((one.experiment.name, other.experiment.name)))


def threads_of(experiment: Experiment, threads: int | None) -> int:
    """Return the threads that a run in a sweep gets: ``threads`` if given, else run.threads, else run.cpus, else one."""
    return threads or experiment.run.threads or experiment.run.cpus or 1


def cpus_of(experiment: Experiment, threads: int | None) -> int:
    """Return the cores that are kept for a run: run.cpus, else one for each of its threads."""
    return experiment.run.cpus or threads_of(experiment, threads)


def gpus_of(experiment: Experiment) -> float:
    """Return the share of a CUDA device that is kept for a run: run.gpus, else 1 on CUDA, else 0."""
    if experiment.run.gpus is not None:
        return experiment.run.gpus
    return float(read_device(experiment.run.device).kind == "cuda")


def pinned(experiment: Experiment, threads: int | None) -> Experiment:
    """Return the experiment with run.threads set to what it gets in a sweep."""
    place = experiment.run.model_copy(update={"threads": threads_of(experiment, threads)})
    return experiment.model_copy(update={"run": place})


class Costs:
    """Estimates of experiments, each measured once, with the times of a finished run where there is one.

    ``threads`` is the number that a run may use, None for the experiment's own. ``here`` is False for runs of other
    machines: what their devices are not here to tell is measured on the CPU.
    """

    def __init__(self, threads: int | None = None, here: bool = True) -> None:
        self._threads, self._here = threads, here
        self._known: dict[tuple[str, str, int], Estimate] = {}
        self._taken: dict[tuple[str, str], tuple[float, ...]] = {}

    def of(self, experiment: Experiment) -> Estimate:
        """Return the estimate of a whole run."""
        which = (experiment.identity, experiment.data.set_name)
        key = (*which, threads_of(experiment, self._threads))
        if key not in self._known:
            known = experiment if self._here else _measurable(experiment)
            self._known[key] = estimate(pinned(known, self._threads))
        taken = self._taken.get(which)
        return replace(self._known[key], level_seconds=taken, learned=True) if taken else self._known[key]

    def learn(self, experiment: Experiment, path: Path) -> None:
        """Take the times of a finished run's levels as those of its experiment."""
        which = (experiment.identity, experiment.data.set_name)
        run = Run(path)
        # What a level takes on a CPU says nothing of a card.
        if which not in self._taken and _kind(run.experiment) == _kind(experiment):
            table = run.table.filter(layer=1).sort("level")
            if "seconds" in table.columns and not table["seconds"].has_nulls():
                self._taken[which] = tuple(table["seconds"].to_list())


def _measurable(experiment: Experiment) -> Experiment:
    """Return the experiment, with the CPU as its device where its own is not on this machine."""
    try:
        check_place(experiment, use=False)
    except InputError:
        place = experiment.run.model_copy(update={"device": "cpu"})
        train = experiment.train.model_copy(update={"precision": "float32"})
        return experiment.model_copy(update={"run": place, "train": train})
    return experiment


__getattr__ = old_names(__name__)
