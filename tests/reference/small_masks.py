"""Every mask with given margins, one by one, for a few dozen entries at most; and masks with planted structure."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np

from prunescope.randomness import generator


def rows_with(kept: int, n_in: int) -> list[np.ndarray]:
    """All rows of ``n_in`` entries that keep so many."""
    return [np.isin(np.arange(n_in), chosen) for chosen in combinations(range(n_in), kept)]


def masks_with_fan_in(fan_in: Sequence[int], n_in: int) -> Iterator[np.ndarray]:
    """All masks whose rows keep so many weights."""
    for rows in product(*(rows_with(kept, n_in) for kept in fan_in)):
        yield np.array(rows)


def masks_with_margins(fan_in: Sequence[int], fan_out: Sequence[int]) -> list[np.ndarray]:
    """All masks whose rows and columns keep so many weights."""
    return [
        mask for mask in masks_with_fan_in(fan_in, len(fan_out)) if mask.sum(axis=0).tolist() == list(fan_out)
    ]


def masks_with(kept: int, n_out: int, n_in: int) -> Iterator[np.ndarray]:
    """All masks that keep so many weights."""
    for entries in rows_with(kept, n_out * n_in):
        yield entries.reshape(n_out, n_in)


def clustered(n_out, n_in, inside, outside, seed=0):
    """A mask of four clusters of units and inputs, in random order."""
    rng = generator(seed, "test")
    out, into = rng.permutation(np.arange(n_out) % 4), rng.permutation(np.arange(n_in) % 4)
    return rng.random((n_out, n_in)) < np.where(np.equal.outer(out, into), inside, outside)


def grouped(n_out, n_in, kept, length, seed=0):
    """A random mask in which each group of ``length`` inputs keeps exactly ``kept``."""
    order = np.argsort(generator(seed, "test").random((n_out, n_in // length, length)), axis=2)
    return (order < kept).reshape(n_out, n_in)


def blocky(n_out, n_in, height, width, density=0.4, seed=0):
    """A random mask of blocks that are all kept or all pruned."""
    blocks = generator(seed, "test").random((n_out // height, n_in // width)) < density
    return np.kron(blocks, np.ones((height, width), bool))
