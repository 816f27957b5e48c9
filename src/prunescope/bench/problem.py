"""Make the images, labels, masks and batches that all competitors train on, at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prunescope.bench.sizes import Sizes
from prunescope.data import Batch
from prunescope.experiment import Experiment, build
from prunescope.mask import Mask
from prunescope.model import Ticket
from prunescope.randomness import generator

SEED = 0
RATE = 0.1


@dataclass(frozen=True, eq=False)
class Problem:
    """A random training set: uint8 images [M, n0], labels of ``classes``, and layer sizes (n0, …, classes)."""

    pixels: np.ndarray
    mean: np.ndarray
    labels: np.ndarray
    layers: tuple[int, ...]
    batch_size: int

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, the same for every competitor."""
        chosen = generator(SEED, "bench batch", step=step).integers(0, len(self.pixels), self.batch_size)
        return Batch(self.pixels, chosen, self.labels[chosen])

    def with_classes(self, classes: int) -> Problem:
        """Return the same images with labels of another number of classes."""
        labels = generator(SEED, "bench labels").integers(0, classes, len(self.pixels))
        return Problem(self.pixels, self.mean, labels, (*self.layers[:-1], classes), self.batch_size)


def make_problem(sizes: Sizes, classes: int) -> Problem:
    """Draw a training set of uniform noise; the values of the pixels do not change the time of a step."""
    n_in = int(np.prod(sizes.shape))
    pixels = generator(SEED, "bench images").integers(0, 256, (sizes.images, n_in), dtype=np.uint8)
    mean = pixels.mean(0, dtype=np.float64).astype(np.float32)
    unlabelled = Problem(pixels, mean, np.zeros(0, np.int64), (n_in, *sizes.hidden, classes), sizes.batch)
    return unlabelled.with_classes(classes)


def random_mask(n_out: int, n_in: int, density: float) -> Mask:
    """Draw a mask with round(density · n_out · n_in) kept weights, at least one, uniformly among all weights."""
    size = n_out * n_in
    kept = max(1, round(density * size))
    array = np.zeros(size, np.bool_)
    array[generator(SEED, f"bench mask {n_out}x{n_in}").permutation(size)[:kept]] = True
    return Mask(array.reshape(n_out, n_in))


def random_ticket(layers: tuple[int, ...], density: float) -> Ticket:
    """Draw a ticket: a random mask of every hidden layer, with every bias and the output layer kept."""
    dense = Ticket.dense(layers)
    return Ticket(tuple(random_mask(m.n_out, m.n_in, density) for m in dense.masks), dense.biases)


def make_experiment(sizes: Sizes, engine: str, threads: int, **prune: object) -> Experiment:
    """Make the experiment for which an engine is made: plain SGD, batch norm before every map."""
    return build(
        {
            "name": "bench",
            "network": {"hidden": list(sizes.hidden)},
            "train": {"steps": sizes.imp_steps, "batch": sizes.batch, "lr": RATE},
            "prune": {"rewind_step": 0} | prune,
            "run": {"engine": engine, "threads": threads},
        }
    )
