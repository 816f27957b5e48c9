"""An engine that counts evaluations in place of doing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import BoolArray
from prunescope.model import Model, Ticket
from prunescope.training.engine import Engine, Score

if TYPE_CHECKING:
    from torch import Tensor

    from prunescope.data import Batch, Images
    from prunescope.training.state import EngineState


class CountingEngine(Engine):
    """An engine that counts how many images it is to evaluate, in place of evaluating them."""

    name = "counting"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.counted: list[Images] = []

    @property
    def ticket(self) -> Ticket:
        return self._engine.ticket

    def start(self, model: Model, ticket: Ticket) -> None:
        self._engine.start(model, ticket)

    def step(self, batch: Batch) -> None:
        self._engine.step(batch)

    def take_loss(self) -> float:
        return self._engine.take_loss()

    def model(self) -> Model:
        return self._engine.model()

    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        self.counted.append(images)
        return Score(len(images), 0, 0, 0.0)

    def right(self, images: Images, model: Model | None = None) -> BoolArray:
        self.counted.append(images)
        return np.zeros(len(images), np.bool_)

    def resident(self, pixels: NDArray[np.generic]) -> Tensor | None:
        return self._engine.resident(pixels)

    def state(self) -> EngineState:
        return self._engine.state()

    def restore(self, state: EngineState) -> None:
        self._engine.restore(state)
