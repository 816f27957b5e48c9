"""SET, sparse evolutionary training: drop the smallest weights, grow random ones (Mocanu et al. 2018).

There is no level 0: each entry of ``prune.density`` is a level, numbered 1, 2, …, that starts with random
masks laid out by ``prune.layout`` (the authors': erk). Every ``prune.update_every`` steps (an epoch; 100
where training images are unlimited) each hidden layer drops the share ζ = ``prune.drop`` of smallest |w| and
grows as many at random positions. New weights start at 0, and the number kept in a layer is constant. Biases stay.
See docs/science.md, "Other methods".
"""

from __future__ import annotations

from functools import partial

from prunescope.pruning.dynamics.regrowth import RandomRegrowth, check_layout, random_start
from prunescope.pruning.traits import Traits, asked_for
from prunescope.training.levels import Dynamics, Procedure, Setting
from prunescope.training.probe import Probe

EVERY = 100

TRAITS = Traits(
    label="SET",
    order=9,
    sentence="training starts with {density} of the weights at random places; the smallest go time and again, and as "
    "many grow elsewhere at random",
    expected=asked_for,
    dense_first=False,
    reads=frozenset({"layout"}),
    fields=frozenset({"density", "drop", "layout", "update_every"}),
    check=check_layout,
)


def procedure(setting: Setting) -> Procedure:
    """Train while masks drop the smallest weights and grow random ones.

    Raises InputError when ``prune.density`` is not given, or ``prune.layout`` is not uniform or erk.
    """
    prune, train = setting.experiment.prune, setting.experiment.train
    images = setting.dataset.train_size if setting.dataset is not None else None
    epoch = EVERY if images is None else max(1, images // train.batch)

    def dynamics(probe: Probe) -> Dynamics:
        return RandomRegrowth(prune.update_every or epoch, prune.drop, probe)

    return random_start(setting, lambda number: partial(dynamics, Probe(setting, number)))
