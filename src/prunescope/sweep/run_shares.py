"""What a run of a sweep gets of a machine: threads, cores, and a share of a card."""

from __future__ import annotations

from prunescope.experiment import Experiment
from prunescope.experiment.device import read_device


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


def runs_a_card(experiment: Experiment, at_once: int) -> int:
    """Return how many of so many runs like ``experiment`` share a card, on which they take turns."""
    import torch

    kind, _, index = experiment.run.device.partition(":")
    cards = 1 if index or kind != "cuda" else torch.cuda.device_count()
    if cards:
        return max(-(-at_once // cards), 1)
    share = gpus_of(experiment)  # The cards are on other machines.
    return max(min(at_once, int(1 / share)), 1) if share else at_once
