"""The estimate of an experiment's cost takes the time from a few measured steps, and memory and disk from its sizes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from prunescope.experiment import Experiment, Network, Place, Prune, Train
from prunescope.mask import ImageShape, Mask
from prunescope.model import Ticket, initial, layer_sizes
from prunescope.training import engine_note
from prunescope.training.levels import UpdateRule
from prunescope.training.state import MOMENTS

KNOWN: dict[str, tuple[ImageShape, int, int | None]] = {
    "imagenet32": ((3, 32, 32), 1000, 1_281_167),
    "imagenet64": ((3, 64, 64), 1000, 1_281_167),
    "cifar10": ((3, 32, 32), 10, 50_000),
    "cifar100": ((3, 32, 32), 100, 50_000),
}
MEASURED_STEPS = 4
DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a run, in seconds and bytes; ``assumed`` names what was not known and had to be assumed."""

    levels: int
    steps: int
    parameters: int
    seconds_per_step: float  # of the dense network
    engine: str
    level_seconds: tuple[float, ...]
    memory_bytes: int
    disk_bytes: int
    assumed: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """The time of all levels, in seconds."""
        return sum(self.level_seconds)

    def seconds_after(self, finished: int, inside: float = 0.0) -> float:
        """Return the seconds left after ``finished`` levels and the share ``inside`` of the next, 0 to 1."""
        left = self.level_seconds[finished:]
        return sum(left) - inside * left[0] if left else 0.0


@dataclass(frozen=True)
class Expected:
    """The levels that a run is expected to train: the nominal density of each, and what had to be assumed."""

    densities: tuple[float, ...]
    assumed: tuple[str, ...] = ()


def estimate(
    experiment: Experiment,
    levels_for: Callable[[tuple[int, ...]], Expected],
    update_rule: UpdateRule = "kept",
) -> Estimate:
    """Estimate what ``experiment`` will cost on this machine, by timing a few steps and counting bytes.

    ``levels_for``: returns the expected levels for the layer sizes (n0, …, nL); ``pruning.running.estimate`` calls
    this with that of the experiment's method. ``update_rule``: which weights the method's steps change. No data is
    needed: steps are timed on random pixels, under random masks of the DENSITIES, and the time of a level is
    interpolated at its nominal density.
    """
    assumed: list[str] = []
    shape, classes, images = _geometry(experiment, assumed)
    n_in = int(np.prod(shape))
    sizes = layer_sizes(n_in, experiment.network.hidden, classes)
    expected = levels_for(sizes)
    assumed += expected.assumed
    nominal, levels = expected.densities, len(expected.densities) - 1
    parameters = sum(a * b + b for a, b in pairwise(sizes))
    train, prune = experiment.train, experiment.prune
    # These fields do not change a step's time, so that experiments that differ in them alone are measured once.
    alike = train.model_copy(update={"steps": 1, "eval_every": 1, "lr": 0.1})
    measured = _step_seconds(experiment.network, alike, experiment.run, sizes, update_rule)
    later = train.steps - (prune.rewind_step if prune.retrain == "remaining" else 0)
    per_step = np.interp(np.log(nominal), np.log(DENSITIES[::-1]), measured[::-1])
    counts = np.array([train.steps] + [later] * levels)
    steps = int(counts.sum())
    # An evaluation is a forward pass, which has a third of a step's products, over its own number of images.
    evaluation = experiment.data.validation / train.batch / 3
    level_seconds = per_step * counts * (1 + evaluation / train.eval_every)
    copies = 4 + MOMENTS[train.optimizer]
    activations = 3 * train.batch * sum(sizes)
    validation = experiment.data.validation * n_in if images is None else 0
    return Estimate(
        levels=levels,
        steps=steps,
        parameters=parameters,
        seconds_per_step=measured[0],
        engine=engine_note(experiment, update_rule),
        level_seconds=tuple(level_seconds.tolist()),
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
    if kind in ("modulo", "random"):
        classes = int(count)
    return shape, 10 if kind.startswith("semantic") else classes, images


@functools.cache
def _step_seconds(
    network: Network, train: Train, place: Place, sizes: tuple[int, ...], update_rule: UpdateRule
) -> tuple[float, ...]:
    """Measure the seconds of a step at each of DENSITIES."""
    import torch

    from prunescope.data import Batch
    from prunescope.training import make_engine

    experiment = Experiment(
        name="measured", network=network, train=train, prune=Prune(rewind=False), run=place
    )
    before = torch.get_num_threads()
    torch.set_num_threads(place.threads or before)
    rng = np.random.Generator(np.random.Philox(key=0))
    engine = make_engine(
        experiment, np.full(sizes[0], 127, np.float32), np.ones(sizes[0], np.bool_), update_rule
    )
    model = initial(sizes, experiment.network.norm, 0)
    pixels = rng.integers(0, 256, (experiment.train.batch, sizes[0]), dtype=np.uint8)
    labels = rng.integers(0, sizes[-1], experiment.train.batch)
    batch = Batch(pixels, np.arange(len(pixels)), labels)
    seconds = []
    for density in DENSITIES:
        engine.start(model, _random_ticket(sizes, density, rng))
        times = []
        for _ in range(1 + MEASURED_STEPS):
            began = time.perf_counter()
            engine.step(batch)
            engine.take_loss()  # This waits for devices that work asynchronously.
            times.append(time.perf_counter() - began)
        seconds.append(min(times[1:]))  # The shortest time is the least disturbed by other processes.
    torch.set_num_threads(before)
    return tuple(seconds)


def _random_ticket(sizes: tuple[int, ...], density: float, rng: np.random.Generator) -> Ticket:
    dense = Ticket.dense(sizes)
    if density == 1:
        return dense
    masks = []
    for mask in dense.masks:
        kept = rng.random(mask.array.shape) < density
        kept[0, 0] = True  # Small layers must not end up empty.
        masks.append(Mask(kept))
    return Ticket(tuple(masks), dense.biases)
