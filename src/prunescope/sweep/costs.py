"""What runs will cost: measured once for each kind of step, and known better where a run of the kind is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prunescope.experiment import Experiment
from prunescope.pruning.running import estimate
from prunescope.runs.directory import Run
from prunescope.runs.estimate import Estimate


def threads_of(experiment: Experiment, threads: int | None) -> int:
    """Threads that a run in a sweep gets: those asked for, else run.threads, else run.cpus, else one."""
    return threads or experiment.run.threads or experiment.run.cpus or 1


def cpus_of(experiment: Experiment, threads: int | None) -> int:
    """Cores that are kept for a run: run.cpus, else one for each of its threads."""
    return experiment.run.cpus or threads_of(experiment, threads)


def gpus_of(experiment: Experiment) -> float:
    """The share of a CUDA device that is kept for a run: run.gpus, else 1 with run.device=cuda."""
    if experiment.run.gpus is not None:
        return experiment.run.gpus
    return float(experiment.run.device == "cuda")


def pinned(experiment: Experiment, threads: int | None) -> Experiment:
    """The experiment with run.threads set to what it gets in a sweep."""
    place = experiment.run.model_copy(update={"threads": threads_of(experiment, threads)})
    return experiment.model_copy(update={"run": place})


class Costs:
    """Estimates, each experiment measured once."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._known: dict[tuple[str, int], Estimate] = {}
        self._taken: dict[str, tuple[float, ...]] = {}

    def of(self, experiment: Experiment) -> Estimate:
        """The estimate of a whole run; its times are those of a finished run of the experiment, where known."""
        key = (experiment.identity, threads_of(experiment, self._threads))
        if key not in self._known:
            self._known[key] = estimate(pinned(experiment, self._threads))
        taken = self._taken.get(experiment.identity)
        return replace(self._known[key], level_seconds=taken) if taken else self._known[key]

    def learn(self, experiment: Experiment, path: Path) -> None:
        """Take the times of a finished run's levels for those of its experiment."""
        if experiment.identity not in self._taken:
            table = Run(path).table.filter(layer=1).sort("level")
            self._taken[experiment.identity] = tuple(table["seconds"].to_list())
