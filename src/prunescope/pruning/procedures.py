"""Procedures: generators of levels. Iterative magnitude pruning reads like the paper's Section 3.

A procedure yields the level to train next and is sent what training made of it. It knows
nothing of disks: whoever drives it may train the level or hand back a stored outcome.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from prunescope.experiment import Experiment, Prune
from prunescope.mask import Mask
from prunescope.model import Model, Ticket, initial
from prunescope.pruning.selection import select


@dataclass(frozen=True)
class Level:
    """One train-and-prune round: train ``steps`` from ``model`` under ``ticket``.

    ``keep_at`` is the number of updates after which the parameters are kept for rewinding,
    None when this level keeps nothing. ``nominal_density`` is (1-p)^number.
    """

    number: int
    ticket: Ticket
    model: Model
    steps: int
    nominal_density: float
    keep_at: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What training made of a level: the model at its end, and the one kept for rewinding."""

    trained: Model
    kept: Model | None = None


Procedure = Generator[Level, Outcome, None]


def iterative_magnitude_pruning(experiment: Experiment, sizes: tuple[int, ...], seed: int) -> Procedure:
    """Train, remove the share p of smallest magnitude, rewind, repeat (paper, Section 3).

    Ends when a hidden layer's share of connected units would be ``prune.stop_units`` or less,
    or after ``prune.levels`` levels.
    """
    prune, steps = experiment.prune, experiment.train.steps
    start = initial(sizes, experiment.network.norm, seed, common=prune.scope == "global")
    ticket = Ticket.dense(sizes)

    keep_at = prune.rewind_step if prune.rewind else None
    outcome = yield Level(0, ticket, start, steps, nominal_density=1.0, keep_at=keep_at)
    rewind_to = outcome.kept
    if prune.retrain == "remaining":
        steps -= prune.rewind_step

    number, pruned = 0, 0.0
    while prune.levels is None or number < prune.levels:
        number += 1
        pruned = pruned + prune.rate * (1 - pruned)
        ticket = prune_smallest(outcome.trained, ticket, pruned, prune)
        if is_exhausted(ticket, prune.stop_units):
            return
        start = (rewind_to or outcome.trained).restarted()
        density = (1 - prune.rate) ** number
        outcome = yield Level(number, ticket, start, steps, nominal_density=density)


def prune_smallest(model: Model, ticket: Ticket, share: float, prune: Prune) -> Ticket:
    """The ticket after removing ``share`` of each pool's entries, counted from dense.

    A pool is one hidden layer's weights and (by ``prune.biases``) its biases, or with
    ``prune.scope`` "global" the weights of all hidden layers, biases left alone. The output
    layer is never pruned.
    """
    weights = [np.abs(layer.weight) for layer in model.layers[:-1]]
    biases = [np.abs(layer.bias) for layer in model.layers[:-1]]
    kept_weights, kept_biases = [m.array for m in ticket.masks], list(ticket.biases)
    if prune.scope == "global":
        remove = _count(share, sum(w.size for w in weights))
        kept_weights = select(weights, kept_weights, remove, exact=prune.exact)
        return Ticket(tuple(map(Mask, kept_weights)), ticket.biases)
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        if prune.biases:
            pool, kept = [weight, bias], [kept_weights[index], kept_biases[index]]
            remove = _count(share, weight.size + bias.size)
            kept_weights[index], kept_biases[index] = select(pool, kept, remove, exact=prune.exact)
        else:
            remove = _count(share, weight.size)
            [kept_weights[index]] = select([weight], [kept_weights[index]], remove, exact=prune.exact)
    return Ticket(tuple(map(Mask, kept_weights)), tuple(kept_biases))


def _count(share: float, size: int) -> int:
    # after many levels the share rounds to 1: one entry always stays, and the stop rule ends the run
    return min(int(share * size), size - 1)


def is_exhausted(ticket: Ticket, stop_units: float) -> bool:
    """Whether some hidden layer's share of units with an incoming weight is at most ``stop_units``."""
    shares = [alive / mask.n_out for alive, mask in zip(ticket.units_alive, ticket.masks, strict=True)]
    return min(shares) <= stop_units


PROCEDURES = {"imp": iterative_magnitude_pruning}
