"""The least memory and disk that an experiment takes, so that what cannot fit is refused before anything is begun."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

from prunescope.errors import InputError
from prunescope.experiment import Data, Experiment
from prunescope.memory import check_memory

WEIGHT_BYTES = 12  # float32: the parameters, their gradients, and those that levels begin from
STREAMS = ("nlgp", "nlgp-clone")
SIDES = {"imagenet32": 32, "imagenet64": 64, "cifar10": 32, "cifar100": 32}


def check_fits(experiment: Experiment, sizes: tuple[int, ...] | None = None) -> None:
    """Raise InputError where this machine has less memory than the experiment takes at the very least.

    ``sizes``: the layer sizes (n0, …, nL); None where the data are not open yet, whose inputs and classes are then taken
    to be as few as their source allows.
    """
    data, name = experiment.data, experiment.name
    if data.source in STREAMS:
        from prunescope.data.sources.streams import check_stream_memory

        check_stream_memory(data)
    sizes = sizes or (least_inputs(data), *experiment.network.hidden, 2)
    hidden = list(experiment.network.hidden)
    shown = str(hidden) if len(hidden) <= 8 else f"of {len(hidden)} layers"
    weights = weights_of(sizes)
    check_memory(WEIGHT_BYTES * weights, f"{name}: network.hidden {shown} has {weights:.3g} weights and")
    check_memory(
        4 * experiment.train.batch * max(sizes[0], 2),
        f"{name}: a batch of train.batch={experiment.train.batch:,} images",
    )


def check_space(experiment: Experiment, sizes: tuple[int, ...], folder: Path) -> None:
    """Raise InputError where the disk of a run directory has no space for the parameters of one level."""
    needed = 4 * sum(a * b + b for a, b in pairwise(sizes))
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: {free / 1e9:.2f} GB are free and each level of {experiment.name} takes {needed / 1e9:.2f} GB: "
            "free some space or choose another --out"
        )


def least_inputs(data: Data) -> int:
    """Return how many inputs an image of ``data`` has, 1 where only its files tell."""
    if data.source in STREAMS:
        return data.channels * data.size**2
    if data.source in SIDES:
        return 3 * SIDES[data.source] ** 2
    if data.source == "photographs":
        return 3 * data.size**2
    return data.size**2 if data.source == "folder" else 1


def weights_of(sizes: tuple[int, ...]) -> int:
    """Return the number of weights of a network with these layer sizes (n0, …, nL), the output's included."""
    return sum(a * b for a, b in pairwise(sizes))
