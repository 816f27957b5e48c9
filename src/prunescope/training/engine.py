"""Engine: what the training loop asks of whatever executes its steps. NumPy in, NumPy out."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import numpy as np

from prunescope.data import Batch, Images
from prunescope.mask import BoolArray
from prunescope.model import Model, Ticket
from prunescope.training.state import EngineState


@dataclass(frozen=True)
class Score:
    """Counts over a set of images: ``correct`` (top-1), ``correct5`` (top-5), summed ``loss`` (nats)."""

    images: int
    correct: int
    correct5: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy, 0 to 1; nan without images."""
        return self.correct / self.images if self.images else float("nan")


class Engine(abc.ABC):
    """Executes SGD steps of one level at a time; the only holder of parameters while it trains."""

    name: str

    @property
    @abc.abstractmethod
    def ticket(self) -> Ticket:
        """What is kept now."""

    @abc.abstractmethod
    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level: take parameters and masks; averages and optimiser state are new."""

    @abc.abstractmethod
    def step(self, batch: Batch) -> None:
        """One update on ``batch.pixels[batch.indices]``."""

    @abc.abstractmethod
    def take_loss(self) -> float:
        """Mean training loss of the steps since the last call; nan when there was none."""

    @abc.abstractmethod
    def model(self) -> Model:
        """A copy of the parameters and moving averages as they are now."""

    @abc.abstractmethod
    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        """Score a set with the moving averages, of the current parameters or of ``model``.

        ``model`` must keep no other weights than ``ticket``.
        """

    def right(self, images: Images, model: Model | None = None) -> BoolArray:
        """Which images are classified right, bool [N]: those that ``evaluate``, with the same arguments, counts.

        This one asks for one image after the other; engines have a faster one.
        """
        each = (Images(images.pixels[n : n + 1], images.labels[n : n + 1]) for n in range(len(images)))
        return np.array([self.evaluate(image, model).correct for image in each], np.bool_)

    @abc.abstractmethod
    def state(self) -> EngineState:
        """Everything that a level's next step depends on, masks included."""

    @abc.abstractmethod
    def restore(self, state: EngineState) -> None:
        """Continue from ``state`` (after ``start``) to the same bits, under the masks that it has."""
