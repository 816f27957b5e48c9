"""Iterative magnitude pruning: train, prune the smallest, rewind, repeat (Frankle & Carbin 2019).

Reads like Section 3 of Pellegrini & Biroli (2022).
"""

from __future__ import annotations

from prunescope.levels import Level, Procedure, Setting
from prunescope.model import Ticket, initial
from prunescope.pruning.pools import is_exhausted, prune_smallest


def procedure(setting: Setting) -> Procedure:
    """Train, remove the share p of smallest magnitude, rewind, repeat (paper, Section 3).

    Ends when a hidden layer's share of connected units would be ``prune.stop_units`` or less,
    or after ``prune.levels`` levels.
    """
    experiment, sizes = setting.experiment, setting.sizes
    prune, steps = experiment.prune, experiment.train.steps
    start = initial(sizes, experiment.network.norm, setting.seed, common=prune.scope == "global")
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
