"""prunescope.observables.margins and count_distributions: run with `pytest tests/observables/test_margins.py`."""

import re
from math import comb

import numpy as np
import pytest

from prunescope.mask import Mask
from prunescope.observables.count_distributions import hypergeometric, independent
from prunescope.observables.margins import MaskSide, largest, margin_scalars, tail
from prunescope.observables.null_moments import Moments
from prunescope.randomness import generator
from reference.small_masks import masks_with, masks_with_fan_in

DRAWS = 2000
# The sd of DRAWS normal values has a relative error of 1.6 %; those of maxima and of rare events a few times that.
SD = 0.08


def moments(values):
    return Moments(float(np.mean(values)), float(np.std(values)))


def same(found, values):
    """Mean and sd are those of all masks of the null."""
    expected = moments(values)
    assert found.mean == pytest.approx(expected.mean)
    assert found.sd == pytest.approx(expected.sd, abs=1e-9)


def near(found, values, slack=0.0):
    """Mean and sd are those of draws, the mean up to ``slack`` sds more than their error."""
    expected = moments(values)
    assert abs(found.mean - expected.mean) <= expected.sd * (4.5 / np.sqrt(len(values)) + slack)
    assert found.sd == pytest.approx(expected.sd, rel=SD)


def unequal(n_out, n_in, density, spread, seed=0):
    """A mask whose units and inputs keep weights with unequal probabilities."""
    rng = generator(seed, "test")
    out, into = (rng.lognormal(0, spread, size) for size in (n_out, n_in))
    return rng.random((n_out, n_in)) < np.minimum(0.95, density * np.outer(out, into))


def scattered_columns(mask, rng):
    """The mask with each column's weights at uniform rows."""
    return np.take_along_axis(mask, np.argsort(rng.random(mask.shape), axis=0), axis=0)


MASK = np.array([[1, 1, 0, 1, 0], [0, 1, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]], bool)


def test_values_of_a_small_mask():
    found = margin_scalars(MASK)
    # Fan-ins 3, 2, 1, 1: mean 7/4, variance 11/16; u = 7/20, binomial variance 5 · 7/20 · 13/20.
    assert found["fan_in_variance_ratio"].value == pytest.approx((11 / 16) / (5 * 7 / 20 * 13 / 20))
    assert found["fan_in_largest"].value == pytest.approx(3 / (7 / 4))
    assert found["fan_out_largest_given_fan_in"].value == pytest.approx(3 / (7 / 5))
    assert (found["dead_units"].value, found["dead_inputs"].value) == (0, 2 / 5)
    assert len(found) == 16


def test_moments_of_all_masks_with_as_many_weights():
    units = MaskSide.units(Mask(MASK[:, :4]))
    masks = list(masks_with(7, 4, 4))
    same(units.anywhere.dead, [1 - mask.any(axis=1).mean() for mask in masks])
    same(units.turned.anywhere.dead, [1 - mask.any(axis=0).mean() for mask in masks])
    binomial = 7 / 4 * (1 - 7 / 16)
    same(units.anywhere.ratio, [mask.sum(axis=1).var() / binomial for mask in masks])


def test_moments_of_all_masks_with_the_other_margins():
    null = MaskSide.units(Mask(MASK.T)).given_across  # [5, 4], whose inputs have fan-outs 3, 2, 1, 1
    masks = [mask.T for mask in masks_with_fan_in([3, 2, 1, 1], 5)]
    binomial = 7 / 5 * (1 - 7 / 20)
    same(null.ratio, [one.sum(axis=1).var() / binomial for one in masks])
    same(null.dead, [1 - one.any(axis=1).mean() for one in masks])
    # The largest and the tail of five units: approximate.
    highest = moments([one.sum(axis=1).max() for one in masks])
    assert null.line.largest_of(5).mean == pytest.approx(highest.mean, abs=0.05 * highest.sd)
    share = moments([(one.sum(axis=1) > 2).mean() for one in masks])
    assert null.line.share_beyond(2, 5).mean == pytest.approx(share.mean)


