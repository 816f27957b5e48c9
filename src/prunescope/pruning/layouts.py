"""Layouts, which share out a density over the hidden layers, and random tickets, the nulls of pruning.

Uniform: each layer keeps the same share. Erdős–Rényi (Mocanu et al. 2018; the "kernel" form of Evci et
al. 2020, which for fully connected layers is the same): a layer keeps a share proportional to
(n_in + n_out) / (n_in · n_out).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from prunescope.mask import Mask
from prunescope.model import Ticket
from prunescope.randomness import generator


def layer_densities(sizes: Sequence[int], density: float, layout: str) -> tuple[float, ...]:
    """Return the density of each hidden layer such that together they keep ``density`` of all hidden weights.

    sizes: (n0, …, nL); layout: "uniform" or "erk". Raises ValueError for another layout. docs/science.md,
    "Other methods".
    """
    if layout == "uniform":
        return (density,) * (len(sizes) - 2)
    if layout == "erk":
        return erdos_renyi(sizes, density)
    raise ValueError(f"no layout {layout!r}: use uniform or erk")


def erdos_renyi(sizes: Sequence[int], density: float) -> tuple[float, ...]:
    """Return the Erdős–Rényi densities min(1, ε (n_in + n_out) / (n_in · n_out)) of the hidden layers.

    sizes: (n0, …, nL). ε solves Σ density_l · N_l = density · Σ N_l over the hidden layers. Layers for which the
    formula exceeds 1 are dense, and the others keep the rest. Source: Evci et al. 2020, Section 3.
    """
    # The package is slow to import, and lists of methods need none of it.
    from prunescope.observables.layer_densities import erdos_renyi_kernel

    return erdos_renyi_kernel([(n_out, n_in) for n_in, n_out in pairwise(sizes[:-1])], density)


def overall_density(sizes: Sequence[int], densities: Sequence[float]) -> float:
    """Return the density of all hidden weights together when layer l keeps the share ``densities[l]``."""
    weights = [n_in * n_out for n_in, n_out in pairwise(sizes[:-1])]
    return float(np.average(densities, weights=weights))


def kept_count(density: float, size: int) -> int:
    """Return round(density · size), but at least 1, so that no layer is emptied."""
    return max(1, round(density * size))


def random_ticket(sizes: Sequence[int], densities: Sequence[float], seed: int, level: int = 0) -> Ticket:
    """Draw a ticket whose hidden layers keep exactly round(density · N) weights at uniform positions and all biases.

    sizes: (n0, …, nL); densities: one per hidden layer. The ticket is a function of the arguments alone.
    """
    masks: list[Mask] = []
    for (n_in, n_out), density in zip(pairwise(sizes[:-1]), densities, strict=True):
        rng = generator(seed, f"random ticket, layer {len(masks) + 1}", level)
        kept = np.zeros(n_in * n_out, np.bool_)
        kept[rng.choice(kept.size, kept_count(density, kept.size), replace=False, shuffle=False)] = True
        masks.append(Mask(kept.reshape(n_out, n_in)))
    return Ticket(tuple(masks), Ticket.dense(tuple(sizes)).biases)


def shuffled(ticket: Ticket, seed: int, level: int = 0) -> Ticket:
    """Draw a ticket in which each unit's connections are moved to uniform positions; fan-ins and biases stay."""
    from prunescope.observables.connectivity import shuffle_at_fan_in  # slow to import, as above

    masks = [
        shuffle_at_fan_in(mask, generator(seed, f"shuffled ticket, layer {number}", level))
        for number, mask in enumerate(ticket.masks, 1)
    ]
    return Ticket(tuple(masks), ticket.biases)
