"""SynFlow: prune before training, without data, the weights of least synaptic flow (Tanaka et al. 2020).

There is no level 0: each entry of ``prune.density`` is a level, numbered 1, 2, …, trained in full from the
initial parameters. The score is taken there ``prune.rounds`` times, what is kept shrinking exponentially to
the density; all hidden weights are one pool; all biases stay. With ``prune.score_pool=all`` the output's
weights and the hidden biases rank in the pool too, and later rounds compute the flow without what was
removed; biases, 0 at initialisation, are removed first; the output's weights are ranked too, but all of them stay.
"""

from __future__ import annotations

import numpy as np

from prunescope.mask import BoolArray
from prunescope.model import Model, Ticket
from prunescope.pruning.at_initialisation import train_each, untrained
from prunescope.pruning.layouts import kept_count
from prunescope.pruning.pools import as_ticket
from prunescope.pruning.scores import synflow, tensors
from prunescope.pruning.selection import keep_top
from prunescope.pruning.traits import Traits, asked_for
from prunescope.training.levels import Procedure, Setting

TRAITS = Traits(
    label="SynFlow",
    order=5,
    sentence="before training, and without data, all weights are pruned but the {density} of the largest synaptic flow",
    expected=asked_for,
    dense_first=False,
    effort="rounds",
    fields=frozenset({"density", "rounds", "score_pool"}),
)


def procedure(setting: Setting) -> Procedure:
    """Keep the weights of most synaptic flow in several rounds, then train.

    Raises InputError when ``prune.density`` is not given.
    """
    prune, start = setting.experiment.prune, untrained(setting)

    def ticket_at(density: float) -> Ticket:
        return as_ticket(kept_by_flow(start, density, prune.rounds, prune.score_pool), setting.sizes)

    return train_each(setting, start, ticket_at)


def kept_by_flow(model: Model, density: float, rounds: int, pool: str = "hidden") -> list[BoolArray]:
    """Return as bool arrays what is kept of each tensor of the pool after ``rounds`` rounds of scoring and pruning.

    Round e keeps the share density^(e/rounds) of the pool. No matrix is emptied.
    Source: Tanaka et al. 2020, algorithm 1.
    """
    kept = [np.ones(tensor.shape, np.bool_) for tensor in tensors(model, pool)]
    size = sum(mask.size for mask in kept)
    matrices = [index for index, mask in enumerate(kept) if mask.ndim == 2]
    for number in range(1, rounds + 1):
        keep = max(kept_count(density ** (number / rounds), size), len(matrices))
        kept = keep_top(synflow(model, kept, pool), kept, keep, never_empty=matrices)
    return kept
