"""One-shot magnitude pruning: train, prune to the target at once, rewind, train again (paper, Section 5.1).

Level 0 is dense; each entry of ``prune.density`` is a level, numbered 1, 2, …, pruned from the same trained
level 0 by the rules of iterative pruning: layer by layer, biases in their layer's pool, or
``prune.scope=global``, or ``prune.layer_densities`` (then one level). No layer is emptied.
See docs/science.md, "Other methods".
"""

from __future__ import annotations

from collections.abc import Iterator

from prunescope.model import Model, Ticket, initial
from prunescope.pruning.at_initialisation import wanted_densities
from prunescope.pruning.layouts import overall_density
from prunescope.pruning.pools import check_each_layer, not_emptied, prune_smallest
from prunescope.pruning.traits import Traits, dense_and_asked_for
from prunescope.training.levels import Level, Procedure, Setting

TRAITS = Traits(
    label="one-shot",
    order=2,
    sentence="after a dense level the smallest weights are pruned at once, down to {density}{rewound}",
    expected=dense_and_asked_for,
    dense_first=True,
    reads=frozenset({"rewind", "scope"}),
    fields=frozenset(
        {"biases", "density", "exact", "layer_densities", "retrain", "rewind", "rewind_step", "scope"}
    ),
)


def procedure(setting: Setting) -> Procedure:
    """Train, keep the weights of largest magnitude, rewind and train; each density starts from the trained level 0.

    Raises InputError when neither ``prune.density`` nor ``prune.layer_densities`` is given.
    """
    experiment, sizes = setting.experiment, setting.sizes
    prune, steps = experiment.prune, experiment.train.steps
    check_each_layer("layer_densities", prune, sizes)
    if not prune.layer_densities:
        wanted_densities(prune)
    start = initial(sizes, experiment.network.norm, setting.seed, common=prune.scope == "global")

    keep_at = prune.rewind_step if prune.rewind else None
    outcome = yield Level(0, Ticket.dense(sizes), start, steps, nominal_density=1.0, keep_at=keep_at)
    start = (outcome.kept or outcome.trained).restarted()
    if prune.retrain == "remaining":
        steps -= prune.rewind_step
    for number, (density, ticket) in enumerate(_tickets(setting, outcome.trained), 1):
        yield Level(number, ticket, start, steps, nominal_density=density)


def _tickets(setting: Setting, trained: Model) -> Iterator[tuple[float, Ticket]]:
    prune, sizes = setting.experiment.prune, setting.sizes
    dense = Ticket.dense(sizes)
    if prune.layer_densities:
        shares = [1 - density for density in prune.layer_densities]
        ticket = prune_smallest(trained, dense, shares, prune)
        yield overall_density(sizes, prune.layer_densities), not_emptied(ticket, trained)
        return
    for density in prune.densities:
        yield density, not_emptied(prune_smallest(trained, dense, 1 - density, prune), trained)
