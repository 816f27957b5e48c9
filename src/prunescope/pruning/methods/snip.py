"""SNIP: prune before training by the loss's sensitivity |w ∂L/∂w| (Lee, Ajanthan & Torr 2019).

There is no level 0: each entry of ``prune.density`` is a level, numbered 1, 2, …, trained in full from the
initial parameters. The score is taken there, on one batch of ``prune.score_images`` training images in one
piece (training-mode batch norm); all hidden weights are one pool; all biases stay. With
``prune.score_pool=all``, the authors' setting, the output's weights and the hidden biases rank in the pool
too; biases are 0 at initialisation, have score 0 and are removed first; the output's weights are ranked
too, but all of them stay.
"""

from __future__ import annotations

from prunescope.model import Ticket
from prunescope.pruning.at_initialisation import (
    scoring_batch,
    train_each,
    untrained,
    wanted_densities,
)
from prunescope.pruning.pools import as_ticket, keep_best
from prunescope.pruning.scores import snip
from prunescope.pruning.traits import Traits, asked_for
from prunescope.training.levels import Procedure, Setting

TRAITS = Traits(
    label="SNIP",
    order=4,
    sentence="before training all weights are pruned but the {density} to which the loss is most sensitive",
    expected=asked_for,
    dense_first=False,
    effort="score_images",
    fields=frozenset({"density", "score_images", "score_pool"}),
)


def procedure(setting: Setting) -> Procedure:
    """Keep the weights of highest |w ∂L/∂w| in the whole network, then train (Lee et al. 2019, equation 6).

    Raises InputError when ``prune.density`` is not given.
    """
    wanted_densities(setting.experiment.prune)
    start = untrained(setting)
    scores = snip(start, Ticket.dense(setting.sizes), scoring_batch(setting))
    return train_each(setting, start, lambda density: as_ticket(keep_best(scores, density), setting.sizes))
