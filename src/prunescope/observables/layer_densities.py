"""The densities of a network's layers against uniform and Erdős–Rényi ones of as many weights in all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments

# A rank correlation of fewer layers says nothing.
FEWEST_LAYERS = 3


@dataclass(frozen=True)
class LayerDensities:
    """The densities of a network's layers, in order of depth, and those of two layouts that keep as many weights.

    ``measured``: kept shares; ``erk``: Erdős–Rényi-kernel densities; ``overall``: the kept share of all weights
    together, the density of each layer of the uniform layout. ``erk_distance`` and ``uniform_distance``: the share of
    the kept weights that would have to move to another layer. ``erk_correlation`` and ``depth_correlation``:
    Spearman's, of the measured densities with the ERK ones and with the place of the layer; the null permutes layers.
    """

    measured: tuple[float, ...]
    erk: tuple[float, ...]
    overall: float
    erk_distance: float
    uniform_distance: float
    erk_correlation: Scalar
    depth_correlation: Scalar


def compare_densities(shapes: Sequence[Sequence[int]], kept: Sequence[int]) -> LayerDensities:
    """Compare the densities of layers, in order of depth, with Erdős–Rényi-kernel and uniform ones.

    shapes: of the weights of each layer, (n_out, n_in, *kernel); kept: their numbers of kept weights. Raises
    InputError where there is no layer, no kept weight, an empty shape, or more kept weights than a layer has.
    docs/science.md, "Densities by depth".
    """
    sizes = np.array([math.prod(shape) for shape in shapes], np.float64)
    counts = np.array([int(one) for one in kept], np.float64)
    if not len(sizes) or len(sizes) != len(counts):
        raise InputError(
            f"densities need a shape and a number for each layer, got {len(sizes)} and {len(counts)}"
        )
    if (sizes <= 0).any() or (counts < 0).any() or (counts > sizes).any() or not counts.any():
        raise InputError(
            "densities need layers that hold weights, and keep at least one and at most all of them"
        )
    total = counts.sum()
    overall = float(total / sizes.sum())
    erk = erdos_renyi_kernel(shapes, overall)
    measured = counts / sizes
    return LayerDensities(
        measured=tuple(measured.tolist()),
        erk=erk,
        overall=overall,
        erk_distance=float(np.abs(counts - np.array(erk) * sizes).sum() / (2 * total)),
        uniform_distance=float(np.abs(counts - overall * sizes).sum() / (2 * total)),
        erk_correlation=rank_correlation(measured, np.array(erk)),
        depth_correlation=rank_correlation(measured, np.arange(len(sizes), dtype=np.float64)),
    )


def erdos_renyi_kernel(shapes: Sequence[Sequence[int]], density: float) -> tuple[float, ...]:
    """Return the densities min(1, ε (n_out + n_in + kernel sides) / size) of layers of these shapes.

    shapes: (n_out, n_in, *kernel) of each layer. ε solves Σ density_l · size_l = density · Σ size_l. Layers for which
    the formula exceeds 1 are dense, and the others keep the rest. Source: Evci et al. 2020, Section 3.
    """
    weights = np.array([math.prod(shape) for shape in shapes], np.float64)
    raw = np.array([sum(shape) for shape in shapes], np.float64) / weights
    dense = np.zeros(len(weights), np.bool_)
    while not dense.all():
        left = density * weights.sum() - weights[dense].sum()
        scale = left / (raw * weights)[~dense].sum()
        over = ~dense & (scale * raw > 1)
        if not over.any():
            return tuple(np.where(dense, 1.0, scale * raw).tolist())
        dense |= over
    return (1.0,) * len(weights)


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> Scalar:
    """Return Spearman's correlation of two numbers of each layer, ties at their mean rank, float64 [layers].

    Over all permutations of the layers its mean is 0 and its sd exactly 1/√(layers - 1). nan for fewer than three
    layers, and where one of the two does not vary.
    """
    if len(one) < FEWEST_LAYERS:
        return Scalar()
    ranks = [_ranks(values) - (len(one) + 1) / 2 for values in (one, other)]
    scale = math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))
    if not scale:
        return Scalar()
    return Scalar.exactly(float(ranks[0] @ ranks[1]) / scale, Moments(0.0, 1 / math.sqrt(len(one) - 1)))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks 1 … n of values, the mean of their ranks for those that are equal to 12 digits."""
    # Densities that a formula gives to equal layers may differ in their last digits.
    scale = float(np.abs(values).max()) or 1.0
    _, place, count = np.unique(np.round(values / scale, 12), return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]
