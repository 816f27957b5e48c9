"""Observables of a stored run that need more than one of its files: trained weights, masks and what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prunescope.errors import InputError
from prunescope.observables.flow import Flow, flow
from prunescope.observables.gabor import SHUFFLES, GaborFits, gabor_fit
from prunescope.observables.hierarchy import Tier, hierarchy
from prunescope.observables.kurtosis import CavitySplit, split_cavity, stored_cavity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunescope.model import Ticket
    from prunescope.runs.directory import Run

MOMENTS = ("trained", "pruned")


def run_flow(run: Run, moment: str = "trained") -> Flow:
    """The flow of a run's hidden layers over its levels.

    moment "trained": the weights at the end of each level's training; "pruned": those weights under the next
    level's masks, before retraining, and so of one level less. The rate of each pruning is
    that of the nominal densities: p for iterative pruning, 0 (σ is nan) where a method leaves the density as it is.
    Raises InputError for another moment or a run with fewer levels than that needs.
    """
    if moment not in MOMENTS:
        raise InputError(f"moment is {moment!r}: use {' or '.join(MOMENTS)}")
    levels = run.levels
    if len(levels) < 2 + (moment == "pruned"):
        raise InputError(f"{run.path}: a flow needs more levels than {len(levels)}")
    rows = dict(run.table.select("level", "nominal_density").unique().iter_rows())
    density = np.array([rows[level] for level in levels], np.float64)
    rates = np.clip(1 - density[1:] / density[:-1], 0, None)
    weights = []
    for level, after in zip(levels, [*levels[1:], None], strict=True):
        if moment == "trained":
            after = level
        if after is not None:
            weights.append(_hidden(run, level, run.ticket(after)))
    return flow(weights, rates[: len(weights) - 1] if moment == "trained" else rates[1:])


def run_cavity(run: Run, level: int) -> CavitySplit | None:
    """The cavity effects a level stored, parted by whether the pruning after it kept the weight.

    The sizes are those of w, by which magnitude pruning chooses. None at the last level, and for runs that did
    not measure it.
    """
    effects = stored_cavity(run.observations(level))
    if effects is None or level + 1 not in run.levels:
        return None
    return split_cavity(effects, run.model(level).layers[0].weight, run.ticket(level + 1).masks[0])


def run_gabor(run: Run, level: int, nodes: Sequence[int], *, shuffles: int = SHUFFLES) -> GaborFits:
    """Gabor fits of first-layer nodes at the end of a level, and of their shuffled weights."""
    weights, mask = run.model(level).layers[0].weight, run.ticket(level).masks[0]
    return gabor_fit(weights, mask, run.shape, nodes=nodes, shuffles=shuffles, seed=run.seed)


def run_hierarchy(
    run: Run, level: int, layer: int, node: int, *, top: int | None = None, count: bool = False
) -> tuple[Tier, ...]:
    """What feeds a node of ``layer`` (1 = first hidden) at the end of a level."""
    ticket = run.ticket(level)
    return hierarchy(ticket.masks, _hidden(run, level, ticket), layer, node, top=top, count=count)


def densities_against_erk(ticket: Ticket) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The hidden layers' weight densities, and Erdős–Rényi's at the same number of weights in all."""
    from prunescope.pruning.layouts import erdos_renyi

    masks = ticket.masks
    sizes = (masks[0].n_in, *(mask.n_out for mask in masks), 0)  # the output layer's size plays no part
    density = sum(mask.kept for mask in masks) / sum(mask.array.size for mask in masks)
    return tuple(mask.density for mask in masks), erdos_renyi(sizes, density)


def _hidden(run: Run, level: int, ticket: Ticket) -> list[np.ndarray]:
    """The trained weights of a level's hidden layers under a ticket."""
    return [layer.weight for layer in ticket.applied_to(run.model(level)).layers[:-1]]
