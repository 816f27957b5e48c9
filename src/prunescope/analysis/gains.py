"""This module tabulates gains of groups of runs over the dense network as in the paper's figures: best minus dense.

A largest gain is positive by chance too, since it is that of the best of many levels. Tables and claims therefore
define gains differently; see docs/science.md, "Best level and gain".
"""

from __future__ import annotations

from collections.abc import Sequence

import polars

from prunescope.analysis.curves import dense_accuracies, largest_gains
from prunescope.analysis.groups import Group
from prunescope.analysis.statistics import spread


def dense_and_best(found: Sequence[Group]) -> polars.DataFrame:
    """Return the accuracies of the dense network and of the best pruned level, one row for each experiment.

    Means and sample sds are over seeds; accuracies are shares of 1.
    """
    rows = []
    for group in found:
        level = group.best_level()
        dense = spread(list(dense_accuracies(group, found).values()))
        best = spread(list(group.by_seed("best_val_accuracy", level).values()))
        row = {"experiment": group.label, "dense_mean": dense.mean, "dense_sd": dense.sd}
        row |= {"best_mean": best.mean, "best_sd": best.sd, "best_level": level}
        row |= {"best_density": group.density(level), "seeds": best.n}
        rows.append(row | {"validation_images": group.images("validation")})
    return polars.DataFrame(rows)


def largest_against_data(found: Sequence[Group]) -> polars.DataFrame:
    """Return the share of the training images used and the largest gain, one row for each experiment.

    The largest gain is that over the pruned levels of a seed, with mean and sample sd over seeds.
    """
    rows = []
    for group in found:
        largest = spread(largest_gains(group, found))
        fraction = group.runs[0].experiment.data.fraction
        row = {"experiment": group.label, "fraction": fraction, "seeds": largest.n}
        row |= {"largest_mean": largest.mean, "largest_sd": largest.sd}
        rows.append(row | {"validation_images": group.images("validation")})
    return polars.DataFrame(rows)
