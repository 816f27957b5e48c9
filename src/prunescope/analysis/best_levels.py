"""This module defines the best level of a run, and the sparsest level that is no worse than dense.

Levels are numbered. Level 0 is the dense network, with which the others are compared; it is never a candidate itself.
Accuracies are best validation accuracies. See docs/science.md, "Best level and gain".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from statistics import fmean

DENSE = 0
SAME_STEP = 0.02  # Steps of a grid of levels may differ by this share.


def best(densities: Mapping[int, float], accuracies: Mapping[int, float]) -> int | None:
    """Return the pruned level of the highest accuracy, of equals the sparsest; None where no level is pruned.

    ``densities``, ``accuracies``: by level. Levels without an accuracy are not candidates.
    """
    candidates = [level for level in accuracies if level != DENSE]
    return max(candidates, key=lambda level: (accuracies[level], -densities[level]), default=None)


def sparsest_no_worse(densities: Mapping[int, float], accuracies: Mapping[int, float]) -> int | None:
    """Return the sparsest pruned level whose accuracy is at least the dense network's.

    ``densities``, ``accuracies``: by level. It is None where there is no such level or no dense network.
    """
    if DENSE not in accuracies:
        return None
    candidates = [
        level for level, accuracy in accuracies.items() if level != DENSE and accuracy >= accuracies[DENSE]
    ]
    return min(candidates, key=lambda level: densities[level], default=None)


def cross_fitted(
    accuracies_by_seed: Mapping[int, Mapping[int, float]], densities: Mapping[int, float]
) -> dict[int, int]:
    """Return for each seed the level that is best on average over the other seeds.

    ``accuracies_by_seed``: by seed, then level; ``densities``: by level. The choice of a level is then independent of
    the seed that is measured there, so that it does not bias the mean over seeds. Seeds for which the others have no
    pruned level in common are left out.
    """
    found = {}
    for seed in accuracies_by_seed:
        others = [accuracies for other, accuracies in accuracies_by_seed.items() if other != seed]
        level = best(densities, mean_over_seeds(others)) if others else None
        if level is not None and level in accuracies_by_seed[seed]:
            found[seed] = level
    return found


def mean_over_seeds(accuracies: list[Mapping[int, float]]) -> dict[int, float]:
    """Return the mean over seeds of the accuracy of each level that all of them have."""
    common = set.intersection(*(set(levels) for levels in accuracies)) if accuracies else set()
    return {level: fmean(levels[level] for levels in accuracies) for level in sorted(common)}


def grid_step(densities: Iterable[float]) -> float | None:
    """Return the step of the grid that ln u of the levels forms, None where they form no grid.

    Levels of equal density count once. They form a grid with two steps or more that differ by at most SAME_STEP.
    """
    ordered = sorted({u for u in densities if u > 0}, reverse=True)
    steps = [math.log(denser / sparser) for denser, sparser in pairwise(ordered)]
    if len(steps) < 2 or max(steps) > (1 + SAME_STEP) * min(steps):
        return None
    return max(steps)


def nearest(densities: Mapping[int, float], u: float, within: float = math.inf) -> int | None:
    """Return the pruned level whose density is nearest to ``u`` by ratio, of two that are equally near the sparser.

    ``densities``: by level. It is None where no pruned level is within a factor ``within`` of ``u``.
    """

    def distance(level: int) -> float:
        density = densities[level]
        return abs(math.log(density / u)) if density > 0 else math.inf

    candidates = [level for level in densities if level != DENSE]
    found = min(candidates, key=lambda level: (distance(level), densities[level]), default=None)
    return None if found is None or distance(found) > math.log(within) else found
