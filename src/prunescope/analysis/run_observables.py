"""This module computes observables of a stored run that need several of its files: weights, masks, observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunescope.analysis.best_levels import DENSE
from prunescope.errors import InputError
from prunescope.observables.flow import Flow, flow
from prunescope.observables.gabor import SHUFFLES, GaborFits, gabor_fit
from prunescope.observables.hierarchy import Tier, hierarchy
from prunescope.observables.kurtosis import CavitySplit, split_cavity, stored_cavity
from prunescope.pruning import known_traits
from prunescope.pruning.layouts import erdos_renyi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunescope.model import Ticket
    from prunescope.runs.directory import Run

MOMENTS = ("trained", "pruned")


def run_flow(run: Run, moment: str = "trained", levels: Sequence[int] | None = None) -> Flow:
    """Return the flow of a run's hidden layers over its levels, or over ``levels`` in their order.

    ``moment``: "trained" for the weights at the end of each level's training, "pruned" for those weights under the next
    level's masks, before retraining, which gives one level less. The rate of each pruning is the share of the remaining
    hidden weights that it removed: p for iterative pruning but for rounding, and 0 (σ is nan) where the density does
    not change. Raises InputError for another moment or too few levels. See docs/science.md, "Flow".
    """
    if moment not in MOMENTS:
        raise InputError(f"moment is {moment!r}: use {' or '.join(MOMENTS)}")
    levels = run.levels if levels is None else levels
    if len(levels) < 1 + 2 * (moment == "pruned"):
        raise InputError(f"{run.path}: a flow needs more levels than {len(levels)}")
    tickets = [run.ticket(level) for level in levels]
    kept = np.array([sum(mask.kept for mask in ticket.masks) for ticket in tickets], np.float64)
    rates = np.clip(1 - kept[1:] / np.maximum(kept[:-1], 1), 0, None)
    if moment == "trained":
        weights = [_hidden(run, level, ticket) for level, ticket in zip(levels, tickets, strict=True)]
        return flow(weights, rates)
    pruned = [_hidden(run, level, after) for level, after in zip(levels[:-1], tickets[1:], strict=True)]
    return flow(pruned, rates[1:])


def run_cavity(run: Run, level: int) -> CavitySplit | None:
    """Return the cavity effects that a level stored, split by whether the next pruning kept the weight.

    The sizes are those of w, by which magnitude pruning chooses. The result is None at the last level, where the next
    level was not pruned from this one, and for runs that did not measure it. See docs/science.md, "Cavity".
    """
    effects = stored_cavity(run.observations(level))
    if effects is None or level + 1 not in run.levels:
        return None
    mask, after = run.ticket(level).masks[0], run.ticket(level + 1).masks[0]
    # Nested masks alone do not show it: SNIP's are nested too, although all are scored at initialisation.
    pruned_from_it = level == DENSE or known_traits(run.experiment.prune.method).iterative
    if not pruned_from_it or (after.array & ~mask.array).any():
        return None
    return split_cavity(effects, run.model(level).layers[0].weight, after)


def run_gabor(
    run: Run, level: int, nodes: Sequence[int] | NDArray[np.int64], *, shuffles: int = SHUFFLES
) -> GaborFits:
    """Return Gabor fits of the weights of first-layer nodes at the end of a level (docs/science.md, "Gabor fits").

    ``nodes``: indices, [K]. ``shuffles``: how often the weights of each node are shuffled and fitted as a null.
    """
    weights, mask = run.model(level).layers[0].weight, run.ticket(level).masks[0]
    return gabor_fit(weights, mask, run.shape, nodes=nodes, shuffles=shuffles)


def run_hierarchy(  # noqa: PLR0913  (public since 0.1.0)
    run: Run, level: int, layer: int, node: int, *, top: int | None = None, count: bool = False
) -> tuple[Tier, ...]:
    """Return the tiers of nodes that feed a node at the end of a level.

    See docs/science.md, "Hierarchy and effective masks". ``layer``: that of the node, 1 for the first
    hidden one. ``top`` and ``count``: as in ``observables.hierarchy``.
    """
    ticket = run.ticket(level)
    return hierarchy(ticket.masks, _hidden(run, level, ticket), layer, node, top=top, count=count)


def densities_against_erk(ticket: Ticket) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the hidden layers' weight densities, and the Erdős–Rényi densities of as many weights in all."""
    masks = ticket.masks
    sizes = (masks[0].n_in, *(mask.n_out for mask in masks), 0)  # The size of the output layer is not used.
    return tuple(mask.density for mask in masks), erdos_renyi(sizes, ticket.weight_density)


def _hidden(run: Run, level: int, ticket: Ticket) -> list[np.ndarray]:
    """Return the trained weights of a level's hidden layers, those that the ticket removes set to 0."""
    return [layer.weight for layer in ticket.applied_to(run.model(level)).layers[:-1]]
