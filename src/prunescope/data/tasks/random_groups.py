"""This module groups classes at random, in the same way for every run, whatever its seed."""

from __future__ import annotations

import numpy as np

from prunescope.data.raw_images import Labels
from prunescope.randomness import generator

KEPT = 5  # macro-classes that semantic-5-random-5 leaves whole
_TABLE = 0  # seed of the groupings, the same in every run


def deal(count: int, groups: int) -> Labels:
    """Return a random group 0 … groups - 1 for each of ``count`` classes, int64 [count].

    The groups' sizes differ by at most one.
    """
    labels = np.empty(count, np.int64)
    labels[generator(_TABLE, "deal", groups).permutation(count)] = np.arange(count) % groups
    return labels


def first_kept(semantic: Labels) -> Labels:
    """Return labels that keep macro-classes 0 … 4 and deal the other classes into groups 5 … 9 (paper, C.2).

    ``semantic``: int64 [classes], the macro-class of each class.
    """
    labels = semantic.copy()
    rest = np.flatnonzero(semantic >= KEPT)
    labels[rest] = KEPT + deal(len(rest), KEPT)
    return labels


def half_kept(semantic: Labels) -> Labels:
    """Return labels that keep a random half of each macro-class and permute those of the others (paper, C.2).

    ``semantic``: int64 [classes], the macro-class of each class. Of an odd number the larger half is kept. The
    sizes of the macro-classes do not change; a class that moves may get its own macro-class again.
    """
    rng = generator(_TABLE, "half kept")
    classes = (np.flatnonzero(semantic == label) for label in np.unique(semantic))
    moving = np.concatenate([rng.permutation(found)[: len(found) // 2] for found in classes])
    labels = semantic.copy()
    labels[moving] = semantic[rng.permutation(moving)]
    return labels
