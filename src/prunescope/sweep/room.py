"""Room: how many runs fit at once, by cores, memory and CUDA devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.errors import InputError
from prunescope.sweep.child import Child
from prunescope.sweep.costs import cpus_of, gpus_of
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
            load = self._loads(running)[self.device(run, running)]
            return load + gpus_of(run.job.experiment) <= 1
        taken = sum(_cpus(child, threads) for child in running)
        return taken + cpus_of(run.job.experiment, threads) <= self.cores and self._memory_left(run, running)

    def device(self, run: Planned, running: Sequence[Child]) -> str | None:
        """The CUDA device that is used least, for a run that asks for cuda without saying which."""
        if not on_cuda(run):
            return None
        loads = self._loads(running)
        return min(self.devices, key=lambda name: loads[name])

    def _loads(self, running: Sequence[Child]) -> dict[str | None, float]:
        """How much of each device is taken."""
        loads: dict[str | None, float] = dict.fromkeys(self.devices, 0.0)
        for child in running:
            if child.device is not None and child.planned is not None:
                loads[child.device] += gpus_of(child.planned.job.experiment)
        return loads

    def _memory_left(self, run: Planned, running: Sequence[Child]) -> bool:
        taken = sum(_memory(child.planned) for child in running)
        return taken + _memory(run) <= self.memory

    def slots(self, plan: Plan, threads: int | None) -> int:
        """How many of the plan's runs go at once, for its estimate of time."""
        share = max((gpus_of(run.job.experiment) for run in plan.todo), default=0.0)
        limit = self.at_once or (int(len(self.devices) / share) if self.devices and share else None)
        if limit is not None:
            return max(min(limit, len(plan.todo)), 1)
        widest = max((cpus_of(run.job.experiment, threads) for run in plan.todo), default=1)
        by_memory = self.memory // max(plan.memory_bytes, 1)
        return max(min(self.cores // widest, by_memory, len(plan.todo)), 1)


def on_cuda(run: Planned) -> bool:
    """Whether the run asks for a CUDA device without saying which."""
    return run.job.experiment.run.device == "cuda"


def _cpus(child: Child, threads: int | None) -> int:
    """Cores that are kept for what a process is at."""
    return max(child.threads, cpus_of(child.planned.job.experiment, threads) if child.planned else 1)


def _memory(run: Planned | None) -> int:
    return run.estimate.memory_bytes if run and run.estimate else 0
