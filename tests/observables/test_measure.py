"""prunescope.observables.measure: run with `pytest tests/observables/test_measure.py`."""

import json

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables import (
    Scalar,
    fan_in_variance_ratio,
    locality,
    locality_index,
    measure,
    radius_of_gyration,
    scaled_participation,
    shuffle_at_fan_in,
    uniform_null,
)
from prunescope.randomness import generator

SHAPE = (3, 8, 8)
SPATIAL = ("locality", "half_width", "anisotropy", "radius_of_gyration")
SCALARS = ("fan_in_variance_ratio", *SPATIAL, "scaled_participation")


def random_mask(seed, n_out=60, density=0.1):
    return generator(seed, "test").random((n_out, 192)) < density


def patches(n_out=40):
    images = np.zeros((n_out, *SHAPE), dtype=np.bool_)
    for node, image in enumerate(images):
        y, x = divmod(node * 7 % 25, 5)
        image[node % 3, y : y + 3, x : x + 3] = True
    return images.reshape(n_out, -1)


def test_values_and_nulls_are_those_of_the_functions_themselves():
    mask, weights = random_mask(0), generator(1, "test").normal(size=(60, 192))
    found = measure(mask, SHAPE, shuffles=5, seed=7, weights=weights)
    null = uniform_null(mask.sum(axis=1), SHAPE)
    assert found.fan_in_mean == mask.sum(axis=1).mean()
    assert found.fan_in_variance_ratio.value == fan_in_variance_ratio(mask)
    assert found.locality.value == locality_index(locality(mask, SHAPE), null)
    assert found.radius_of_gyration.value == pytest.approx(np.nanmean(radius_of_gyration(mask, SHAPE)))
    assert found.scaled_participation.value == pytest.approx(np.nanmean(scaled_participation(weights, mask)))
    shuffled = [shuffle_at_fan_in(mask, generator(7, f"null of {Mask(mask).digest}", 0, k)) for k in range(5)]
    indices = [locality_index(locality(m, SHAPE), null) for m in shuffled]
    assert found.locality.null_mean == pytest.approx(np.mean(indices))
    assert found.locality.null_sd == pytest.approx(np.std(indices, ddof=1))
    assert found.locality.z == pytest.approx(
        (found.locality.value - np.mean(indices)) / np.std(indices, ddof=1)
    )


def test_the_null_of_the_fan_in_is_binomial_and_needs_no_geometry():
    mask = random_mask(0)
    draws = [
        generator(7, f"null-fan-in of {Mask(mask).digest}", 0, k).binomial(192, mask.mean(), 60)
        for k in range(5)
    ]
    u = [fan_in.mean() / 192 for fan_in in draws]
    ratios = [fan_in.var() / (192 * v * (1 - v)) for fan_in, v in zip(draws, u, strict=True)]
    for shape in (SHAPE, None):
        found = measure(mask, shape, shuffles=5, seed=7).fan_in_variance_ratio
        assert found.null_mean == pytest.approx(np.mean(ratios))
        assert found.null_sd == pytest.approx(np.std(ratios, ddof=1))


def test_random_masks_are_at_chance():
    found = [measure(random_mask(seed), SHAPE) for seed in range(12)]
    names = ("fan_in_variance_ratio", "locality", "anisotropy", "radius_of_gyration")
    z = np.array([[getattr(observables, name).z for name in names] for observables in found])
    # Each z is about standard normal (t with 19 degrees of freedom); means of 12 have sd 0.3.
    assert np.abs(z.mean(axis=0)).max() < 1.5
    assert np.abs(z).max() < 6
    # Half of the random masks have no excess of near pairs, so its width has no null to hold against.
    assert all(np.isnan(observables.half_width.z) for observables in found)


def test_normal_weights_are_at_chance_and_lone_weights_are_not():
    mask = random_mask(3)
    normal = generator(4, "test").normal(size=mask.shape)
    assert abs(measure(mask, SHAPE, weights=normal).scaled_participation.z) < 5
    # E C·IPR of C normal weights is 3C/(C+2).
    fan_in = mask.sum(axis=1)
    null = measure(mask, SHAPE, weights=normal).scaled_participation.null_mean
    assert null == pytest.approx((3 * fan_in / (fan_in + 2)).mean(), rel=0.03)
    assert measure(mask, SHAPE, weights=normal**5).scaled_participation.z > 10


