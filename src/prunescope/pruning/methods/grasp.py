"""GraSP: prune before training the weights of largest S = -θ ⊙ (H g) (Wang, Zhang & Grosse 2020).

There is no level 0: each entry of ``prune.density`` is a level, numbered 1, 2, …, trained in full from the
initial parameters. The score is taken there, on one batch of ``prune.score_images`` training images, of the
loss with logits divided by ``prune.temperature``; the weights of largest S among all hidden ones are removed;
all biases stay. With ``prune.score_pool=all`` the output's weights and the hidden biases rank in the pool
too; biases, 0 at initialisation, have S = 0 (between harmful and useful); the output's weights are ranked
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
from prunescope.pruning.scores import grasp
from prunescope.pruning.traits import Traits, asked_for
from prunescope.training.levels import Procedure, Setting

TRAITS = Traits(
    label="GraSP",
    order=6,
    sentence="before training all weights are pruned but the {density} that the gradient's flow can least spare",
    expected=asked_for,
    dense_first=False,
    effort="score_images",
    fields=frozenset({"density", "score_images", "score_pool", "temperature"}),
)


def procedure(setting: Setting) -> Procedure:
    """Remove the weights of largest S in the whole network, then train.

    Raises InputError when ``prune.density`` is not given.
    """
    prune = setting.experiment.prune
    wanted_densities(prune)
    start = untrained(setting)
    scores = grasp(start, Ticket.dense(setting.sizes), scoring_batch(setting), prune.temperature)
    spared = [-score for score in scores]
    return train_each(setting, start, lambda density: as_ticket(keep_best(spared, density), setting.sizes))
