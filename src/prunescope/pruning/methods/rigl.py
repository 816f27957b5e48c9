"""RigL: drop the smallest weights, grow those of the largest gradient (Evci et al. 2020).

There is no level 0: each entry of ``prune.density`` is a level, numbered 1, 2, …, that starts with random
masks laid out by ``prune.layout`` (the authors' best: erk). Every ``prune.update_every`` (100) steps of the
first 75 % (UPDATES_END, T_end), each hidden layer drops f = (α/2)(1 + cos(πt/T_end)) of its weights, α =
``prune.drop``, those of smallest |w|, and grows as many where the dense gradient of the coming step's batch is
largest. New weights start at 0, and the number kept in a layer is constant. Biases stay. See docs/science.md,
"Other methods".
"""

from __future__ import annotations

from functools import partial

from prunescope.experiment import Experiment
from prunescope.pruning.dynamics.regrowth import GradientRegrowth, check_layout, random_start
from prunescope.pruning.dynamics.schedule import UPDATES_END, schedule
from prunescope.pruning.traits import Traits, asked_for
from prunescope.training.levels import Dynamics, Procedure, Setting
from prunescope.training.probe import Probe

EVERY = 100


def _check(experiment: Experiment) -> None:
    """Raise InputError for a layout that the method does not take, or when no update fits into a level."""
    check_layout(experiment)
    schedule(experiment, EVERY)


TRAITS = Traits(
    label="RigL",
    order=10,
    sentence="training starts with {density} of the weights at random places; the smallest go time and again, and as "
    "many grow where the gradient is largest",
    expected=asked_for,
    dense_first=False,
    reads=frozenset({"layout"}),
    fields=frozenset({"density", "drop", "layout", "update_every"}),
    check=_check,
)


def procedure(setting: Setting) -> Procedure:
    """Train while masks drop the smallest weights and grow those of largest gradient.

    Raises InputError when ``prune.density`` is not given, ``prune.layout`` is not uniform or erk, or no
    update fits into the level.
    """
    prune, steps = setting.experiment.prune, setting.experiment.train.steps
    every, end = schedule(setting.experiment, EVERY).every, int(UPDATES_END * steps)

    def dynamics(probe: Probe) -> Dynamics:
        return GradientRegrowth(every, prune.drop, end, probe)

    return random_start(setting, lambda number: partial(dynamics, Probe(setting, number)))
