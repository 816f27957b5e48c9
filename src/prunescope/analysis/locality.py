"""This module sums counts of pairs of connections, S(d), over a group of runs, and computes g(d) = S / E S."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.analysis.groups import Group
from prunescope.mask import ImageShape, Mask
from prunescope.observables import (
    Locality,
    fan_in,
    inhomogeneous_null,
    locality,
    radial_profile,
    relative_density,
    uniform_null,
)
from prunescope.observables.null_moments import radial_null_sd


def summed_locality(group: Group, level: int) -> Locality:
    """Return S(d) of the first layer at a level, summed over seeds (docs/science.md, "Locality")."""
    parts = [locality(run.mask(level), run.shape) for run in group.runs]
    same, different = (
        np.sum([getattr(part, kind) for part in parts], axis=0) for kind in ("same", "different")
    )
    return Locality(same, different)


def expected_pairs(masks: Sequence[Mask], shape: ImageShape) -> NDArray[np.float64]:
    """Return the uniform null of the same-channel pairs of all masks together, [2H-1, 2W-1]."""
    return np.asarray(np.sum([uniform_null(fan_in(mask), shape).same for mask in masks], axis=0))


@dataclass(frozen=True, eq=False)
class RelativeDensity:
    """The relative density g of same-channel pairs at a level.

    ``map``: g(d), [2H-1, 2W-1]. ``expected``: the uniform null of the pairs, [2H-1, 2W-1]. ``radial``: the radial
    profile of g, [rings]. ``radial_null_sd``: the sd of that of shuffled masks, whose mean is 1, [rings].
    ``radial_inhomogeneous``: the profile relative to the inhomogeneous null, [rings].
    """

    map: np.ndarray
    expected: np.ndarray
    radial: np.ndarray
    radial_inhomogeneous: np.ndarray
    radial_null_sd: np.ndarray


def relative_locality(group: Group, level: int) -> RelativeDensity:
    """Return g of the first layer at a level, of the pairs of all seeds together (docs/science.md, "Relative density").

    Raises InputError for inputs without geometry.
    """
    masks, shape = [run.mask(level) for run in group.runs], group.runs[0].shape
    counts = summed_locality(group, level).same
    expected = expected_pairs(masks, shape)
    centred = np.sum([inhomogeneous_null(mask, shape).same for mask in masks], axis=0)
    return RelativeDensity(
        map=relative_density(counts, expected),
        expected=expected,
        radial=radial_profile(counts, expected),
        radial_inhomogeneous=radial_profile(counts, centred),
        radial_null_sd=radial_null_sd(np.concatenate([mask.fan_in for mask in masks]), shape),
    )