def test_a_null_that_is_not_always_defined_gives_no_z():
    complete, partial = (Scalar.against(5.0, [1.0, 2.0, last]) for last in (3.0, float("nan")))
    assert (complete.null_mean, complete.null_sd, complete.z) == (2, 1, 3)
    assert partial.null_mean == 1.5
    assert np.isnan(partial.null_sd)
    assert np.isnan(partial.z)
    assert np.isnan(Scalar.against(5.0, []).z)


def test_patches_are_local_and_compact():
    found = measure(patches(), SHAPE)
    assert found.locality.value > 2
    assert found.locality.z > 10
    assert found.radius_of_gyration.z < -10
    assert found.radius_of_gyration.value == pytest.approx(np.sqrt(4 / 3))


def test_uneven_fan_in_shows_against_the_binomial():
    mask = random_mask(5)
    mask[:6] |= generator(6, "test").random((6, 192)) < 0.5
    found = measure(mask, SHAPE).fan_in_variance_ratio
    assert found.value > 3
    assert abs(found.null_mean - 1) < 0.2
    assert found.z > 10


def test_two_masks_have_nulls_of_their_own():
    one, other = (measure(random_mask(seed), SHAPE, shuffles=4).fan_in_variance_ratio for seed in (0, 1))
    assert one.null_mean != other.null_mean


def test_the_same_seed_gives_the_same_numbers():
    first, again, other = (measure(random_mask(0), SHAPE, shuffles=4, seed=seed) for seed in (1, 1, 2))
    assert first.locality == again.locality
    assert first.locality.value == other.locality.value
    assert first.locality.null_mean != other.locality.null_mean


@pytest.mark.parametrize("mask", [np.zeros((4, 192)), np.eye(4, 192), np.ones((4, 192))])
def test_masks_without_pairs_or_without_choice_measure_without_a_warning(mask):
    found = measure(mask, SHAPE, weights=np.ones((4, 192)), shuffles=3)
    assert np.isnan(found.locality.z)
    assert np.isnan(found.fan_in_variance_ratio.z) or mask.sum() == 4
    if mask.sum() < 5:
        assert all(np.isnan(getattr(found, name).value) for name in SPATIAL)
    json.dumps(found.to_dict(), allow_nan=False)


def test_without_geometry_or_weights_only_what_needs_them_is_missing():
    found = measure(random_mask(0), None)
    assert np.isfinite(found.fan_in_variance_ratio.z)
    assert all(np.isnan(getattr(found, name).value) for name in (*SPATIAL, "scaled_participation"))


@pytest.mark.parametrize("shape", [(1, 1, 192), (3, 1, 64), (192, 1, 1)])
def test_other_geometries_are_measured(shape):
    found = measure(random_mask(0), shape, shuffles=3)
    assert np.isfinite(found.locality.value) == (shape != (192, 1, 1))
    assert np.isnan(found.anisotropy.value)


@pytest.mark.parametrize("shuffles", [0, 1])
def test_few_shuffles_leave_z_undefined(shuffles):
    found = measure(random_mask(0), SHAPE, shuffles=shuffles).locality
    assert np.isfinite(found.value)
    assert np.isfinite(found.null_mean) == (shuffles == 1)
    assert np.isnan(found.z)


def test_to_dict_has_every_scalar_in_plain_json():
    result = measure(Mask(random_mask(0)), SHAPE, shuffles=3).to_dict()
    assert set(result) == {"fan_in_mean", *SCALARS}
    for name in SCALARS:
        assert set(result[name]) == {"value", "null_mean", "null_sd", "z"}
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["scaled_participation"]["value"] is None


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="shuffles must be 0 or more, got -1"):
        measure(random_mask(0), SHAPE, shuffles=-1)
    with pytest.raises(InputError, match=r"weights have shape \(2, 2\)"):
        measure(random_mask(0), SHAPE, weights=np.ones((2, 2)))
    with pytest.raises(ValueError, match="3x9x9 does not hold 192"):
        measure(random_mask(0), (3, 9, 9))
