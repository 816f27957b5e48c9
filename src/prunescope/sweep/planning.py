"""Plan: which of the jobs are done, which go on, and what they will cost."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prunescope.analysis.formats import gigabytes
from prunescope.errors import InputError
from prunescope.runs.directory import Run
from prunescope.runs.estimate import Estimate
from prunescope.sweep.costs import Costs
from prunescope.sweep.jobs import Job

Status = Literal["new", "interrupted", "failed", "in use", "done"]


@dataclass(frozen=True)
class Planned:
    """A job, the state of its run directory and what is left to do.

    ``levels`` are finished; ``seconds`` is the time its remaining levels will take, 0 when it is done;
    ``estimate`` is of the whole run, None when it is done.
    """

    job: Job
    path: Path
    status: Status
    levels: int
    seconds: float
    estimate: Estimate | None


@dataclass(frozen=True)
class Plan:
    """Jobs in the order given, each once."""

    out: Path
    runs: tuple[Planned, ...]

    @property
    def todo(self) -> tuple[Planned, ...]:
        """Those that are not done."""
        return tuple(run for run in self.runs if run.status != "done")

    @property
    def disk_bytes(self) -> int:
        """What the run directories will take beyond what lies there already."""
        return sum(run.estimate.disk_bytes for run in self.todo if run.estimate and not run.levels)

    @property
    def memory_bytes(self) -> int:
        """The memory of the largest run."""
        return max((run.estimate.memory_bytes for run in self.todo if run.estimate), default=0)

    def seconds(self, at_once: int) -> float:
        """Time until the last run ends with so many at once, the longest started first."""
        ends = [0.0] * max(at_once, 1)
        for run in sorted(self.todo, key=lambda run: -run.seconds):
            heapq.heappush(ends, heapq.heappop(ends) + run.seconds)
        return max(ends)


def plan(jobs: Iterable[Job], out: str | Path, threads: int | None = None) -> Plan:
    """Look at the run directories of ``jobs`` below ``out`` and estimate what is left to do.

    A job given twice is planned once. ``threads`` are those that a run may use, as in execute. Raises
    InputError for a damaged run directory.
    """
    costs = Costs(threads)
    by_path = {job.path(out): job for job in jobs}
    return Plan(Path(out), tuple(_planned(job, path, costs) for path, job in by_path.items()))


def _planned(job: Job, path: Path, costs: Costs) -> Planned:
    status, levels = _state(path)
    if status == "done":
        costs.learn(job.experiment, path)
        return Planned(job, path, status, levels, 0.0, None)
    cost = costs.of(job.experiment)
    return Planned(job, path, status, levels, cost.seconds_after(levels), cost)


def _state(path: Path) -> tuple[Status, int]:
    """What a run directory says, and how many levels it has finished."""
    if not (path / "run.json").is_file():
        return "new", 0
    run = Run(path)
    stored, levels = run.status, len(run.levels)
    if stored == "done":
        return "done", levels
    if in_use(path):
        return "in use", levels
    return "failed" if stored == "failed" else "interrupted", levels


def in_use(path: Path) -> bool:
    """Whether a process holds the lock of a run directory."""
    from filelock import FileLock, Timeout

    if not path.is_dir():
        return False
    try:
        with FileLock(path / ".lock", timeout=0):
            return False
    except Timeout:
        return True


def check_room(plan: Plan) -> None:
    """Raise InputError when the disk below ``plan.out`` does not hold what the runs will write."""
    from prunescope.sweep.resources import free_disk

    free = free_disk(plan.out.absolute())
    if plan.disk_bytes > free:
        raise InputError(
            f"{plan.out}: {gigabytes(free, 2)} are free and the runs will write about "
            f"{gigabytes(plan.disk_bytes, 2)}: make room or choose another --out"
        )


def check_distinct(jobs: Sequence[Job]) -> None:
    """Raise InputError when two of ``jobs`` are the same experiment with the same seed, whatever their names."""
    seen: dict[tuple[str, int], str] = {}
    for job in jobs:
        key = (job.experiment.identity, job.seed)
        if key in seen:
            names = " and ".join(dict.fromkeys((seen[key], job.experiment.name)))
            raise InputError(
                f"{names}: two entries are the same experiment (identity {key[0]}, seed {key[1]}); leave one"
            )
        seen[key] = job.experiment.name
