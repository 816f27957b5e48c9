"""Pools, the sets of weights and biases that compete by their scores, and the tickets that pruning them gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.experiment import Prune
from prunescope.mask import BoolArray, Mask
from prunescope.model import Model, Ticket
from prunescope.pruning.layouts import kept_count
from prunescope.pruning.selection import keep_top, select


def prune_smallest(model: Model, ticket: Ticket, share: float | Sequence[float], prune: Prune) -> Ticket:
    """Return the ticket after removing the smallest entries of each pool.

    ``share`` is the share removed of a pool's entries, counted from dense. A pool is one hidden layer's weights and
    (by ``prune.biases``) its biases, or with ``prune.scope`` "global" the weights of all hidden layers, biases left
    alone. The output layer is never pruned. ``share`` as a sequence gives each hidden layer a share and a pool of its
    own, whatever the scope; a layer whose share is 0 stays as it is. Raises ValueError when a kept weight is not
    finite.
    """
    weights = [np.abs(layer.weight) for layer in model.layers[:-1]]
    biases = [np.abs(layer.bias) for layer in model.layers[:-1]]
    kept_weights, kept_biases = [m.array for m in ticket.masks], list(ticket.biases)
    if not isinstance(share, Sequence) and prune.scope == "global":
        remove = _count(share, sum(w.size for w in weights))
        kept_weights = select(weights, kept_weights, remove, exact=prune.exact)
        return Ticket(tuple(map(Mask, kept_weights)), ticket.biases)
    shares = share if isinstance(share, Sequence) else [share] * len(weights)
    for index, (weight, bias, own) in enumerate(zip(weights, biases, shares, strict=True)):
        if own == 0:
            continue
        if prune.biases:
            pool, kept = [weight, bias], [kept_weights[index], kept_biases[index]]
            remove = _count(own, weight.size + bias.size)
            kept_weights[index], kept_biases[index] = select(pool, kept, remove, exact=prune.exact)
        else:
            remove = _count(own, weight.size)
            [kept_weights[index]] = select([weight], [kept_weights[index]], remove, exact=prune.exact)
    return Ticket(tuple(map(Mask, kept_weights)), tuple(kept_biases))


def _count(share: float, size: int) -> int:
    # After many levels the share rounds to 1. One entry stays even then, and the stop rule ends the run.
    return min(int(share * size), size - 1)


def not_emptied(ticket: Ticket, model: Model) -> Ticket:
    """Return the ticket with the largest weight restored in each hidden layer that lost all of its weights."""
    masks = []
    for mask, layer in zip(ticket.masks, model.layers, strict=False):
        if mask.kept == 0:
            [one] = keep_top([np.abs(layer.weight)], [np.ones_like(mask.array)], 1)
            mask = Mask(one)
        masks.append(mask)
    return Ticket(tuple(masks), ticket.biases)


def is_exhausted(ticket: Ticket, stop_units: float) -> bool:
    """Return whether some hidden layer's share of units with an incoming weight is at most ``stop_units``."""
    shares = [alive / mask.n_out for alive, mask in zip(ticket.units_alive, ticket.masks, strict=True)]
    return min(shares) <= stop_units


def stopped(level: int, ticket: Ticket, stop_units: float) -> str:
    """Return the words for a run that the stop rule ended after a level; ``ticket`` is what would have come next."""
    shares = [alive / mask.n_out for alive, mask in zip(ticket.units_alive, ticket.masks, strict=True)]
    layer = shares.index(min(shares)) + 1
    return (
        f"the pruning after level {level} would leave {100 * min(shares):.3g} % of the units of layer {layer} "
        f"connected (prune.stop_units is {stop_units:g})"
    )


def unchanged(level: int) -> str:
    """Return the words for a run that ended because the pruning after a level changed nothing."""
    return f"the pruning after level {level} changed no mask"


def check_each_layer(
    name: Literal["layer_rates", "layer_densities"], prune: Prune, sizes: Sequence[int]
) -> None:
    """Raise InputError where a field of values for each hidden layer does not fit the network or the scope.

    It fits with as many values as there are hidden layers and ``prune.scope=layer``, or when it is not given. Layers'
    own densities take the place of ``prune.density``, so that both together are refused too.
    """
    values, hidden = getattr(prune, name), len(sizes) - 2
    if values is None:
        return
    if name == "layer_densities" and prune.densities:
        raise InputError(
            f"prune.density is {list(prune.densities)} and prune.layer_densities is {list(values)}: each says what is "
            "kept, give one of them"
        )
    if len(values) != hidden:
        raise InputError(
            f"prune.{name} is {list(values)}: the network has {hidden} hidden layers, give a number for each"
        )
    if prune.scope == "global":
        raise InputError(f"prune.{name} is given and prune.scope is global: use prune.scope=layer")


def keep_best(scores: Sequence[NDArray[Any]], density: float) -> list[BoolArray]:
    """Return as bool arrays which entries are among the round(density · N) highest of all N entries of ``scores``.

    No matrix is emptied: each keeps at least its best entry, in place of the lowest in other arrays.
    """
    matrices = [index for index, score in enumerate(scores) if score.ndim == 2]
    whole = [np.ones(score.shape, np.bool_) for score in scores]
    keep = max(kept_count(density, sum(score.size for score in scores)), len(matrices))
    return keep_top(scores, whole, keep, never_empty=matrices)


def as_ticket(kept: Sequence[BoolArray], sizes: tuple[int, ...]) -> Ticket:
    """Return the ticket of the kept entries of a pool, given in the order of ``scores.tensors``.

    With the pool "hidden" all biases stay. With the pool "all" hidden biases of low score are pruned; the output's
    weights are ranked in the pool too, but all of them stay, because a ticket cannot prune them.
    """
    hidden = len(sizes) - 2
    masks = tuple(Mask(array) for array in kept[:hidden])
    return Ticket(masks, tuple(kept[hidden : 2 * hidden]) or Ticket.dense(sizes).biases)
