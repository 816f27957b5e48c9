"""Progressive pruning: iterative magnitude pruning of one layer at a time, from the input (paper, B.6).

Level 0 is dense. A layer is pruned by the share p per level as in iterative pruning, rewinding included, the
other layers left alone. A level whose best validation accuracy is below the dense network's, by more than
``prune.tolerance``, ends its layer, and so does the stop rule: the layer's mask goes back to the last level
that was no worse than the dense network, where it stays, and the next layer is pruned by the magnitudes of
that level. (The paper has no tolerance. With one, a layer may be pruned further after a worse level, but
never stays at it.) ``nominal_density`` is (1-p)^k of the layer being pruned. Deeper layers are still dense,
so ``layer_being_pruned`` finds that layer from the masks.
"""

from __future__ import annotations

from itertools import pairwise

from prunescope.experiment import Prune
from prunescope.model import Ticket, initial
from prunescope.pruning.pools import is_exhausted, prune_smallest, unchanged
from prunescope.pruning.traits import ASSUMED_LEVELS, Expected, Sizes, Traits
from prunescope.training.levels import ExplainedProcedure, Level, Setting

# Levels of each layer after the first, as many as eight layers took (docs/figures/16.md).
ASSUMED_DEEPER_LEVELS = 7


def _expected(prune: Prune, sizes: Sizes) -> Expected:
    """Return the levels of one layer after the other; a level's density is that of all hidden weights."""
    weights = [n_in * n_out for n_in, n_out in pairwise(sizes[:-1])]
    kept, densities = [1.0] * len(weights), [1.0]
    for layer in range(len(weights)):
        for _ in range(ASSUMED_DEEPER_LEVELS if layer else ASSUMED_LEVELS):
            kept[layer] *= 1 - prune.rate
            densities.append(sum(u * w for u, w in zip(kept, weights, strict=True)) / sum(weights))
    if prune.levels is not None:
        return Expected(tuple(densities[: prune.levels + 1]))
    assumed = f"{ASSUMED_LEVELS} levels of the first layer, {ASSUMED_DEEPER_LEVELS} of each other one (accuracy decides)"
    return Expected(tuple(densities), (assumed,))


TRAITS = Traits(
    label="progressive IMP",
    order=3,
    sentence="one layer after the other, from the input on, the smallest {rate} of its weights left are pruned at "
    "a time{rewound}, until the network is worse than the dense one",
    expected=_expected,
    dense_first=True,
    reads=frozenset({"rate", "rewind"}),
    fields=frozenset(
        {"biases", "exact", "levels", "rate", "retrain", "rewind", "rewind_step", "stop_units", "tolerance"}
    ),
)


def procedure(setting: Setting) -> ExplainedProcedure:
    """Prune each layer until the network is worse than the dense one, then the next layer.

    The run ends after the last hidden layer, or after ``prune.levels`` levels in all. Where ``prune.levels`` is not
    given, a layer also ends when pruning it changes nothing. Returns which layers did.
    """
    experiment, sizes = setting.experiment, setting.sizes
    prune, steps = experiment.prune, experiment.train.steps
    keep_at = prune.rewind_step if prune.rewind else None
    start = initial(sizes, experiment.network.norm, setting.seed)
    good = yield Level(0, Ticket.dense(sizes), start, steps, nominal_density=1.0, keep_at=keep_at)
    dense, rewind_to = good.best, good.kept
    if prune.retrain == "remaining":
        steps -= prune.rewind_step

    number, fixed = 0, []
    for layer in range(len(sizes) - 2):
        pruned, density, last = 0.0, 1.0, good
        while True:
            pruned = pruned + prune.rate * (1 - pruned)
            density *= 1 - prune.rate
            shares = [pruned if index == layer else 0.0 for index in range(len(sizes) - 2)]
            ticket = prune_smallest(last.trained, last.ticket, shares, prune)
            if is_exhausted(ticket, prune.stop_units):
                break
            if prune.levels is None and ticket == last.ticket:
                fixed.append(f"layer {layer + 1}: {unchanged(number)}")
                break
            if number == prune.levels:
                return None
            number += 1
            start = (rewind_to or last.trained).restarted()
            last = yield Level(number, ticket, start, steps, nominal_density=density)
            if last.best >= dense:
                good = last
            elif last.best < dense - prune.tolerance:
                break
    return "; ".join(fixed) or None


def layer_being_pruned(ticket: Ticket) -> int:
    """Return the layer (1 = first hidden) that a level of this method prunes: the last not dense one, or 0 for none."""
    pruned = [number for number in range(1, len(ticket.masks) + 1) if ticket.density(number - 1) < 1]
    return max(pruned, default=0)
