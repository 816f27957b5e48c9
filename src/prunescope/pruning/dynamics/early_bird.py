"""Early-bird masks: end a level when the mask that pruning would give stops moving (You et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from prunescope.experiment import Prune
from prunescope.model import Arrays, Model, Ticket
from prunescope.pruning.dynamics.magnitudes import magnitudes
from prunescope.training.engine import Engine
from prunescope.training.levels import Dynamics

LOOKS = 5  # masks that are compared, the newest included (the authors' FIFO)
EVERY = 100


def early_bird(
    prune: Prune, next_ticket: Callable[[Model], Ticket], not_before: int = 0
) -> Callable[[], Dynamics] | None:
    """The dynamics of a level that ``prune.early_bird`` may end; None where it is not given.

    ``next_ticket`` is what pruning would make of a model now. The level goes on at least to step
    ``not_before``.
    """
    if prune.early_bird is None:
        return None
    return partial(EarlyBird, prune.early_bird, prune.update_every or EVERY, next_ticket, not_before)


class EarlyBird(Dynamics):
    """Ends a level at a look whose mask is within ``threshold`` of those of the LOOKS - 1 looks before.

    A look is every ``every`` steps. The distance of masks is 1 - |m ∩ m'|/|m|, of all hidden layers'
    weights together: the share of the new mask that was not in the old. (The authors' is a Hamming
    distance over all weights, which any two sparse masks have small.)
    """

    def __init__(
        self, threshold: float, every: int, next_ticket: Callable[[Model], Ticket], not_before: int
    ) -> None:
        self._threshold, self._every = threshold, every
        self._next_ticket, self._not_before = next_ticket, not_before
        self._looks: tuple[NDArray[np.uint8], ...] = ()

    def after_step(self, step: int, engine: Engine) -> bool:
        """Look, every so many steps; True when the mask has stopped moving."""
        if step % self._every:
            return False
        model = engine.model()
        magnitudes(model, step)
        ticket = self._next_ticket(model)
        now = np.packbits(np.concatenate([mask.array.ravel() for mask in ticket.masks]))
        before, self._looks = self._looks[1 - LOOKS :], (*self._looks, now)[-LOOKS:]
        settled = max((distance(now, old) for old in before), default=1.0) <= self._threshold
        return settled and len(before) == LOOKS - 1 and step >= self._not_before

    def state(self) -> Arrays:
        """The masks of the last looks, packed."""
        return {f"look{index}": look for index, look in enumerate(self._looks)}

    def restore(self, state: Arrays) -> None:
        """Go on from ``state``."""
        self._looks = tuple(state[f"look{index}"] for index in range(len(state)))


def distance(new: NDArray[np.uint8], old: NDArray[np.uint8]) -> float:
    """1 - |new ∩ old|/|new| of two packed masks."""
    both, own = (np.count_nonzero(np.unpackbits(mask)) for mask in (new & old, new))
    return 1 - both / own
