"""prunescope.observables.scalars: run with `pytest tests/observables/test_scalars.py`."""

import numpy as np
import pytest

from prunescope.mask import Mask
from prunescope.observables import (
    Locality,
    anisotropy,
    half_width,
    locality,
    locality_index,
    radius_of_gyration,
    uniform_null,
)
from prunescope.observables.scalars import null_anisotropy

SHAPE = (1, 8, 8)


def drawn(*pixels, shape=SHAPE):
    """A node that keeps these pixels (y, x) of channel 0."""
    image = np.zeros(shape, dtype=np.bool_)
    for y, x in pixels:
        image[0, y, x] = True
    return image.reshape(1, -1)


PATCH = drawn(*((y, x) for y in (2, 3, 4) for x in (3, 4, 5)))
LINE = drawn(*((4, x) for x in range(1, 7)))
DIAGONAL = drawn(*((k, k) for k in range(6)))


def scalar(function, mask, shape=SHAPE):
    mask = np.asarray(mask)
    return function(locality(mask, shape), uniform_null(mask.sum(axis=1), shape))


def neighbour_share_at_random(height, width):
    """Return the share of all ordered pixel pairs within 2 pixels, counted one by one."""
    pixels = [(y, x) for y in range(height) for x in range(width)]
    pairs = [(abs(a - c), abs(b - d)) for a, b in pixels for c, d in pixels if (a, b) != (c, d)]
    return sum(max(pair) <= 2 for pair in pairs) / len(pairs)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 9, 7), (2, 16, 20), (1, 3, 12), (3, 1, 30)])
@pytest.mark.parametrize("n_out", [1, 64, 70])
def test_pairs_on_the_rays_alone_give_the_same_anisotropy(shape, n_out):
    mask = np.random.default_rng(n_out).random((n_out, int(np.prod(shape)))) < 0.4
    null = uniform_null(mask.sum(axis=1), shape)
    found, expected = null_anisotropy(Mask(mask), shape, null), anisotropy(locality(mask, shape), null)
    assert found == expected or (np.isnan(found) and np.isnan(expected))


def test_locality_index_of_written_out_masks():
    at_random = neighbour_share_at_random(8, 8)
    # A 3×3 patch has no pair farther than 2.
    assert scalar(locality_index, PATCH) == pytest.approx(1 / at_random)
    # A line of six: (5 + 4) of the 5 + 4 + 3 + 2 + 1 pairs are within 2.
    assert scalar(locality_index, LINE) == pytest.approx(9 / 15 / at_random)
    # Two far corners are never neighbours.
    assert scalar(locality_index, drawn((0, 0), (7, 7))) == 0
    # A dense layer is exactly at chance.
    assert scalar(locality_index, np.ones((3, 64))) == pytest.approx(1)


def test_locality_index_of_a_series():
    # Of 20 samples, pairs within 2: 19 + 18 of 190. The node's: (3, 4) and not (3, 9), (4, 9).
    mask = np.zeros((1, 20))
    mask[0, [3, 4, 9]] = 1
    assert scalar(locality_index, mask, (1, 1, 20)) == pytest.approx((1 / 3) / (37 / 190))


def test_half_width_interpolates_between_rings():
    null = uniform_null([4], (1, 1, 9))
    # g - 1 is 4 at |dx| = 1, 3 at 2, 1 at 3, then 0: half of 4 lies midway between 2 and 3.
    g = np.array([1, 1, 1, 1, 1, 2, 4, 5, 0, 5, 4, 2, 1, 1, 1, 1, 1.0])
    counts = Locality(null.same * g, null.different)
    assert half_width(counts, null) == pytest.approx(2.5)


def test_half_width_grows_with_the_patch_and_is_nan_without_an_excess():
    large = drawn(*((y, x) for y in range(1, 6) for x in range(1, 6)))
    assert 1 < scalar(half_width, PATCH) < scalar(half_width, large) < 5
    assert np.isnan(scalar(half_width, drawn((0, 0), (7, 7))))


def test_anisotropy_of_lines_and_diagonals():
    assert scalar(anisotropy, LINE) == np.inf
    assert scalar(anisotropy, LINE.reshape(8, 8).T.reshape(1, -1)) == np.inf
    assert scalar(anisotropy, DIAGONAL) == 0
    assert scalar(anisotropy, np.ones((2, 64))) == pytest.approx(1)


def test_anisotropy_of_a_patch():
    # 8×8 reaches to k = 2 only. At |d| = 2 on the axes a 3×3 patch has 4·3 pairs, at 3 none; at (2, 2) 4·1.
    # Pixel pairs of the image: 4·8·6 at 2 on the axes, 4·6·6 at (2, 2).
    near_share = 3 - np.sqrt(8)
    assert scalar(anisotropy, PATCH) == pytest.approx(near_share * (12 / (4 * 48)) / (4 / (4 * 36)))


def test_a_smooth_decay_with_the_distance_alone_is_isotropic():
    null = uniform_null([9], (1, 16, 16))
    dy, dx = np.mgrid[-15:16, -15:16]
    counts = Locality(null.same * (1 + 3 / (1 + np.hypot(dy, dx))), null.different)
    assert anisotropy(counts, null) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("shape", [(3, 1, 30), (1, 3, 30), (1, 1, 1)])
def test_anisotropy_needs_two_dimensions(shape):
    assert np.isnan(scalar(anisotropy, np.ones((2, int(np.prod(shape)))), shape))


def test_radius_of_gyration_of_written_out_masks():
    shape = (2, 5, 5)
    images = np.zeros((6, *shape))
    images[0, 0, 2, 2] = 1  # one input
    images[1, 0, 4, 0] = images[1, 1, 4, 4] = 1  # two, 4 apart, in two channels: each 2 from the centre
    images[2, :, 1, 3] = 1  # one pixel in both channels
    images[3, 0, 0:3, 0:3] = 1  # 3×3: mean square 2/3 along each axis
    images[4, 0, [0, 0, 3], [0, 4, 2]] = 1  # centre (1, 2): squares 5, 5, 4
    radius = radius_of_gyration(images.reshape(6, -1), shape)
    assert radius[:5] == pytest.approx([0, 2, 0, np.sqrt(4 / 3), np.sqrt(14 / 3)])
    assert np.isnan(radius[5])


def test_masks_without_pairs_give_nan():
    for mask in (np.zeros((3, 64)), np.eye(3, 64)):
        for function in (locality_index, half_width, anisotropy):
            assert np.isnan(scalar(function, mask))


def test_radii_do_not_depend_on_how_many_nodes_are_summed_at_once(monkeypatch):
    mask = np.random.default_rng(0).random((7, 24)) < 0.4
    whole = radius_of_gyration(mask, (2, 3, 4))
    for summed in (1, 30):
        monkeypatch.setattr("prunescope.observables.scalars.SUMMED", summed)
        assert np.array_equal(radius_of_gyration(mask, (2, 3, 4)), whole)


def test_radii_are_those_of_the_places_also_of_more_channels_than_a_byte_counts():
    shape = (300, 3, 4)
    mask = np.random.default_rng(1).random((4, 300 * 12)) < np.array([0.01, 0.5, 1.0, 0.2])[:, np.newaxis]
    for row, found in zip(mask, radius_of_gyration(mask, shape), strict=True):
        _, y, x = np.unravel_index(np.flatnonzero(row), shape)
        assert found == pytest.approx(np.sqrt(y.var() + x.var()), rel=1e-12)
