"""Iterative magnitude pruning: train, prune the smallest, rewind, repeat (Frankle & Carbin 2019).

The procedure follows Section 3 of Pellegrini & Biroli (2022); see docs/science.md, "Iterative magnitude pruning".
"""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.errors import InputError
from prunescope.experiment import Experiment, Prune
from prunescope.model import Model, Ticket, initial
from prunescope.pruning.dynamics.early_bird import early_bird
from prunescope.pruning.pools import check_each_layer, is_exhausted, prune_smallest, stopped, unchanged
from prunescope.pruning.traits import Traits, level_by_level
from prunescope.training.levels import ExplainedProcedure, Level, Setting


def _check_rates(experiment: Experiment) -> None:
    """Raise InputError for ``prune.layer_rates`` that do not fit the network or prune nothing."""
    _rates(experiment.prune, (1, *experiment.network.hidden, 2))


TRAITS = Traits(
    label="IMP",
    order=1,
    sentence="after each level the smallest {rate} of the weights left are pruned{rewound}",
    expected=level_by_level,
    dense_first=True,
    reads=frozenset({"rate", "rewind", "scope"}),
    fields=frozenset(
        {
            "biases",
            "early_bird",
            "exact",
            "layer_rates",
            "levels",
            "rate",
            "retrain",
            "rewind",
            "rewind_step",
            "scope",
            "stop_units",
            "update_every",
        }
    ),
    check=_check_rates,
)


def procedure(setting: Setting) -> ExplainedProcedure:
    """Train, remove the share p of smallest magnitude, rewind, and repeat (paper, Section 3).

    ``prune.layer_rates`` gives each hidden layer its own p, where 0 leaves it alone; a level's nominal density
    is then that of the first layer that is pruned. The run ends after ``prune.levels`` levels, when a hidden
    layer's share of connected units would be ``prune.stop_units`` or less, or, where ``prune.levels`` is not
    given, when a pruning changes no mask. It returns which of the last two ended it. With ``prune.early_bird``
    a level ends when the mask of the next one stops moving, but level 0 not before the step to rewind to. Raises
    InputError for ``prune.layer_rates`` that do not fit the network or prune nothing.
    """
    experiment, sizes = setting.experiment, setting.sizes
    prune, steps = experiment.prune, experiment.train.steps
    rates = _rates(prune, sizes)
    start = initial(sizes, experiment.network.norm, setting.seed, common=prune.scope == "global")
    number, pruned, ticket = 0, [0.0] * len(rates), Ticket.dense(sizes)

    def next_ticket(model: Model) -> Ticket:
        more = _further(pruned, rates)
        return prune_smallest(model, ticket, more if prune.layer_rates else more[0], prune)

    keep_at = prune.rewind_step if prune.rewind else None
    dynamics = early_bird(prune, next_ticket, not_before=keep_at or 0)
    outcome = yield Level(0, ticket, start, steps, nominal_density=1.0, keep_at=keep_at, dynamics=dynamics)
    rewind_to = outcome.kept
    if prune.retrain == "remaining":
        steps -= prune.rewind_step

    while prune.levels is None or number < prune.levels:
        before, ticket, pruned = ticket, next_ticket(outcome.trained), _further(pruned, rates)
        if is_exhausted(ticket, prune.stop_units):
            return stopped(number, ticket, prune.stop_units)
        if prune.levels is None and ticket == before:
            return unchanged(number)
        number += 1
        start = (rewind_to or outcome.trained).restarted()
        density = (1 - next(filter(None, rates))) ** number
        dynamics = early_bird(prune, next_ticket)
        outcome = yield Level(number, ticket, start, steps, nominal_density=density, dynamics=dynamics)
    return None


def _further(pruned: list[float], rates: Sequence[float]) -> list[float]:
    """Return the share pruned of each hidden layer, counted from dense, at the next level."""
    return [r + p * (1 - r) for r, p in zip(pruned, rates, strict=True)]


def _rates(prune: Prune, sizes: tuple[int, ...]) -> tuple[float, ...]:
    """Return p of each hidden layer; raise InputError for rates that do not fit the network or prune nothing."""
    check_each_layer("layer_rates", prune, sizes)
    rates = prune.layer_rates or (prune.rate,) * (len(sizes) - 2)
    if not any(rates):
        raise InputError(f"prune.layer_rates is {list(rates)}: at least one must be above 0")
    return rates
