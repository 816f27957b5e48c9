"""Room: how many runs fit at once, by cores, memory and CUDA devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.errors import InputError
from prunescope.sweep.child import Child
from prunescope.sweep.costs import threads_of
from prunescope.sweep.planning import Plan, Planned
from prunescope.sweep.resources import available_memory, cores, cuda_devices


@dataclass(frozen=True)
class Room:
    """What runs share. ``at_once``: at most so many runs, however much room there is; None: no such limit."""

    cores: int
    memory: int
    devices: tuple[str, ...] = ()
    at_once: int | None = None

    @staticmethod
    def of_this_machine(plan: Plan, at_once: int | None = None) -> Room:
        """Room for the runs of ``plan``; raises InputError for runs on CUDA where there is none."""
        if at_once is not None and at_once < 1:
            raise InputError(f"--jobs is {at_once}; it must be 1 or more")
        wanted = [run for run in plan.todo if on_cuda(run)]
        devices = tuple(cuda_devices()) if wanted else ()
        if wanted and not devices:
            raise InputError(
                f"{wanted[0].path}: run.device is cuda and no CUDA device is here; try run.device=cpu"
            )
        return Room(cores(), available_memory(), devices, at_once)

    def has_room(self, run: Planned, running: Sequence[Child], threads: int | None) -> bool:
        """Whether ``run`` fits beside ``running``. Alone, anything fits."""
        if not running:
            return True
        if self.at_once is not None:
            return len(running) < self.at_once and self._memory_left(run, running)
        if on_cuda(run):
            return sum(child.device is not None for child in running) < len(self.devices)
        taken = sum(child.threads for child in running)
        return taken + threads_of(run.job.experiment, threads) <= self.cores and self._memory_left(
            run, running
        )

    def device(self, run: Planned, running: Sequence[Child]) -> str | None:
        """The CUDA device with the fewest runs, for a run that asks for cuda without saying which."""
        if not on_cuda(run):
            return None
        used = Counter(child.device for child in running)
        return min(self.devices, key=lambda name: used[name])

    def _memory_left(self, run: Planned, running: Sequence[Child]) -> bool:
        taken = sum(_memory(child.planned) for child in running)
        return taken + _memory(run) <= self.memory

    def slots(self, plan: Plan, threads: int | None) -> int:
        """How many of the plan's runs go at once, for its estimate of time."""
        limit = self.at_once or (len(self.devices) if self.devices else None)
        if limit is not None:
            return max(min(limit, len(plan.todo)), 1)
        widest = max((threads_of(run.job.experiment, threads) for run in plan.todo), default=1)
        by_memory = self.memory // max(plan.memory_bytes, 1)
        return max(min(self.cores // widest, by_memory, len(plan.todo)), 1)


def on_cuda(run: Planned) -> bool:
    """Whether the run asks for a CUDA device without saying which."""
    return run.job.experiment.run.device == "cuda"


def _memory(run: Planned | None) -> int:
    return run.estimate.memory_bytes if run and run.estimate else 0
