"""Capacity: how many runs fit at once into cores, memory and CUDA devices."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from prunescope.errors import InputError
from prunescope.experiment.device import DeviceName, read_device
from prunescope.memory import available_memory
from prunescope.runs.machine import cores
from prunescope.sweep.job import Job
from prunescope.sweep.options import ExecutionOptions
from prunescope.sweep.planning import Plan, PlannedRun
from prunescope.sweep.run_shares import cpus_of, gpus_of
from prunescope.training import check_place

ROUNDING = 1e-9  # Shares of a device, such as ten of 0.1, add up to 1 within this.


class Occupant(Protocol):
    """A worker as far as capacity is concerned: its threads, its CUDA device and the run that it does, None for none."""

    threads: int
    device: str | None
    planned: PlannedRun | None


@dataclass(frozen=True)
class Capacity:
    """What the runs of a sweep share: cores, bytes of memory and the names of CUDA devices.

    ``at_once`` limits how many runs go at a time, None for no such limit. ``threads`` is the number that each run may
    use, None for the experiment's own.
    """

    cores: int
    memory: int
    devices: tuple[str, ...] = ()
    at_once: int | None = None
    threads: int | None = None

    def has_space(self, run: PlannedRun, running: Sequence[Occupant]) -> bool:
        """Return whether ``run`` fits beside those that ``running`` workers do; a run that would be alone always fits."""
        if not running:
            return True
        if self.at_once is not None:
            return len(running) < self.at_once and self._memory_suffices(run, running)
        share, card = gpus_of(run.job.experiment), self._card(run) or self.device(run, running)
        if share and card is not None:
            return self._loads(running)[card] + share <= 1 + ROUNDING
        taken = sum(self._cpus(worker) for worker in running)
        enough = taken + cpus_of(run.job.experiment, self.threads) <= self.cores
        return enough and self._memory_suffices(run, running)

    def device(self, run: PlannedRun, running: Sequence[Occupant]) -> str | None:
        """Return the CUDA device with the least load for a run with run.device=cuda; None for any other run."""
        if not on_cuda(run):
            return None
        loads = self._loads(running)
        return min(self.devices, key=lambda name: loads[name])

    def slots(self, plan: Plan) -> int:
        """Return how many of the plan's runs go at once, which its estimate of time needs."""
        share = max((gpus_of(run.job.experiment) for run in plan.todo), default=0.0)
        on_each = int(1 / share + ROUNDING) if share else 0
        limit = self.at_once or (len(self.devices) * on_each if self.devices and share else None)
        if limit is not None:
            return max(min(limit, len(plan.todo)), 1)
        widest = max((cpus_of(run.job.experiment, self.threads) for run in plan.todo), default=1)
        by_memory = self.memory // max(plan.memory_bytes, 1)
        return max(min(self.cores // widest, by_memory, len(plan.todo)), 1)

    def _loads(self, running: Sequence[Occupant]) -> dict[str | None, float]:
        """Return the share of each device that is taken."""
        loads: dict[str | None, float] = dict.fromkeys(self.devices, 0.0)
        for worker in running:
            if worker.planned is None:
                continue
            card = worker.device or self._card(worker.planned)
            if card is not None:
                loads[card] += gpus_of(worker.planned.job.experiment)
        return loads

    def _card(self, run: PlannedRun) -> str | None:
        """Return the CUDA device of a run that says which, as run.device=cuda:1 does; None for any other run."""
        wanted = read_device(run.job.experiment.run.device)
        pinned = wanted.kind == "cuda" and wanted.index is not None and wanted.index < len(self.devices)
        return self.devices[wanted.index or 0] if pinned else None

    def _cpus(self, worker: Occupant) -> int:
        """Return the cores that are kept for the run that a worker does."""
        wanted = cpus_of(worker.planned.job.experiment, self.threads) if worker.planned else 1
        return max(worker.threads, wanted)

    def _memory_suffices(self, run: PlannedRun, running: Sequence[Occupant]) -> bool:
        taken = sum(_memory(worker.planned) for worker in running)
        return taken + _memory(run) <= self.memory


def machine_capacity(plan: Plan, options: ExecutionOptions) -> Capacity:
    """Return what this machine has for the runs of ``plan``.

    Raises InputError for a run whose device is not here, and for a limit of runs at once below 1.
    """
    options.check()
    check_places((run.job, run.path) for run in plan.todo)
    wanted = any(read_device(run.job.experiment.run.device).kind == "cuda" for run in plan.todo)
    devices = tuple(cuda_devices()) if wanted else ()
    return Capacity(cores(), available_memory(), devices, options.at_once, options.threads)


def check_places(runs: Iterable[tuple[Job, Path]]) -> None:
    """Raise InputError for the first run whose device is not on this machine, or has no products in its precision."""
    seen: set[tuple[str, str]] = set()
    for job, path in runs:
        place = job.experiment.run.device, job.experiment.train.precision
        if place in seen:
            continue
        seen.add(place)
        try:
            check_place(job.experiment, use=False)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def on_cuda(run: PlannedRun) -> bool:
    """Return whether the run asks for a CUDA device without saying which."""
    return read_device(run.job.experiment.run.device) == DeviceName("cuda")


def _memory(run: PlannedRun | None) -> int:
    return run.estimate.memory_bytes if run and run.estimate else 0


def cuda_devices() -> list[str]:
    """Return the CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return named[:count] if any(named) else [str(number) for number in range(count)]
