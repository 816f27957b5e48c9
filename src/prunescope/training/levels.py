"""Levels: what a procedure asks for, and what it is told. Values that pruning, training and the driver share."""

from __future__ import annotations

import abc
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prunescope.model import Arrays, Model, Ticket

if TYPE_CHECKING:
    from prunescope.data import Dataset
    from prunescope.experiment import Experiment
    from prunescope.training.engine import Engine


# What one update moves: the kept weights; all weights through masks (DPF); all weights, which it also cuts (β-LASSO).
UpdateRule = Literal["kept", "feedback", "shrinking"]


@dataclass(frozen=True)
class Level:
    """One train-and-prune round: train ``steps`` from ``model`` under ``ticket``.

    ``keep_at`` is the number of updates after which the parameters are kept for rewinding, None when this
    level keeps nothing. ``nominal_density`` is the share of each layer that is meant to be kept, (1-p)^number
    for iterative pruning; None where a method has no aim, and the density it ends with takes its place. ``dynamics`` makes what changes inside the level beside the SGD steps: masks that
    move, an early end; None for plain training. Evaluations before step ``best_from`` do not count for the
    level's best: those of a network denser than the level ends with. The last one always does.
    """

    number: int
    ticket: Ticket
    model: Model
    steps: int
    nominal_density: float | None
    keep_at: int | None = None
    dynamics: Callable[[], Dynamics] | None = None
    best_from: int = 0


@dataclass(frozen=True)
class Outcome:
    """What training made of a level: the model at its end, the one kept for rewinding, the masks at its end.

    ``ticket`` is the level's own unless its dynamics moved it. ``best`` is the level's best validation
    accuracy, 0 to 1.
    """

    trained: Model
    kept: Model | None
    ticket: Ticket
    best: float


Procedure = Generator[Level, Outcome, None]


@dataclass(frozen=True)
class Setting:
    """What a pruning method is given: the experiment, layer sizes (n0, …, nL), the seed and the data."""

    experiment: Experiment
    sizes: tuple[int, ...]
    seed: int
    dataset: Dataset | None


class Dynamics(abc.ABC):
    """What happens inside a level beside its steps; made anew for each level, and resumable like it.

    The loop calls ``after_step`` after each of the level's updates but the last, when parameters were kept
    and the validation set was looked at, with the engine that holds the parameters. It may move the masks
    (``training.mask_changes.change``; the engine knows what is kept: ``engine.ticket``), or return True to end the
    level there, with the masks as they are.
    """

    @abc.abstractmethod
    def after_step(self, step: int, engine: Engine) -> bool:
        """Called when ``step`` updates are done (1 = after the first); True ends the level."""

    def state(self) -> Arrays:
        """What it needs to go on beside the engine's state, as named arrays; asked for after each step."""
        return {}

    def restore(self, state: Arrays) -> None:
        """Go on from ``state``."""
        assert not state
