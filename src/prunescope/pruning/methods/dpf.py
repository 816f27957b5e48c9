"""Dynamic pruning with feedback: pruned weights go on being trained and can come back (Lin et al. 2020).

There is no level 0: each entry of ``prune.density`` is a level, numbered 1, 2, …, from the initial
parameters. Dense weights w are kept beside masks m; a step takes the gradient at m ⊙ w and applies it to all
of w. Every ``prune.update_every`` (16) steps each hidden layer's mask is made anew from its largest |w|.
The density falls on the cubic schedule of Zhu & Gupta, as the authors have it, over the first 75 % of the
steps (UPDATES_END), and stays at round(density · N); masks go on moving to the end. The trained model is
m ⊙ w. A level's best evaluation is one at the final density. The method runs on the torch engine. See
docs/science.md, "Other methods".
"""

from __future__ import annotations

from functools import partial

from prunescope.pruning.dynamics.schedule import Schedule, schedule
from prunescope.pruning.dynamics.scheduled import FeedbackPruning, dense_start
from prunescope.pruning.traits import Traits, asked_for
from prunescope.training.levels import Dynamics, Procedure, Setting

EVERY = 16

TRAITS = Traits(
    label="DPF",
    order=11,
    sentence="all weights are trained through masks that keep the largest, down to {density}; pruned ones may come back",
    expected=asked_for,
    dense_first=False,
    update_rule="feedback",
    fields=frozenset({"density", "update_every"}),
    check=partial(schedule, default=EVERY),
)


def procedure(setting: Setting) -> Procedure:
    """Train dense weights through masks that are chosen from them again and again.

    Raises InputError when ``prune.density`` is not given, or no update fits into the level.
    """

    def dynamics(when: Schedule, density: float, number: int) -> Dynamics:
        return FeedbackPruning(when, density, setting.sizes)

    return dense_start(setting, EVERY, dynamics)
