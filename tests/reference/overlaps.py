"""Slow, obvious versions of what two masks share, and of all masks with given margins."""

from itertools import combinations, permutations, product

import numpy as np

from prunescope.mask import Mask
from prunescope.randomness import generator


def ragged(n_out, n_in, density, seed=0):
    """A random mask whose units and inputs differ much in how likely they keep a weight."""
    rng = generator(seed, "ragged")
    chance = np.outer(rng.lognormal(0, 0.8, n_out), rng.lognormal(0, 0.8, n_in))
    chance *= density / chance.mean()
    return Mask(rng.random((n_out, n_in)) < np.minimum(chance, 0.97))


def masks_at_fan_in(fan_in, n_in):
    """All masks with these fan-ins."""
    choices = [list(combinations(range(n_in), count)) for count in fan_in]
    for chosen in product(*choices):
        array = np.zeros((len(fan_in), n_in), bool)
        for row, columns in zip(array, chosen, strict=True):
            row[list(columns)] = True
        yield array


def masks_at_margins(fan_in, n_in, fan_out):
    """All masks with these fan-ins and fan-outs."""
    return [one for one in masks_at_fan_in(fan_in, n_in) if np.array_equal(one.sum(axis=0), fan_out)]


def shared(first, second):
    """The number of weights that both keep."""
    return sum(
        bool(first[j, i]) and bool(second[j, i]) for j in range(len(first)) for i in range(len(first[0]))
    )


def most_shared(first, second):
    """The largest number of weights that both keep under any order of the second one's units."""
    return max(shared(first, second[list(order)]) for order in permutations(range(len(second))))
