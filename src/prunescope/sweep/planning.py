"""Plans of many runs: which jobs are done, which go on, and what time, memory and disk the rest will take."""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from prunescope._renamed import old_names
from prunescope.analysis.formats import gigabytes
from prunescope.errors import InputError
from prunescope.experiment.loading import to_stderr
from prunescope.pruning.running import crowding
from prunescope.runs.checkpoint import saved_step
from prunescope.runs.device_memory import on_device
from prunescope.runs.directory import Run, is_in_use
from prunescope.runs.estimate import Estimate
from prunescope.runs.machine import cores
from prunescope.runs.same_data import Fingerprints
from prunescope.runs.writer import run_path
from prunescope.sweep.job import Job
from prunescope.sweep.job_costs import Costs
from prunescope.sweep.run_shares import pinned, runs_a_card, threads_of

RunState = Literal["new", "interrupted", "failed", "in use", "done"]


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


__getattr__ = old_names(__name__)
