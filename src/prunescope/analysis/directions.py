"""How the density of connected pairs depends on their direction: where the arms of the cross point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.analysis.groups import Group
from prunescope.mask import ImageShape, Mask
from prunescope.observables import (
    fan_in,
    inhomogeneous_null,
    locality,
    radial_profile,
    relative_density,
    shuffle_at_fan_in,
    uniform_null,
)
from prunescope.observables.locality import rings
from prunescope.randomness import generator

SECTOR = 10
SHUFFLES = 10
# Nearer displacements have too few directions; beyond half of the image too few pairs are left.
NEAREST = 2.5


@dataclass(frozen=True, eq=False)
class AngularDensity:
    """Pairs by direction, over what they would be if g depended on the distance alone: 1 is isotropic.

    ``degrees`` are the sectors' middles, counter-clockwise from the right of the image, 0 to below 180;
    ``shuffled`` [shuffles, sectors] is that of masks shuffled at matched fan-in.
    """

    degrees: NDArray[np.float64]
    density: NDArray[np.float64]
    shuffled: NDArray[np.float64]


def angular_density(group: Group, level: int, shuffles: int = SHUFFLES) -> AngularDensity:
    """The first layer's same-channel pairs by direction at a level, of all seeds together.

    Over pairs at 2.5 pixels to half of the image's smaller side. Raises InputError for inputs without
    geometry.
    """
    masks, shape = [run.mask(level) for run in group.runs], group.runs[0].shape
    expected = np.sum([uniform_null(fan_in(mask), shape).same for mask in masks], axis=0)

    def density(chosen: Sequence[Mask]) -> NDArray[np.float64]:
        counts = np.sum([locality(mask, shape).same for mask in chosen], axis=0)
        return relative_density(by_sector(counts), by_sector(isotropic(counts, expected)))

    shuffled = []
    for number in range(shuffles):
        rngs = [generator(run.seed, "null", level, number) for run in group.runs]
        shuffled.append(density([shuffle_at_fan_in(m, rng) for m, rng in zip(masks, rngs, strict=True)]))
    degrees = np.arange(0, 180, SECTOR, dtype=np.float64)
    return AngularDensity(degrees, density(masks), np.array(shuffled))


def isotropic(counts: NDArray[Any], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pairs there would be if g depended on the distance alone: E S(d)·g(|d|), g linear between rings.

    counts, expected: S(d) and its null, [2H-1, 2W-1].
    """
    radial = radial_profile(counts, expected)
    known = np.flatnonzero(np.isfinite(radial))
    rows, columns = counts.shape
    distance = np.hypot(*np.ogrid[-(rows // 2) : rows // 2 + 1, -(columns // 2) : columns // 2 + 1])
    return expected * np.interp(distance, known, radial[known]) if known.size else expected


def by_sector(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Sums of S(d) [2H-1, 2W-1] over the sectors of directions."""
    rows, columns = counts.shape
    dy, dx = np.mgrid[:rows, :columns] - np.array([rows // 2, columns // 2])[:, np.newaxis, np.newaxis]
    distance = np.hypot(dx, dy)
    inside = (distance >= NEAREST) & (distance <= max(NEAREST + 1, (min(rows, columns) + 1) / 4))
    degrees = np.degrees(np.arctan2(-dy, dx)[inside]) + SECTOR / 2
    sector = (degrees % 180 // SECTOR).astype(np.int64)
    return np.bincount(sector, counts[inside], minlength=180 // SECTOR).astype(np.float64)


def direction(mask: Mask, shape: ImageShape) -> float:
    """The direction of the cross that g(d) forms, in degrees from -45 to 45, 0 along the axes.

    mask: first layer; shape: (C, H, W). The phase of the fourth angular harmonic of g minus its mean in each
    ring, 2 to half the smaller side away, weighted by the expected pairs: what is isotropic drops out. g is
    against the inhomogeneous null, since a turned frame leaves pixels without content. Of both nulls and two
    weightings this errs least on made-up lines of known direction at 16x16: up to 3 degrees too far at 20.
    """
    pairs, null = locality(mask, shape).same, inhomogeneous_null(mask, shape).same
    height, width = shape[1:]
    dy, dx = np.mgrid[-(height - 1) : height, -(width - 1) : width]
    ring = rings(*pairs.shape)
    expected_of_ring = np.bincount(ring.ravel(), null.ravel())
    level = np.bincount(ring.ravel(), pairs.ravel()) / np.where(expected_of_ring > 0, expected_of_ring, 1)
    excess = pairs - null * level[ring]
    near = (np.hypot(dy, dx) >= 2) & (np.hypot(dy, dx) <= min(height, width) / 2)
    harmonic = (excess * np.exp(4j * np.arctan2(-dy, dx)))[near].sum()
    return float(np.degrees(np.angle(harmonic)) / 4)
