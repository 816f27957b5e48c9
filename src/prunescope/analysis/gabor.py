"""This module collects Gabor fits of the weights of the most connected nodes, over levels and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunescope.analysis.groups import Group
from prunescope.analysis.run_observables import run_gabor
from prunescope.model import Arrays
from prunescope.observables import most_connected

SHUFFLES = 2


def gabor_r2(group: Group, levels: Sequence[int], given: np.ndarray | None, nodes: int) -> Arrays:
    """Return the R² of Gabor fits of each seed's first-layer nodes at each level.

    ``given``: the nodes to fit, [K]; None for the ``nodes`` most connected ones of each seed at the best level. In the
    result ``r2`` is [seeds, levels, K], ``null_r2`` the same of shuffled weights, and ``nodes`` [seeds, K].
    """
    best = group.shown_level()[0]
    chosen = [most_connected(run.mask(best), nodes) if given is None else given for run in group.runs]
    fits = [
        [run_gabor(run, level, own, shuffles=SHUFFLES) for level in levels]
        for run, own in zip(group.runs, chosen, strict=True)
    ]
    return {
        "levels": np.array(levels),
        "densities": np.array([group.density(level) for level in levels]),
        "nodes": np.array(chosen),
        "r2": np.array([[fit.r2 for fit in one] for one in fits]),
        "null_r2": np.array([[fit.null_r2 for fit in one] for one in fits]),
    }
