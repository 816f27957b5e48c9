"""Scalars of a first-layer mask: locality, half-width, anisotropy and radius of gyration.

All but the last are functions of S(d), the numbers of pairs of inputs by displacement (docs/science.md, "Scalars").
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import ImageShape, Mask, image_shape
from prunescope.observables.locality import Locality, check_localities, radial_profile, relative_density
from prunescope.observables.pair_counts import Rays, ray_pairs

# Pairs within this many pixels along x and along y are neighbours (docs/science.md, "Scalars").
NEIGHBOURHOOD = 2
# Anisotropy starts at the diagonal displacement (2, 2), because nearer rings have too few pixels.
FIRST_DIAGONAL = 2
# So many pixels of nodes are summed over channels at once.
SUMMED = 1 << 23
# Its smallest images, in pixels along either side.
NARROWEST = 4


def locality_index(counts: Locality, null: Locality) -> float:
    """Return the share of same-channel pairs that are neighbours, over that share under the null.

    Neighbours have 0 < |d|∞ ≤ 2 pixels. counts: S(d) of a mask; null: its uniform null. Random masks give 1; nan when
    there is no same-channel pair, or none is possible. docs/science.md, "Scalars", the scalar "locality".
    """
    check_localities(counts, null)
    share, expected = _neighbour_share(counts.same), _neighbour_share(null.same)
    return share / expected if expected > 0 else float("nan")


def half_width(counts: Locality, null: Locality) -> float:
    """Return the distance, in pixels, at which the excess of same-channel pairs has halved.

    It is where g - 1 falls to half of its value in the nearest ring, with linear interpolation between the rings.
    counts, null: as for ``locality_index``. nan when the nearest ring holds no excess. docs/science.md, "Scalars".
    """
    check_localities(counts, null)
    excess = radial_profile(counts.same, null.same) - 1
    distance = np.flatnonzero(np.isfinite(excess))
    if distance.size == 0 or excess[distance[0]] <= 0:
        return float("nan")
    value = excess[distance]
    half = value[0] / 2
    fallen = value <= half
    if not fallen.any():  # only under a null of another mask: under its own, g averages to 1
        return float("nan")
    after = int(np.argmax(fallen))
    before = after - 1
    step = (value[before] - half) / (value[before] - value[after])
    return float(distance[before] + step * (distance[after] - distance[before]))


def anisotropy(counts: Locality, null: Locality) -> float:
    """Return how much denser same-channel pairs are along the axes than along the diagonals.

    It is g on the axes (dx = 0 or dy = 0) over g on the diagonals (|dx| = |dy|), both at the distances √2·k of
    the diagonal displacements (k, k), k = 2, 3, … up to half of the image's smaller side (at least 2),
    weighted by the diagonals' expected pairs. g on the axes is interpolated linearly to those distances, so that
    a plain decay with the distance cancels. counts, null: as for ``locality_index``. 1 is isotropic, more means that
    S(d) has the shape of a cross. inf without any diagonal pair; nan for images less than 4 pixels wide or high, and
    without pairs. docs/science.md, "Scalars".
    """
    check_localities(counts, null)
    return anisotropy_of_rays(_rays(counts.same), null)


def null_anisotropy(mask: Mask, shape: ImageShape, null: Locality) -> float:
    """Return the ``anisotropy`` of a mask by counting the pairs on the rays alone, which is faster than all of S(d)."""
    smaller = min(shape[1:])
    if smaller < NARROWEST:
        return float("nan")
    longest = min(smaller - 1, int(np.sqrt(2) * _last_diagonal(smaller)) + 1)
    return anisotropy_of_rays(ray_pairs(mask.array, shape, longest), null)


def anisotropy_of_rays(rays: Rays, null: Locality) -> float:
    """Return the ``anisotropy`` from the pairs on the axes and on the diagonals, each indexed by k."""
    smaller = min(side // 2 + 1 for side in null.same.shape)
    if smaller < NARROWEST:
        return float("nan")
    k = np.arange(FIRST_DIAGONAL, _last_diagonal(smaller) + 1)
    (axes, diagonals), (expected_axes, expected_diagonals) = rays, _rays(null.same)
    weight = expected_diagonals[k]
    near = np.floor(np.sqrt(2) * k).astype(np.int64)
    part = np.sqrt(2) * k - near
    if not weight.sum() > 0:
        return float("nan")
    density = relative_density(axes, expected_axes[: len(axes)])
    along_axes = float((weight * ((1 - part) * density[near] + part * density[near + 1])).sum())
    along_diagonals = float(diagonals[k].sum())
    if along_diagonals > 0:
        return along_axes / along_diagonals
    return float("inf") if along_axes > 0 else float("nan")


def radius_of_gyration(mask: Any, shape: ImageShape) -> NDArray[np.float64]:
    """Return the root mean square distance, in pixels, of each node's inputs from their centre.

    mask: [n_out, C·H·W]; shape: (C, H, W); inputs in different channels count each. Returns float64 [n_out],
    0 for a node with a single input and nan for a node without inputs; the scalar of a layer (``measure``) averages
    only nodes with a fan-in of 2 or more. Raises InputError unless C·H·W = n_in. docs/science.md, "Scalars".
    """
    shape = image_shape(shape)
    images = Mask.of(mask).images(shape)
    radii = np.zeros(len(images))
    # Sums of integers are exact, so that the numbers do not depend on how many nodes are summed at once.
    step = max(1, SUMMED // (shape[1] * shape[2]))
    for start in range(0, len(images), step):
        nodes = slice(start, start + step)
        radii[nodes] = _radii(images[nodes].view(np.uint8).sum(axis=1, dtype=np.min_scalar_type(shape[0])))
    return radii


def _radii(pixels: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.float64]:
    """Return the radius of gyration of each node from the numbers of its inputs by pixel, [nodes, H, W]."""
    lines = [pixels.sum(axis=axis, dtype=np.uint32).astype(np.float64) for axis in (1, 2)]
    connections = lines[0].sum(axis=1)
    alive = connections > 0
    total = np.where(alive, connections, np.nan)
    variance = np.zeros(len(pixels))
    for line in lines:
        # Integer coordinates keep the sums exact, so that the radius of a single input is exactly 0.
        position = np.arange(line.shape[1], dtype=np.float64)
        first, second = line @ position, line @ position**2
        variance += (second * total - first**2) / total**2
    return np.sqrt(variance)


def _last_diagonal(smaller: int) -> int:
    """Return the largest k of the diagonals (k, k) in the ``anisotropy`` of images with this smaller side."""
    return max(FIRST_DIAGONAL, int(smaller / 2 / np.sqrt(2)))


def _rays(counts: NDArray[Any]) -> Rays:
    """Return S(d) on the axes, (±k, 0) and (0, ±k), and on the diagonals, (±k, ±k), summed over signs, indexed by k."""
    y, x = (side // 2 for side in counts.shape)
    k = np.arange(min(y, x) + 1)
    axes = counts[y + k, x] + counts[y - k, x] + counts[y, x + k] + counts[y, x - k]
    diagonals = counts[y + k, x + k] + counts[y + k, x - k] + counts[y - k, x + k] + counts[y - k, x - k]
    return axes.astype(np.float64), diagonals.astype(np.float64)


def _neighbour_share(same: NDArray[Any]) -> float:
    y, x = (side // 2 for side in same.shape)
    near = same[
        max(0, y - NEIGHBOURHOOD) : y + NEIGHBOURHOOD + 1, max(0, x - NEIGHBOURHOOD) : x + NEIGHBOURHOOD + 1
    ]
    total = float(same.sum())
    return float(near.sum()) / total if total > 0 else float("nan")
