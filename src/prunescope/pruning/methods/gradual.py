"""Gradual magnitude pruning: while a dense network trains, prune more and more (Zhu & Gupta 2017).

There is no level 0: each entry of ``prune.density`` is a level, numbered 1, 2, …, that starts dense from the
initial parameters. Every ``prune.update_every`` (100) steps of the first 75 % (UPDATES_END), each hidden
layer keeps the largest of the weights it still has, 1 - s_t of them, s_t = s_f - s_f (1 - t/t_end)³, at last
round(density · N) exactly; biases stay. A level's best evaluation is one at the final density.
See docs/science.md, "Other methods".
"""

from __future__ import annotations

from functools import partial

from prunescope.pruning.dynamics.schedule import Schedule, schedule
from prunescope.pruning.dynamics.scheduled import GradualPruning, dense_start
from prunescope.pruning.traits import Traits, asked_for
from prunescope.training.levels import Dynamics, Procedure, Setting
from prunescope.training.probe import Probe

EVERY = 100

TRAITS = Traits(
    label="gradual magnitude",
    order=8,
    sentence="the smallest weights are pruned gradually during training, down to {density}",
    expected=asked_for,
    dense_first=False,
    fields=frozenset({"density", "update_every"}),
    check=partial(schedule, default=EVERY),
)


def procedure(setting: Setting) -> Procedure:
    """Train from dense while the masks lose weights.

    Raises InputError when ``prune.density`` is not given, or no update fits into the level.
    """

    def dynamics(when: Schedule, density: float, number: int) -> Dynamics:
        return GradualPruning(when, density, Probe(setting, number))

    return dense_start(setting, EVERY, dynamics)
