"""What an experiment will cost: time from a few measured steps, memory and disk from its sizes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from prunescope.experiment import Experiment
from prunescope.mask import ImageShape
from prunescope.model import Ticket, initial, layer_sizes

KNOWN: dict[str, tuple[ImageShape, int, int | None]] = {
    "imagenet32": ((3, 32, 32), 1000, 1_281_167),
    "imagenet64": ((3, 64, 64), 1000, 1_281_167),
    "cifar10": ((3, 32, 32), 10, 50_000),
    "cifar100": ((3, 32, 32), 100, 50_000),
}
ASSUMED_LEVELS = 20
MEASURED_STEPS = 4


@dataclass(frozen=True)
class Estimate:
    """What a run will need. ``assumed`` names what was not known and taken for granted."""

    levels: int
    steps: int
    parameters: int
    seconds_per_step: float
    seconds: float
    memory_bytes: int
    disk_bytes: int
    assumed: tuple[str, ...]


def estimate(experiment: Experiment) -> Estimate:
    """Time a few dense steps of ``experiment`` on this machine on random pixels, and count bytes.

    Needs no data. Every level is priced as the dense one.
    """
    assumed: list[str] = []
    shape, classes, images = _geometry(experiment, assumed)
    levels = experiment.prune.levels
    if levels is None:
        levels = ASSUMED_LEVELS
        assumed.append(f"{levels} levels after the dense one (the stop rule decides)")
    n_in = int(np.prod(shape))
    sizes = layer_sizes(n_in, experiment.network, classes)
    parameters = sum(a * b + b for a, b in pairwise(sizes))
    seconds = _step_seconds(experiment, sizes)
    train, prune = experiment.train, experiment.prune
    later = train.steps - (prune.rewind_step if prune.retrain == "remaining" else 0)
    steps = train.steps + levels * later
    # an evaluation is a forward pass: a third of a step's products, over its own number of images
    evaluation = experiment.data.validation / train.batch / 3
    total = seconds * steps * (1 + evaluation / train.eval_every)
    copies = 4 + {"sgd": 0, "momentum": 1, "adam": 2}[train.optimizer]
    activations = 3 * train.batch * sum(sizes)
    validation = experiment.data.validation * n_in if images is None else 0
    return Estimate(
        levels=levels,
        steps=steps,
        parameters=parameters,
        seconds_per_step=seconds,
        seconds=total,
        memory_bytes=400_000_000 + 4 * (copies * parameters + activations + validation),
        disk_bytes=4 * parameters * (levels + 5) + parameters // 8 * (levels + 1),
        assumed=tuple(assumed),
    )


def _geometry(experiment: Experiment, assumed: list[str]) -> tuple[ImageShape, int, int | None]:
    data = experiment.data
    kind, _, count = data.task.partition(":")
    if data.source in KNOWN:
        shape, classes, images = KNOWN[data.source]
    elif data.source == "photographs":
        shape, classes, images = (3, data.size, data.size), 2, data.patches
    elif data.source in ("nlgp", "nlgp-clone"):
        shape, classes, images = (data.channels, data.size, data.size), len(data.lengths), None
    else:
        shape, classes, images = (3, 32, 32), 200, 100_000
        assumed.append(f"images 3x32x32 of {classes} classes (open {data.source!r} to know)")
    return shape, int(count) if kind == "modulo" else classes, images


def _step_seconds(experiment: Experiment, sizes: tuple[int, ...]) -> float:
    import torch

    from prunescope.data import Batch
    from prunescope.training import make_engine

    if experiment.run.threads:
        torch.set_num_threads(experiment.run.threads)
    rng = np.random.Generator(np.random.Philox(key=0))
    engine = make_engine(experiment, np.full(sizes[0], 127, np.float32), np.ones(sizes[0], np.bool_))
    engine.start(initial(sizes, experiment.network.norm, 0), Ticket.dense(sizes))
    pixels = rng.integers(0, 256, (experiment.train.batch, sizes[0]), dtype=np.uint8)
    labels = rng.integers(0, sizes[-1], experiment.train.batch)
    batch = Batch(pixels, np.arange(len(pixels)), labels)
    times = []
    for _ in range(1 + MEASURED_STEPS):
        began = time.perf_counter()
        engine.step(batch)
        engine.take_loss()  # waits for a device that works on its own
        times.append(time.perf_counter() - began)
    return min(times[1:])  # what the machine can do when nothing else runs on it
