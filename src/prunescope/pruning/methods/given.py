"""Given masks: train with masks from a file or from a level of a run, then prune on or not.

There is no level 0. Level 1 has the masks that ``prune.masks`` names, in every hidden layer; the output layer is whole.
With masks of a run, its kept biases are taken too, and training starts from the parameters to which that run rewinds;
with masks of a file, or ``prune.start=initial``, all starts from the initial parameters of the run's own seed, and with
a file all biases are kept. ``prune.further`` levels follow, each pruned from the one before by ``prune.rate`` as in
iterative pruning and rewound to what level 1 started from, or, where that were the initial parameters, to those of
level 1 after ``prune.rewind_step`` steps. See docs/science.md, "Other methods".
"""

from __future__ import annotations

from prunescope.errors import InputError
from prunescope.experiment import Experiment, Prune
from prunescope.experiment.mask_place import MaskPlace
from prunescope.model import Model, Ticket, initial, layer_sizes
from prunescope.pruning.given_masks import GivenMasks, check_shapes, given_masks, is_missing, mask_place
from prunescope.pruning.like import rewound_start
from prunescope.pruning.pools import is_exhausted, prune_smallest, stopped
from prunescope.pruning.traits import Expected, Sizes, Traits
from prunescope.training.levels import ExplainedProcedure, Level, Setting


def _expected(prune: Prune, sizes: Sizes) -> Expected:
    """Return level 1 and the further ones; of masks that are not there yet, such as another seed's, density 1 is assumed."""
    place, hidden = mask_place(prune), sizes[1:-1]
    density, assumed = 1.0, ""
    if place.is_of_each_seed or _is_missing(place):
        assumed = f"no weight is pruned by the given masks ({place} decides)"
    else:
        density = given_masks(prune, hidden, 0).nominal_density
    share = f"{100 * prune.stop_units:g} %"
    ends = (
        f"a hidden layer has at most {share} of its units left" if prune.further and prune.stop_units else ""
    )
    densities = (density * (1 - prune.rate) ** level for level in range(prune.further + 1))
    return Expected(tuple(densities), (assumed,) if assumed else (), ends=ends)


def _check(experiment: Experiment) -> None:
    """Raise InputError for masks that cannot be read, or do not fit the hidden layers; those of a seed are read later."""
    place = mask_place(experiment.prune)
    if not (place.is_of_each_seed or _is_missing(place)):
        given_masks(experiment.prune, experiment.network.hidden, 0)


def _is_missing(place: MaskPlace) -> bool:
    """Return whether the masks are of a run that does not exist yet: nothing is at its place."""
    return place.level is not None and is_missing(place.path)


def _inputs(experiment: Experiment, seed: int) -> dict[str, str]:
    """Return the digest of the masks, by which a run knows them again."""
    return {"prune.masks": given_masks(experiment.prune, experiment.network.hidden, seed).digest}


TRAITS = Traits(
    label="given masks",
    order=13,
    sentence="level 1 is trained with given masks ({masks}){onward}",
    expected=_expected,
    dense_first=False,
    reads=frozenset({"rate", "rewind", "scope"}),
    fields=frozenset(
        {
            "biases",
            "exact",
            "further",
            "masks",
            "rate",
            "retrain",
            "rewind",
            "rewind_step",
            "scope",
            "start",
            "stop_units",
        }
    ),
    check=_check,
    inputs=_inputs,
)


def procedure(setting: Setting) -> ExplainedProcedure:
    """Train level 1 with the given masks, then as many further levels as are asked for, each pruned from the one before.

    It returns why it ended when a hidden layer's share of connected units would be ``prune.stop_units`` or less.
    Raises InputError for masks that cannot be read or do not belong to the network, and for a run whose parameters
    do not.
    """
    experiment, sizes = setting.experiment, setting.sizes
    prune, steps = experiment.prune, experiment.train.steps
    given = given_masks(prune, sizes[1:-1], setting.seed)
    check_shapes(given, sizes[:-1])
    start, is_rewound = _start(given, setting)
    later = steps - prune.rewind_step if prune.retrain == "remaining" else steps
    keep_at = prune.rewind_step if prune.further and prune.rewind and not is_rewound else None

    ticket, density = given.ticket, given.nominal_density
    first = later if is_rewound else steps
    outcome = yield Level(1, ticket, start, first, nominal_density=density, keep_at=keep_at)
    rewind_to = start if is_rewound and prune.rewind else outcome.kept
    pruned = _pruned(ticket, prune)
    for number in range(2, prune.further + 2):
        pruned, density = [r + prune.rate * (1 - r) for r in pruned], density * (1 - prune.rate)
        share = pruned[0] if prune.scope == "global" else pruned
        ticket = prune_smallest(outcome.trained, ticket, share, prune)
        if is_exhausted(ticket, prune.stop_units):
            return stopped(number - 1, ticket, prune.stop_units)
        start = (rewind_to or outcome.trained).restarted()
        outcome = yield Level(number, ticket, start, later, nominal_density=density)
    return None


def _pruned(ticket: Ticket, prune: Prune) -> list[float]:
    """Return the share of each pool's entries that the given masks prune: one a hidden layer, or one of all weights."""
    if prune.scope == "global":
        return [1 - ticket.weight_density]
    layers = range(len(ticket.masks))
    return [1 - (ticket.density(n) if prune.biases else ticket.masks[n].density) for n in layers]


def _start(given: GivenMasks, setting: Setting) -> tuple[Model, bool]:
    """Return the parameters that level 1 starts from, and whether they are those that the masks' run rewinds to."""
    prune, norm = setting.experiment.prune, setting.experiment.network.norm
    if given.run is None or prune.start == "initial":
        return initial(setting.sizes, norm, setting.seed, common=prune.scope == "global"), False
    run, where = given.run, f"prune.masks: {given.run.path}"
    instead = "give prune.start=initial to start from weights of its own"
    if run.experiment.network.norm != norm:
        raise InputError(
            f"{where} has network.norm={run.experiment.network.norm}; this experiment has {norm}: {instead}"
        )
    sizes = layer_sizes(setting.sizes[0], run.experiment.network.hidden, len(run.classes))
    if sizes != setting.sizes:
        raise InputError(
            f"{where} has {sizes[-1]} classes; this experiment has {setting.sizes[-1]}, so that its output layer "
            f"does not fit: {instead}"
        )
    return rewound_start(run, sizes), True
