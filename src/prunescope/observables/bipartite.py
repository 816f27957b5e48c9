"""How units and inputs cluster: closed paths and the spectral gap, against masks with the same margins on both sides.

The null is drawn, because closed forms exist only for margins that are kept on average (Saracco et al. 2015), under
which the margins' own spread would hide what is asked for. docs/science.md, "Clustering".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import BoolArray, Mask
from prunescope.observables.measure import Scalar
from prunescope.observables.null_masks import SHUFFLES, null_generators
from prunescope.observables.trades import KeptPlaces, same_margins
from prunescope.randomness import generator

CLUSTERING = ("bipartite_clustering", "spectral_gap")
# A mask with more kept weights than this is measured on a sample that keeps about as many.
SAMPLED_WEIGHTS = 1 << 13
# Steps of Lanczos' iteration: at most so many, with a test after each few for whether they still change the value.
MOST_STEPS, STEPS, CHANGE = 120, 6, 1e-3
# Digits of the gap after the point; those that follow are rounding of 32 bits.
DIGITS = 6


def clustering_scalars(mask: Any) -> dict[str, Scalar]:
    """Return how units and inputs of a mask cluster, against masks with the same fan-ins and fan-outs.

    mask: [n_out, n_in]; of a large one a sample is measured (``sample``). Names: bipartite_clustering, the share of
    the paths of three weights that a fourth one closes, and spectral_gap, 1 minus the second singular value of the
    mask over the roots of its margins. docs/science.md, "Clustering".
    """
    mask = Mask.of(mask)
    part = sample(mask)
    if not part.size:
        return {name: Scalar() for name in CLUSTERING}
    kept = KeptPlaces.of(part)
    values = _measured(kept)
    nulls = same_margins(kept, next(null_generators(mask, "trades", 1)), SHUFFLES)
    drawn = [_measured(one) for one in nulls]
    clustering, gap = (
        Scalar.against(value, list(null))
        for value, null in zip(values, zip(*drawn, strict=True), strict=True)
    )
    if any(found == 0 for _, found in drawn):
        gap = Scalar(
            gap.value
        )  # random masks fall apart too, and the gaps of those that do not are not typical
    return dict(zip(CLUSTERING, (clustering, gap), strict=True))


def sample(mask: Mask) -> BoolArray:
    """Return the rows and columns of a mask that clustering is measured on, bool [units, inputs].

    Of a mask with more than SAMPLED_WEIGHTS first the same share of the units and of the inputs, such that about so many
    weights are expected, drawn as a function of what the mask keeps. Then those that have two weights or more among
    themselves, since others are part of no cycle. If a mask is one of all that have its margins, each as likely, then
    so is the sample among those that have the sample's margins.
    """
    share, rng = (
        math.sqrt(min(1, SAMPLED_WEIGHTS / max(1, mask.kept))),
        next(null_generators(mask, "sample", 1)),
    )
    part = mask.array
    if share < 1:
        rows = part[_some(mask.fan_in > 0, share, rng)]
        part = rows[:, _some(mask.fan_out > 0, share, rng)]
    while True:
        rows, columns = (np.count_nonzero(part, axis=axis) > 1 for axis in (1, 0))
        if rows.all() and columns.all():
            return part
        part = part[rows][:, columns]


def _some(alive: BoolArray, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the places of a share of those that are alive, ascending."""
    places = np.flatnonzero(alive)
    return np.sort(rng.choice(places, math.ceil(share * len(places)), replace=False, shuffle=False))


def _measured(kept: KeptPlaces) -> tuple[float, float]:
    return bipartite_clustering(kept), spectral_gap(kept)


def bipartite_clustering(kept: KeptPlaces) -> float:
    """Return the share of the paths of three kept weights whose ends a kept weight joins.

    Robins & Alexander 2004: four times the number of cycles of four weights over the number of such paths. nan
    without a path.
    """
    counts, across = kept.fan_in, kept.fan_out
    paths = int(((counts[kept.rows] - 1) * (across[kept.columns] - 1)).sum())
    return 4 * _cycles(kept) / paths if paths else math.nan


