"""Networks, masks and batches of odd sizes for the tests of the fused step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

import tiny
from engine_cases import noisy
from prunescope.data import Batch
from prunescope.mask import Mask
from prunescope.model import Model, Ticket, initial
from prunescope.training.torch.engine import TorchEngine

TICKETS = ("dense", "sparse", "dying", "biases", "one weight", "disconnected")
RATES = {"sgd": 0.05, "momentum": 0.02, "adam": 0.002}


@dataclass(frozen=True)
class Case:
    """A network, its masks, and images of which some pixels never change."""

    sizes: tuple[int, ...]
    ticket: Ticket
    batch: int
    seed: int = 0

    @property
    def live(self) -> np.ndarray:
        """Which pixels change: most of them, but not the first."""
        live = np.random.default_rng(self.seed).random(self.sizes[0]) < 0.9
        live[:2] = False, True
        return live

    @property
    def mean(self) -> np.ndarray:
        return np.random.default_rng(self.seed).uniform(90, 110, self.sizes[0]).astype(np.float32)

    @property
    def model(self) -> Model:
        return noisy(initial(self.sizes, "before", self.seed), self.seed)

    def batches(self, count: int) -> list[Batch]:
        """Batches drawn from one set of images."""
        rng = np.random.default_rng(self.seed)
        images, classes = self.batch + 40, self.sizes[-1]
        pixels = rng.integers(0, 200, (images, self.sizes[0])).astype(np.uint8)
        pixels[:, ~self.live] = 7
        labels = rng.integers(0, classes, images)
        drawn = (rng.integers(0, images, self.batch) for _ in range(count))
        return [Batch(pixels, indices, labels[indices]) for indices in drawn]

    def inputs(self, batch: Batch) -> np.ndarray:
        """Network inputs in float64."""
        return (np.asarray(batch.pixels[batch.indices], np.float64) - self.mean.astype(np.float64)) / 255

    def experiment(self, optimizer="sgd", precision="float32"):
        train = {"optimizer": optimizer, "lr": RATES[optimizer], "momentum": 0.8, "precision": precision}
        return tiny.experiment(train=train, network={"hidden": list(self.sizes[1:-1])})

    def reference(self, optimizer="sgd", precision="float32") -> TorchEngine:
        """The CPU engine at the start of the level."""
        engine = TorchEngine(self.experiment(optimizer, precision), self.mean, self.live)
        engine.start(self.model, self.ticket)
        return engine


def make_ticket(kind: str, sizes: tuple[int, ...], seed: int = 0) -> Ticket:
    """Masks of a kind of TICKETS."""
    rng = np.random.default_rng(seed)
    shapes = [(m, n) for n, m in pairwise(sizes[:-1])]
    masks = [np.ones(shape, bool) for shape in shapes]
    biases = [np.ones(m, bool) for m, _ in shapes]
    if kind == "sparse":
        masks = [rng.random(shape) < 0.3 for shape in shapes]
    elif (
        kind == "dying"
    ):  # a unit without weights, one that sees a dead pixel alone, and a unit of these two alone
        masks[0][:2] = False
        masks[0][1:2, 0] = True
        for mask in masks[1:]:
            mask[0, 2:] = False
            mask[:, -1] = False  # and one that nobody reads
    elif kind == "biases":
        biases = [rng.random(m) < 0.5 for m, _ in shapes]
    elif kind == "one weight":
        masks = [np.zeros(shape, bool) for shape in shapes]
        at = 1
        for mask in masks:
            row = int(rng.integers(len(mask)))
            mask[row, at] = True
            at = row
    elif kind == "disconnected":
        masks[-1][:] = False
    else:
        assert kind == "dense"
    return Ticket(tuple(Mask(mask) for mask in masks), tuple(biases))


def make_case(sizes: tuple[int, ...], kind: str, batch: int, seed: int = 0) -> Case:
    return Case(sizes, make_ticket(kind, sizes, seed), batch, seed)
