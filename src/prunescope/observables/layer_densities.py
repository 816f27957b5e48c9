"""The densities of a network's layers against uniform and Erdős–Rényi ones of as many weights in all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prunescope.arguments import listed, share, wholes
from prunescope.errors import InputError
from prunescope.observables.measure import Scalar
from prunescope.observables.rank_correlation import rank_correlation


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
    shapes = _shapes(shapes)
    sizes = np.array([math.prod(shape) for shape in shapes], np.float64)
    counts = np.array(wholes("kept", kept), np.float64)
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
    shapes, density = _shapes(shapes), share("density", density)
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


def _shapes(given: object) -> list[tuple[int, ...]]:
    """Return the shapes of layers; raise InputError for what are no shapes of weights, (n_out, n_in, *kernel)."""
    shapes = [wholes("a shape", shape) for shape in listed("shapes", given, "a list of shapes")]
    for shape in shapes:
        if len(shape) < 2:
            raise InputError(f"a shape of weights is (n_out, n_in, *kernel), got {shape}")
        if 0 in shape:
            raise InputError(f"densities need layers that hold weights, got shape {shape}")
    return shapes
