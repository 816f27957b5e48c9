"""Magnitude pruning of a ticket: which entries compete with which, and when nothing is left to prune."""

from __future__ import annotations

import numpy as np

from prunescope.experiment import Prune
from prunescope.mask import Mask
from prunescope.model import Model, Ticket
from prunescope.pruning.selection import select


def prune_smallest(model: Model, ticket: Ticket, share: float, prune: Prune) -> Ticket:
    """The ticket after removing ``share`` of each pool's entries, counted from dense.

    A pool is one hidden layer's weights and (by ``prune.biases``) its biases, or with
    ``prune.scope`` "global" the weights of all hidden layers, biases left alone. The output
    layer is never pruned.
    """
    weights = [np.abs(layer.weight) for layer in model.layers[:-1]]
    biases = [np.abs(layer.bias) for layer in model.layers[:-1]]
    kept_weights, kept_biases = [m.array for m in ticket.masks], list(ticket.biases)
    if prune.scope == "global":
        remove = _count(share, sum(w.size for w in weights))
        kept_weights = select(weights, kept_weights, remove, exact=prune.exact)
        return Ticket(tuple(map(Mask, kept_weights)), ticket.biases)
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        if prune.biases:
            pool, kept = [weight, bias], [kept_weights[index], kept_biases[index]]
            remove = _count(share, weight.size + bias.size)
            kept_weights[index], kept_biases[index] = select(pool, kept, remove, exact=prune.exact)
        else:
            remove = _count(share, weight.size)
            [kept_weights[index]] = select([weight], [kept_weights[index]], remove, exact=prune.exact)
    return Ticket(tuple(map(Mask, kept_weights)), tuple(kept_biases))


def _count(share: float, size: int) -> int:
    # after many levels the share rounds to 1: one entry always stays, and the stop rule ends the run
    return min(int(share * size), size - 1)


def is_exhausted(ticket: Ticket, stop_units: float) -> bool:
    """Whether some hidden layer's share of units with an incoming weight is at most ``stop_units``."""
    shares = [alive / mask.n_out for alive, mask in zip(ticket.units_alive, ticket.masks, strict=True)]
    return min(shares) <= stop_units
