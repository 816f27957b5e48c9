"""The interface of engines, which execute training steps and evaluations; they take and return NumPy arrays."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunescope.data import Batch, Images
from prunescope.mask import BoolArray
from prunescope.model import Model, Ticket
from prunescope.training.state import EngineState

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Score:
    """The score of a set: the numbers ``correct`` (top-1) and ``correct5`` (top-5), and the summed ``loss`` (nats)."""

    images: int
    correct: int
    correct5: int
    loss: float

    @classmethod
    def of_totals(cls, images: int, totals: Sequence[float]) -> Score:
        """Return the score of so many images, of whose ``correct``, ``correct5`` and ``loss`` the sums are given."""
        correct, correct5, loss = totals
        return cls(images, int(correct), int(correct5), loss)

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy, 0 to 1; nan without images."""
        return self.correct / self.images if self.images else float("nan")


class Snapshot(abc.ABC):
    """The parameters and moving averages of an engine as they were when ``Engine.snapshot`` was called.

    Later steps and levels do not change it.
    """

    @abc.abstractmethod
    def model(self) -> Model:
        """Return the parameters and averages, pruned entries 0."""


@dataclass(frozen=True)
class HostSnapshot(Snapshot):
    """A snapshot whose numbers are in the memory of the host already."""

    held: Model

    def model(self) -> Model:
        """Return the parameters and averages that are held."""
        return self.held


class Engine(abc.ABC):
    """Executes the training steps of one level at a time; while it trains, only the engine holds the parameters.

    ``block``: the most consecutive steps that the engine takes at once, as the loop finds it after ``start``; 1 for
    engines that gain nothing by more. Signals that stop a run and checkpoints that are due wait for a block's end.
    """

    name: str
    block: int = 1

    @property
    @abc.abstractmethod
    def ticket(self) -> Ticket:
        """The masks of the weights and biases that are kept now."""

    @abc.abstractmethod
    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level with these parameters and masks, new moving averages and a new optimiser state."""

    @abc.abstractmethod
    def step(self, batch: Batch) -> None:
        """Update the parameters once, on the images ``batch.pixels[batch.indices]``."""

    def steps(self, batches: Sequence[Batch]) -> None:
        """Update the parameters once on each of ``batches``, of which there are 1 to ``block``, in their order.

        The outcome is that of as many calls of ``step``, which this default makes.
        """
        for batch in batches:
            self.step(batch)

    @abc.abstractmethod
    def take_loss(self) -> float:
        """Return the mean training loss (nats) of the steps since the last call; nan when there was none."""

    @abc.abstractmethod
    def model(self) -> Model:
        """Return a copy of the parameters and moving averages as they are now, pruned entries 0."""

    def snapshot(self) -> Snapshot:
        """Return what ``model`` would return now, to be asked for later.

        This default copies the model at once. Engines whose parameters are elsewhere may keep the copy there until it
        is asked for, but must not change it.
        """
        return HostSnapshot(self.model())

    @abc.abstractmethod
    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        """Score a set of images with the current parameters or those of ``model``.

        Batch norm uses the moving averages. ``model`` must have no nonzero weights beside those that ``ticket`` keeps.
        """

    def evaluate_each(self, images: Images, models: Iterable[Model]) -> list[Score]:
        """Score a set of images with each of ``models``, as ``evaluate`` does with one.

        Models may share arrays, which engines need not take twice; none may be changed meanwhile.
        """
        return [self.evaluate(images, model) for model in models]

    def right(self, images: Images, model: Model | None = None) -> BoolArray:
        """Return which images are classified right, bool [N].

        These are the images that ``evaluate`` counts as correct for the same arguments. This default evaluates one
        image at a time; engines override it with something faster.
        """
        each = (Images(images.pixels[n : n + 1], images.labels[n : n + 1]) for n in range(len(images)))
        return np.array([self.evaluate(image, model).correct for image in each], np.bool_)

    def resident(self, pixels: NDArray[np.generic]) -> Tensor | None:
        """Return a set of images that the engine keeps on its device; None where it keeps none, as on a CPU."""
        return None

    @abc.abstractmethod
    def state(self) -> EngineState:
        """Return everything that the level's next step depends on, masks included."""

    @abc.abstractmethod
    def restore(self, state: EngineState) -> None:
        """Put back ``state`` and its masks, after ``start``; training then continues to the same bits."""

    def _take_masks(self, state: EngineState) -> None:
        """Start the level again where ``state`` has other masks than those that are kept now."""
        ticket = state.fitting_ticket(self.ticket)
        if ticket is not None and ticket != self.ticket:
            self.start(state.model, ticket)
