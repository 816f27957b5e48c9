"""Gradual magnitude pruning: while a dense network trains, prune more and more (Zhu & Gupta 2017).

There is no level 0: each entry of ``prune.density`` is a level, numbered 1, 2, …, that starts dense from the
initial parameters. Every ``prune.update_every`` (100) steps of the first 75 % (UPDATES_END), each hidden
layer keeps the largest of the weights it still has, 1 - s_t of them, s_t = s_f - s_f (1 - t/t_end)³, at last
round(density · N) exactly; biases stay. A level's best evaluation is one at the final density.
"""

from __future__ import annotations

from functools import partial

from prunescope.levels import Level, Procedure, Setting
from prunescope.model import Ticket
from prunescope.pruning.at_initialisation import untrained, wanted_densities
from prunescope.pruning.dynamics.schedule import Schedule, schedule
from prunescope.pruning.dynamics.shrinking import GradualPruning
from prunescope.training.probe import Probe

EVERY = 100


def procedure(setting: Setting) -> Procedure:
    """Train from dense under masks that shrink.

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
            dynamics=partial(GradualPruning, when, density, Probe(setting, number)),
            best_from=when.end + 1,  # the evaluation at step ``end`` precedes the last pruning
        )
