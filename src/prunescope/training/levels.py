"""Levels and their outcomes: the values that pruning methods, the training loop and the driver exchange."""

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


# Which weights an update changes: "kept", those that are kept; "feedback", all, by gradients at the masked weights
# (DPF); "shrinking", all, and the update also cuts the smallest (β-LASSO).
UpdateRule = Literal["kept", "feedback", "shrinking"]


@dataclass(frozen=True)
class Level:
    """One round of training, as a procedure asks for it: ``steps`` updates from ``model`` under ``ticket``.

    ``nominal_density``: the share of the network's hidden weights that the method aims to keep, (1-p)^number for
    iterative pruning; of the layer being pruned alone in progressive pruning, and of the first layer that is pruned
    where ``prune.layer_rates`` differ. None where the method has no aim; the measured density is then stored instead.
    ``keep_at``: the number of updates after which the parameters are kept for rewinding; None to keep none.
    ``dynamics``: makes what changes inside the level beside the training steps, such as masks that move or an early
    end; None for plain training.
    ``best_from``: the first step whose evaluation counts for the level's best, because the network was denser before;
    the last evaluation always counts.
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
    """The outcome of a level, as its procedure is told: models, masks and the best validation accuracy.

    ``trained`` is the model at the level's end, ``kept`` the one kept for rewinding. ``ticket`` has the masks at the
    level's end, which are those of the level unless its dynamics moved them. ``best`` is the level's best validation
    accuracy, 0 to 1.
    """

    trained: Model
    kept: Model | None
    ticket: Ticket
    best: float


Procedure = Generator[Level, Outcome, None]
# A procedure that may return, as a clause, why it ended before ``prune.levels``; None where it went to its end.
ExplainedProcedure = Generator[Level, Outcome, str | None]


@dataclass(frozen=True)
class Setting:
    """The setting that a pruning method works in: the experiment, layer sizes (n0, …, nL), the seed and the data."""

    experiment: Experiment
    sizes: tuple[int, ...]
    seed: int
    dataset: Dataset | None


class Dynamics(abc.ABC):
    """Changes a level from inside, between its steps; each level has its own, and it can be resumed.

    The loop calls ``after_step`` after each of the level's updates that ``next_step`` names (unless it is defined,
    after all of them) but the last, once parameters were kept and the validation set was evaluated, with the engine
    that holds the parameters. The method may move the masks by ``training.mask_changes.change`` (``engine.ticket`` is
    what is kept), or return True to end the level there, with the masks as they are.
    """

    @abc.abstractmethod
    def after_step(self, step: int, engine: Engine) -> bool:
        """Act after ``step`` updates (1 = after the first); return True to end the level."""

    def next_step(self, step: int) -> int | None:
        """Return after which update beyond ``step`` to call ``after_step`` next; None for not again in this level.

        This default calls it after every update. Engines on a device make the updates between two calls at once. The
        loop asks at the level's start (step 0), after each call, and where a level is resumed, which may be at any step.
        """
        return step + 1

    def state(self) -> Arrays:
        """Return what a resumed level needs beside the engine's state, as named arrays.

        It is called at the level's start and after each call of ``after_step``.
        """
        return {}

    def restore(self, state: Arrays) -> None:
        """Put back what ``state`` returned; the level goes on from there."""
        assert not state