def _cycles(kept: KeptPlaces) -> int:
    """Return the number of cycles of four kept weights: of pairs of units with a pair of inputs in common."""
    if kept.is_dense:
        rows = kept.matrix(np.ones(len(kept.rows), np.float32))
        common = (rows @ rows.T).astype(np.int64)
        return (
            int((common * (common - 1)).sum() - (counts := rows.sum(axis=1, dtype=np.int64)) @ (counts - 1))
            // 4
        )
    # All pairs of units at each input; sorted, each pair stands as often in a row as it has inputs in common.
    n_out, across = kept.shape[0], kept.fan_out
    units = np.sort(kept.columns * n_out + kept.rows) % n_out
    starts = np.repeat(np.cumsum(across) - across, across)
    earlier = np.arange(len(units)) - starts  # others at the same input
    ends = np.cumsum(earlier)
    other = np.arange(ends[-1]) + np.repeat(starts - ends + earlier, earlier)
    pairs = units[other] * n_out + np.repeat(units, earlier)
    # Sorting half as many bytes takes half of the time.
    pairs = np.sort(pairs.astype(np.uint32) if n_out < 1 << 16 else pairs)
    changes = np.flatnonzero(pairs[1:] != pairs[:-1])
    common = np.diff(changes, prepend=-1, append=len(pairs) - 1)
    return int((common * (common - 1)).sum()) // 2


def spectral_gap(kept: KeptPlaces) -> float:
    """Return 1 minus the second singular value of D_out^(-1/2) M D_in^(-1/2), for a mask M [n_out, n_in].

    D_out and D_in hold fan-ins and fan-outs; rows and columns without weights are left out. The first singular value
    is 1. The gap is 0 for a mask in two parts without a weight between them; nan where only one unit or input is left.
    To about 1e-4, by Lanczos' iteration from a fixed vector.
    """
    counts, across = kept.fan_in, kept.fan_out
    if min(np.count_nonzero(counts), np.count_nonzero(across)) < 2:
        return math.nan
    values = 1 / np.sqrt(counts[kept.rows] * across[kept.columns])
    matrix = kept.matrix(values.astype(np.float32))
    lines = counts if kept.shape[0] <= kept.shape[1] else across
    square = _second_eigenvalue(matrix, np.sqrt(lines / lines.sum()).astype(np.float32))
    return round(max(0.0, 1 - math.sqrt(max(0.0, square))), DIGITS)


def _second_eigenvalue(matrix: Any, first: NDArray[np.float32]) -> float:
    """Return the second eigenvalue of matrix · matrixᵀ, whose first eigenvector, of the eigenvalue 1, is ``first``.

    Lanczos' iteration in the space that is orthogonal to the first eigenvector.
    """
    from scipy.linalg import eigh_tridiagonal  # slow to import

    most = min(MOST_STEPS, len(first) - 1)
    last = np.zeros_like(first)
    vector = generator(0, "Lanczos", len(first)).standard_normal(len(first), np.float32)
    vector -= (first @ vector) * first
    length, value, transposed = float(np.linalg.norm(vector)), 0.0, matrix.T
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        vector /= length
        image = matrix @ (transposed @ vector)
        image -= (first @ image) * first
        diagonal.append(float(vector @ image))
        image -= diagonal[-1] * vector + (beside[-1] if beside else 0) * last
        length = float(np.linalg.norm(image))
        # Vectors that rounding makes less than orthogonal repeat eigenvalues, and leave the largest as it is.
        end = len(diagonal) == most or length < 1e-5
        if end or len(diagonal) % STEPS == 0:
            place = (len(diagonal) - 1,) * 2
            found = eigh_tridiagonal(diagonal, beside, eigvals_only=True, select="i", select_range=place)
            before, value = value, float(found[0])
            if end or value - before < CHANGE * value:
                return value
        beside.append(length)
        last, vector = vector, image
