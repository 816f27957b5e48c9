"""prunescope.observables.measure: run with `pytest tests/observables/test_measure.py`."""

import json

import numpy as np
import pytest
import torch

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables import (
    Scalar,
    anisotropy,
    fan_in_variance_ratio,
    locality,
    locality_index,
    measure,
    radius_of_gyration,
    scaled_participation,
    shuffle_at_fan_in,
    uniform_null,
)
from prunescope.observables.null_moments import fan_in_ratio_null, locality_null, participation_null
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
    found = measure(mask, SHAPE, weights=weights)
    null = uniform_null(mask.sum(axis=1), SHAPE)
    assert found.fan_in_mean == mask.sum(axis=1).mean()
    assert found.fan_in_variance_ratio.value == fan_in_variance_ratio(mask)
    assert found.locality.value == locality_index(locality(mask, SHAPE), null)
    assert found.scaled_participation.value == pytest.approx(np.nanmean(scaled_participation(weights, mask)))
    content = Mask(mask).digest
    shuffled = [shuffle_at_fan_in(mask, generator(0, f"null of {content}", 0, k)) for k in range(50)]
    for scalar, of in (
        (found.anisotropy, lambda m: anisotropy(locality(m, SHAPE), null)),
        (found.radius_of_gyration, lambda m: radius_of_gyration(m, SHAPE).mean()),
    ):
        values = [of(m) for m in shuffled]
        mean, sd = np.mean(values), np.std(values, ddof=1)
        assert (scalar.value, scalar.shuffles) == (pytest.approx(of(mask)), 50)
        assert (scalar.null_mean, scalar.null_sd) == (pytest.approx(mean), pytest.approx(sd))
        assert scalar.z == pytest.approx((of(mask) - mean) / sd)


def test_closed_forms_are_those_of_the_mask_and_say_that_nothing_was_shuffled():
    mask = random_mask(0)
    fan_in = mask.sum(axis=1)
    for shape in (SHAPE, None):
        found = measure(mask, shape, weights=np.ones(mask.shape))
        expected = fan_in_ratio_null(60, 192, int(mask.sum()))
        assert (found.fan_in_variance_ratio.null_mean, found.fan_in_variance_ratio.null_sd) == (
            expected.mean,
            expected.sd,
        )
        assert found.fan_in_variance_ratio.shuffles == 0
        assert found.scaled_participation.null_sd == participation_null(fan_in).sd
        assert found.scaled_participation.shuffles == 0
    local = measure(mask, SHAPE).locality
    assert (local.null_mean, local.null_sd) == (1, locality_null(fan_in, SHAPE, 2).sd)
    assert local.shuffles == 0


def test_random_masks_are_at_chance():
    found = [measure(random_mask(seed), SHAPE) for seed in range(12)]
    names = ("fan_in_variance_ratio", "locality", "anisotropy", "radius_of_gyration")
    z = np.array([[getattr(observables, name).z for name in names] for observables in found])
    # Each z is about standard normal; means of 12 have sd 0.3.
    assert np.abs(z.mean(axis=0)).max() < 1.2
    assert np.abs(z).max() < 5


def test_the_half_width_has_no_null_because_half_of_all_random_masks_have_none():
    found = [measure(random_mask(seed), SHAPE, shuffles=0).half_width for seed in range(12)]
    assert 0 < np.isnan([one.value for one in found]).sum() < 12
    for one in (*found, measure(patches(), SHAPE).half_width):
        assert np.isnan([one.null_mean, one.null_sd, one.z]).all()
        assert one.shuffles is None


def test_normal_weights_are_at_chance_and_lone_weights_are_not():
    mask = random_mask(3)
    normal = generator(4, "test").normal(size=mask.shape)
    assert abs(measure(mask, SHAPE, weights=normal).scaled_participation.z) < 5
    assert measure(mask, SHAPE, weights=normal**5).scaled_participation.z > 10


