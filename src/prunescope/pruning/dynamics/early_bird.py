"""Early-bird masks, which end a level once the mask that pruning would give stops moving (You et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from prunescope.experiment import Prune
from prunescope.model import Arrays, Model, Ticket
from prunescope.pruning.dynamics.magnitudes import magnitudes
from prunescope.pruning.dynamics.schedule import next_multiple
from prunescope.training.engine import Engine
from prunescope.training.levels import Dynamics

COMPARED = 5  # number of masks that are compared, the newest included (the length of the authors' FIFO)
EVERY = 100
# The start of the arrays' names in checkpoints; another one would leave checkpoints that exist unreadable.
STORED = "look"


def early_bird(
    prune: Prune, next_ticket: Callable[[Model], Ticket], not_before: int = 0
) -> Callable[[], Dynamics] | None:
    """Return the dynamics of a level that ``prune.early_bird`` may end, or None where the field is not given.

    ``next_ticket`` returns the ticket that pruning would give for a model. The level lasts at least until step
    ``not_before``.
    """
    if prune.early_bird is None:
        return None
    return partial(EarlyBird, prune.early_bird, prune.update_every or EVERY, next_ticket, not_before)


class EarlyBird(Dynamics):
    """Ends a level at a check whose mask is within ``threshold`` of the masks of the COMPARED - 1 checks before.

    Checks are ``every`` steps apart. The distance of masks is 1 - |m ∩ m'|/|m| over all hidden layers together,
    the share of the new mask that was not in the old one. (The authors use a Hamming distance over all weights, which
    is small for any two sparse masks.)
    """

    def __init__(
        self, threshold: float, every: int, next_ticket: Callable[[Model], Ticket], not_before: int
    ) -> None:
        self._threshold, self._every = threshold, every
        self._next_ticket, self._not_before = next_ticket, not_before
        self._masks: tuple[NDArray[np.uint8], ...] = ()

    def after_step(self, step: int, engine: Engine) -> bool:
        """Check the mask at every ``every``-th step; return True when it has stopped moving."""
        if step % self._every:
            return False
        model = engine.model()
        magnitudes(model, step)
        ticket = self._next_ticket(model)
        now = np.packbits(np.concatenate([mask.array.ravel() for mask in ticket.masks]))
        before, self._masks = self._masks[1 - COMPARED :], (*self._masks, now)[-COMPARED:]
        settled = max((distance(now, old) for old in before), default=1.0) <= self._threshold
        return settled and len(before) == COMPARED - 1 and step >= self._not_before

    def next_step(self, step: int) -> int:
        """Return the step of the next check."""
        return next_multiple(self._every, step)

    def state(self) -> Arrays:
        """Return the packed masks of the last checks."""
        return {f"{STORED}{index}": mask for index, mask in enumerate(self._masks)}

    def restore(self, state: Arrays) -> None:
        """Continue from ``state``."""
        self._masks = tuple(state[f"{STORED}{index}"] for index in range(len(state)))


def distance(new: NDArray[np.uint8], old: NDArray[np.uint8]) -> float:
    """Return 1 - |new ∩ old|/|new| of two packed masks."""
    both, own = (np.count_nonzero(np.unpackbits(mask)) for mask in (new & old, new))
    return 1 - both / own