@pytest.mark.parametrize(
    ("n_out", "n_in", "density", "spread"),
    [
        (60, 90, 0.3, 0.5),
        (90, 60, 0.05, 0.7),
        (200, 40, 0.5, 0.1),
        (50, 50, 0.02, 0.3),
        (12, 300, 0.2, 0.5),
        (12, 40, 0.9, 0.0),
    ],
)
def test_moments_of_drawn_masks(n_out, n_in, density, spread):
    mask = Mask(unequal(n_out, n_in, density, spread))
    lines, rng = MaskSide.units(mask), generator(1, "test")
    anywhere = rng.multivariate_hypergeometric([n_in] * n_out, mask.kept, DRAWS)
    given = np.array([scattered_columns(mask.array, rng).sum(axis=1) for _ in range(DRAWS)])
    binomial = mask.kept / n_out * (1 - mask.density)
    for null, fan_ins in ((lines.anywhere, anywhere), (lines.given_across, given)):
        near(null.ratio, fan_ins.var(axis=1) / binomial)
        if null.dead.mean > 1e-3:
            near(null.dead, (fan_ins == 0).mean(axis=1))
        near(null.line.largest_of(n_out), fan_ins.max(axis=1), slack=0.04)
        beyond = null.line.quantile(0.99)
        assert (fan_ins > beyond).mean() < 0.0105
        assert (fan_ins >= beyond).mean() > 0.0095
        near(null.line.share_beyond(beyond, n_out), (fan_ins > beyond).mean(axis=1), slack=0.02)


def test_distributions_against_slow_ones():
    shares = np.array([0.5, 0.5, 0.1, 0.0, 1.0, 0.9, 0.33])
    expected = np.ones(1)
    for share in shares:
        expected = np.convolve(expected, [1 - share, share])
    found = independent(shares)
    np.testing.assert_allclose(
        found.probability, expected[found.first : found.first + found.probability.size], atol=1e-15
    )
    assert found.probability.size == 6  # one always, one never
    found = hypergeometric(20, 7, 5)
    expected = [comb(7, k) * comb(13, 5 - k) / comb(20, 5) for k in range(6)]
    np.testing.assert_allclose(found.probability, expected, rtol=1e-9)


def test_heavy_tails_are_found():
    mask = unequal(150, 200, 0.05, 0.02)
    heavy = mask.copy()
    heavy[:4] = generator(3, "test").random((4, 200)) < 0.4
    plain, found = margin_scalars(mask), margin_scalars(heavy)
    for name in ("variance_ratio", "largest", "tail"):
        for ending in ("", "_given_fan_out"):
            assert abs(plain[f"fan_in_{name}{ending}"].z) < 4
            assert found[f"fan_in_{name}{ending}"].z > (3 if name == "tail" else 6)
            # The weights of four units are spread evenly over inputs.
            assert abs(found[f"fan_out_{name}{ending.replace('out', 'in')}"].z) < 4


def test_a_null_that_keeps_fan_outs_explains_units_that_are_dead_because_inputs_are_full():
    # A tenth of the inputs hold nearly all weights, so that fan-ins are nearly equal whatever else is random.
    mask = np.zeros((100, 100), bool)
    mask[:, :10] = generator(4, "test").random((100, 10)) < 0.9
    found = margin_scalars(mask)
    assert found["fan_in_variance_ratio"].z < -4
    assert abs(found["fan_in_variance_ratio_given_fan_out"].z) < 4
    assert found["fan_in_variance_ratio_given_fan_out"].null_mean == pytest.approx(0.11, abs=0.03)


def test_sides_change_places_with_the_axes_and_order_plays_no_part():
    mask = unequal(30, 50, 0.2, 0.4)
    found, turned = margin_scalars(mask), margin_scalars(mask.T)
    other = {"fan_in": "fan_out", "fan_out": "fan_in", "units": "inputs", "inputs": "units"}
    for name, scalar in found.items():
        assert turned[re.sub("|".join(other), lambda word: other[word[0]], name)] == scalar
    rng = generator(5, "test")
    for name, scalar in margin_scalars(mask[rng.permutation(30)][:, rng.permutation(50)]).items():
        assert scalar.z == pytest.approx(found[name].z, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 4)])
@pytest.mark.parametrize("value", [0, 1])
def test_empty_and_dense_masks_have_no_margins(shape, value):
    assert all(np.isnan(scalar.value) for scalar in margin_scalars(np.full(shape, value)).values())


def test_one_unit_has_no_choice():
    found = margin_scalars([[1, 0, 1, 0, 1]])
    assert (found["fan_in_largest"].value, found["fan_in_largest"].null_mean) == (1, 1)
    assert np.isnan(found["fan_in_largest"].z)
    assert found["dead_inputs"].null_mean == pytest.approx(0.4)
    assert np.isnan(found["dead_inputs"].z)  # their number is fixed


def test_largest_and_tail_by_one_null():
    lines = MaskSide.units(Mask(MASK))
    assert largest(lines, lines.anywhere).value == pytest.approx(12 / 7)
    assert tail(lines, lines.anywhere).value == 0