def test_a_null_that_is_not_always_defined_is_not_given():
    values = [float(k % 3) for k in range(51)]
    complete, partial = Scalar.against(5.0, values), Scalar.against(5.0, [*values, float("nan")])
    sd = np.std(values, ddof=1)
    assert (complete.null_mean, complete.null_sd, complete.z) == (1, sd, 4 / sd)
    assert complete.shuffles == 51
    for none in (partial, Scalar.against(5.0, [])):
        assert np.isnan([none.null_mean, none.null_sd, none.z]).all()
        assert none.shuffles is None


def test_fifty_shuffles_give_the_sd_a_relative_error_of_a_tenth():
    rng = generator(0, "test")
    sds = [Scalar.against(0.0, list(rng.normal(size=50))).null_sd for _ in range(400)]
    assert np.std(sds) == pytest.approx(1 / np.sqrt(2 * 49), rel=0.15)
    assert np.isnan(Scalar.against(0.0, list(rng.normal(size=49))).null_sd)


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
    one, other = (measure(random_mask(seed), SHAPE).radius_of_gyration for seed in (0, 1))
    assert one.null_mean != other.null_mean


def test_the_same_mask_has_the_same_numbers_in_any_container_and_for_any_seed():
    mask = random_mask(0)
    first = measure(mask, SHAPE)
    for same in (mask.astype(np.float32), mask.astype(np.int64), torch.tensor(mask), np.asfortranarray(mask)):
        assert repr(measure(same, SHAPE)) == repr(first)  # nan is not equal to itself
    with pytest.warns(DeprecationWarning, match="has no effect"):
        assert repr(measure(mask, SHAPE, seed=3)) == repr(first)


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


@pytest.mark.parametrize("shuffles", [0, 1, 49])
def test_fewer_than_fifty_shuffles_leave_z_undefined_where_there_is_no_closed_form(shuffles):
    found = measure(random_mask(0), SHAPE, shuffles=shuffles)
    assert np.isfinite(found.locality.z)
    assert np.isfinite(found.radius_of_gyration.value)
    assert np.isfinite(found.radius_of_gyration.null_mean) == (shuffles > 0)
    assert np.isnan(found.radius_of_gyration.z)
    assert found.radius_of_gyration.shuffles == (shuffles or None)


def test_to_dict_has_every_scalar_in_plain_json():
    result = measure(Mask(random_mask(0)), SHAPE, shuffles=3).to_dict()
    assert set(result) == {"fan_in_mean", *SCALARS}
    for name in SCALARS:
        assert set(result[name]) == {"value", "null_mean", "null_sd", "z", "shuffles"}
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["scaled_participation"]["value"] is None


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="shuffles must be 0 or more, got -1"):
        measure(random_mask(0), SHAPE, shuffles=-1)
    with pytest.raises(InputError, match=r"weights have shape \(2, 2\)"):
        measure(random_mask(0), SHAPE, weights=np.ones((2, 2)))
    with pytest.raises(ValueError, match="3x9x9 does not hold 192"):
        measure(random_mask(0), (3, 9, 9))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_there_is_no_participation_of_weights_that_are_not_finite(value):
    mask = np.array([[1, 1, 0, 1], [1, 0, 1, 1]])
    weights = np.ones((2, 4))
    weights[0, 2] = value  # pruned
    assert measure(mask, None, weights=weights).scaled_participation.value == 1
    weights[0, 0] = value
    assert np.isnan(measure(mask, None, weights=weights).scaled_participation.value)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 6), (1, 6, 1), (6, 1, 1), (2, 3, 1)])
@pytest.mark.parametrize("kept", ["none", "all", "one"])
@pytest.mark.parametrize("n_out", [1, 3])
def test_masks_of_odd_shapes_are_measured_without_warnings(shape, kept, n_out):
    array = np.full((n_out, int(np.prod(shape))), kept == "all")
    array[0, 0] |= kept == "one"
    found = measure(array, shape, shuffles=3)
    assert found.fan_in_mean == array.sum() / n_out
    assert np.isfinite(
        [v for s in found.to_dict().values() if isinstance(s, dict) for v in s.values() if v]
    ).all()
