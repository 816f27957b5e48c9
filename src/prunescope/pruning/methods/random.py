"""Random pruning before training: keep weights at random positions, with given densities or fan-ins.

There is no level 0. With ``prune.layout`` uniform or erk (Erdős–Rényi, Evci et al. 2020) each entry of
``prune.density`` is a level, numbered 1, 2, …, trained in full from the initial parameters: every layer keeps
exactly round(density · N) weights at uniform positions, and all biases; ``prune.layer_densities`` gives the
layers' own densities, one level. With ``prune.layout=shuffle`` each level > 0 of the run in ``prune.like``
gives a level of the same number, with the same biases and each unit's connections moved to uniform positions;
training starts from the parameters to which that run rewinds (its initial ones where it does
not rewind). The masks have the fan-ins and densities of that run, but not its positions. Both are nulls for other
methods; see docs/science.md, "Other methods".
"""

from __future__ import annotations

from prunescope.experiment import Prune
from prunescope.pruning.at_initialisation import untrained, wanted_densities
from prunescope.pruning.layouts import layer_densities, overall_density, random_ticket, shuffled
from prunescope.pruning.like import given_like, like_run
from prunescope.pruning.pools import check_each_layer
from prunescope.pruning.traits import Expected, Sizes, Traits, asked_for, level_by_level
from prunescope.training.levels import Level, Procedure, Setting


def _expected(prune: Prune, sizes: Sizes) -> Expected:
    """Return the expected levels; with the layout shuffle they are those of another run, which need not exist yet."""
    if prune.layout != "shuffle":
        return asked_for(prune, sizes)
    levels = level_by_level(prune, sizes)
    given_like(prune)
    return Expected(
        levels.densities[1:], (*levels.assumed, "the levels of iterative pruning (prune.like decides)")
    )


TRAITS = Traits(
    label="random",
    order=7,
    sentence="before training all weights are pruned but {density}, chosen at random",
    expected=_expected,
    dense_first=False,
    reads=frozenset({"layout"}),
    fields=frozenset({"density", "layer_densities", "layout", "like", "retrain", "rewind_step"}),
)


def procedure(setting: Setting) -> Procedure:
    """Keep random weights, then train.

    Raises InputError when no density is given, or with the layout shuffle no finished run with the same layers.
    """
    return (_moved if setting.experiment.prune.layout == "shuffle" else _laid_out)(setting)


def _laid_out(setting: Setting) -> Procedure:
    prune, sizes = setting.experiment.prune, setting.sizes
    if prune.layer_densities:
        check_each_layer("layer_densities", prune, sizes)
        plans = [(overall_density(sizes, prune.layer_densities), prune.layer_densities)]
    else:
        plans = [(u, layer_densities(sizes, u, prune.layout)) for u in wanted_densities(prune)]
    start, steps = untrained(setting), setting.experiment.train.steps
    for number, (nominal, densities) in enumerate(plans, 1):
        ticket = random_ticket(sizes, densities, setting.seed, number)
        yield Level(number, ticket, start, steps, nominal_density=nominal)


def _moved(setting: Setting) -> Procedure:
    like = like_run(setting)
    prune, steps = setting.experiment.prune, setting.experiment.train.steps
    if prune.retrain == "remaining":
        steps -= prune.rewind_step
    for level in like.levels:
        ticket = shuffled(level.ticket, setting.seed, level.number)
        yield Level(level.number, ticket, like.start, steps, nominal_density=level.nominal_density)
