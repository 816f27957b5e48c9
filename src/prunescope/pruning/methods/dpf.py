"""Dynamic pruning with feedback: pruned weights go on being trained and can come back (Lin et al. 2020).

There is no level 0: each entry of ``prune.density`` is a level, numbered 1, 2, …, from the initial
parameters. Dense weights w are kept beside masks m; a step takes the gradient at m ⊙ w and applies it to all
of w. Every ``prune.update_every`` (16) steps each hidden layer's mask is made anew from its largest |w|.
The density falls on the cubic schedule of Zhu & Gupta, as the authors have it, over the first 75 % of the
steps (UPDATES_END), and stays at round(density · N); masks go on moving to the end. The trained model is
m ⊙ w. A level's best evaluation is one at the final density. Runs on the torch engine.
"""

from __future__ import annotations

from functools import partial

from prunescope.levels import Level, Procedure, Setting
from prunescope.model import Ticket
from prunescope.pruning.at_initialisation import untrained, wanted_densities
from prunescope.pruning.dynamics.schedule import Schedule, schedule
from prunescope.pruning.dynamics.shrinking import Feedback

EVERY = 16


def procedure(setting: Setting) -> Procedure:
    """Train dense weights through masks that follow them.

    Raises InputError when ``prune.density`` is not given, or no update fits into the level.
    """
    densities = wanted_densities(setting.experiment.prune)
    return _levels(setting, densities, schedule(setting.experiment, EVERY))


def _levels(setting: Setting, densities: tuple[float, ...], when: Schedule) -> Procedure:
    start, steps = untrained(setting), setting.experiment.train.steps
    for number, density in enumerate(densities, 1):
        yield Level(
            number,
            Ticket.dense(setting.sizes),
            start,
            steps,
            nominal_density=density,
            dynamics=partial(Feedback, when, density, setting.sizes),
            best_from=when.end + 1,  # the evaluation at step ``end`` precedes the masks of the final density
        )
