"""Traits: the facts about a pruning method that the rest of the program needs, stated beside its procedure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from prunescope.errors import InputError
from prunescope.experiment import Experiment, Prune
from prunescope.pruning.pools import check_each_layer
from prunescope.runs.expected_levels import Expected as Expected
from prunescope.training.levels import UpdateRule

Sizes = tuple[int, ...]

ASSUMED_LEVELS = 20
MOST_LEVELS = 10_000
NEXT_TO_NOTHING = 1e-12


@dataclass(frozen=True)
class Traits:
    """The facts about a method that the rest of the program needs; a method's module has them as ``TRAITS``.

    label: the method's name in figures and tables.
    order: its place in lists of methods; methods of other packages come after the built-in ones.
    sentence: what the method does, as a clause of a report's text. ``{rate}``, ``{density}``, ``{rewound}`` and the
    names of other fields of ``prune`` in braces stand for the experiment's values.
    expected: a function from the ``prune`` section and the layer sizes (n0, …, nL) to the levels that a run will train.
    dense_first: whether level 0 is the dense network, over which a gain can be measured.
    reads: the fields of ``prune`` it reads that take part in an experiment's name: rate, rewind, scope, layout.
    update_rule: which weights one update changes.
    effort: the field of ``prune`` to which the work before training is proportional, "" for none; ``rounds`` are done for
    each level anew.
    fields: every field of ``prune`` that it reads beside ``method`` and ``options``; None where that is not known.
    check: raises InputError for an experiment that lacks what the method needs, before images are opened.
    inputs: a function from an experiment and a seed to the digests of what the method reads beside the images, each
    under the name of its field. A run that was begun with others is refused. Where it raises MissingInput, a run that is
    done is taken as it is.
    """

    label: str
    sentence: str
    expected: Callable[[Prune, Sizes], Expected]
    dense_first: bool
    order: int = 100
    reads: frozenset[str] = frozenset()
    update_rule: UpdateRule = "kept"
    effort: Literal["", "score_images", "rounds"] = ""
    fields: frozenset[str] | None = None
    check: Callable[[Experiment], object] = lambda experiment: None
    inputs: Callable[[Experiment, int], Mapping[str, str]] = lambda experiment, seed: {}

    @property
    def iterative(self) -> bool:
        """Whether each level is pruned from the one before; otherwise at most from the dense level."""
        return "rate" in self.reads

    @property
    def moves_pruned_weights(self) -> bool:
        """Whether an update changes weights that are pruned."""
        return self.update_rule != "kept"


def level_by_level(prune: Prune, sizes: Sizes) -> Expected:
    """Return the dense level and those of density (1-p)^n until ``prune.levels`` or the stop rule."""
    del sizes
    share = f"{100 * prune.stop_units:g} %"
    ends = f"a hidden layer has at most {share} of its units left" if prune.stop_units else ""
    if prune.levels is not None:
        levels = prune.levels
        assumed: tuple[str, ...] = ()
        if levels > MOST_LEVELS and (enough := _levels_until_empty(prune.rate)) < levels and prune.stop_units:
            levels, assumed = enough, (f"{enough} levels after the dense one, which leave next to no weight",)
        if levels > MOST_LEVELS:
            raise InputError(
                f"prune.levels is {prune.levels:,} and prune.rate is {prune.rate:g}: so many levels have no "
                f"end; give at most {MOST_LEVELS:,}, or leave prune.levels out to end by the stop rule"
            )
        return Expected(tuple((1 - prune.rate) ** level for level in range(levels + 1)), assumed, ends=ends)
    return Expected(
        tuple((1 - prune.rate) ** level for level in range(ASSUMED_LEVELS + 1)),
        (
            f"{ASSUMED_LEVELS} levels after the dense one (the stop rule decides: {ends or 'no unit is left'})",
        ),
    )


def _levels_until_empty(rate: float) -> int:
    """Return after how many levels of a pruned share ``rate`` even the largest of networks has next to no weight left."""
    return min(math.ceil(math.log(NEXT_TO_NOTHING) / math.log1p(-rate)), 2**62) if rate > 1e-18 else 2**62


def wanted_densities(prune: Prune) -> tuple[float, ...]:
    """Return ``prune.density`` as a tuple; raise InputError when it is not given, or layers' own densities are."""
    if prune.layer_densities:
        raise InputError(
            f"prune.layer_densities is {list(prune.layer_densities)}: prune.method={prune.method} keeps prune.density "
            "of all layers together; leave it out, or use prune.method=oneshot or random"
        )
    if not prune.densities:
        raise InputError(
            f"prune.density is not given: prune.method={prune.method} needs what is to be kept, "
            'as in prune.density=0.1 or "prune.density=[0.1,0.01]"'
        )
    return prune.densities


def asked_for(prune: Prune, sizes: Sizes) -> Expected:
    """Return a level for each entry of ``prune.density``, or the one of ``prune.layer_densities``, without a dense one.

    Raises InputError when neither is given.
    """
    check_each_layer("layer_densities", prune, sizes)
    if prune.layer_densities:
        weights = [n_in * n_out for n_in, n_out in pairwise(sizes[:-1])]
        kept = sum(share * size for share, size in zip(prune.layer_densities, weights, strict=True))
        return Expected((kept / sum(weights),))
    return Expected(wanted_densities(prune))


def check_requirements(experiment: Experiment, traits: Traits) -> None:
    """Raise InputError for an experiment that lacks what its method needs, which shows before any image is opened."""
    # How many inputs and classes there are is not known yet; it matters to no requirement.
    traits.expected(experiment.prune, (1, *experiment.network.hidden, 2))
    traits.check(experiment)


def dense_and_asked_for(prune: Prune, sizes: Sizes) -> Expected:
    """Return the dense level, then those of ``asked_for``."""
    return Expected((1.0, *asked_for(prune, sizes).densities))


def _unstated(prune: Prune, sizes: Sizes) -> Expected:
    if prune.densities:
        levels, text = dense_and_asked_for(prune, sizes), "a dense level before those of prune.density"
    else:
        levels, text = level_by_level(prune, sizes), "levels as those of iterative pruning"
    return Expected(levels.densities, (*levels.assumed, f"{text} ({prune.method} states no TRAITS)"))


def unstated(name: str) -> Traits:
    """Return the traits assumed for a method that states none or is not installed: its name, and cautious values."""
    return Traits(name, f"weights are pruned by the method {name}", _unstated, dense_first=True)
