"""Groupings with chance in them: the same for every run, whatever its seed."""

from __future__ import annotations

import numpy as np

from prunescope.data.raw import Labels
from prunescope.randomness import generator

KEPT = 5  # macro-classes that semantic-5-random-5 leaves whole
_TABLE = 0  # seed of the groupings; no run's seed enters


def deal(count: int, groups: int) -> Labels:
    """A group 0 … groups - 1 at random for each of ``count`` classes; sizes differ by at most one."""
    labels = np.empty(count, np.int64)
    labels[generator(_TABLE, "deal", groups).permutation(count)] = np.arange(count) % groups
    return labels


def first_kept(semantic: Labels) -> Labels:
    """Macro-classes 0 … 4 as they are, the other classes dealt into groups 5 … 9 (paper, C.2)."""
    labels = semantic.copy()
    rest = np.flatnonzero(semantic >= KEPT)
    labels[rest] = KEPT + deal(len(rest), KEPT)
    return labels


def half_kept(semantic: Labels) -> Labels:
    """Half of each macro-class, at random, stays; the other halves change places at random (paper, C.2).

    Of an odd number the larger half stays. Sizes stay as they are; a class that moves lands in a
    place of any macro-class, its own included.
    """
    rng = generator(_TABLE, "half kept")
    members = (np.flatnonzero(semantic == label) for label in np.unique(semantic))
    moving = np.concatenate([rng.permutation(found)[: len(found) // 2] for found in members])
    labels = semantic.copy()
    labels[moving] = semantic[rng.permutation(moving)]
    return labels
