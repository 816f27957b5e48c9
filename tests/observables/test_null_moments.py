"""Closed forms of nulls against simulation: run with `pytest tests/observables/test_null_moments.py`."""

import numpy as np
import pytest

from prunescope.mask import Mask
from prunescope.observables import locality, locality_index, radial_profile, shuffle_at_fan_in, uniform_null
from prunescope.observables.connectivity import participation, variance_ratio
from prunescope.observables.null_moments import (
    Moments,
    fan_in_ratio_null,
    locality_null,
    participation_null,
    radial_null_sd,
)
from prunescope.randomness import generator

DRAWS = 1500
# The sd of DRAWS normal values has a relative error of 1.8 %; some of the distributions have heavier tails.
SD = 0.08


def holds(values, null):
    """Return whether mean and sd of simulated values are those of a closed form."""
    error = null.sd / np.sqrt(len(values))
    return abs(np.mean(values) - null.mean) < 4.5 * error and np.std(values, ddof=1) == pytest.approx(
        null.sd, rel=SD
    )


def fan_ins(shape, density, n_out):
    """Return unequal fan-ins with the given mean density."""
    rng = generator(1, "test")
    return rng.binomial(int(np.prod(shape)), density * rng.uniform(0.2, 1.8, n_out))


def rows(fan_in, n_in):
    return Mask(np.arange(n_in) < np.asarray(fan_in)[:, np.newaxis])


@pytest.mark.parametrize(
    ("shape", "density", "n_out"),
    [
        ((1, 6, 5), 0.4, 5),  # one channel, where the sd is exact
        ((1, 1, 40), 0.2, 10),
        ((3, 6, 6), 0.1, 12),
        ((3, 6, 6), 0.04, 12),  # about 30 same-channel pairs
        ((2, 5, 7), 0.6, 4),
    ],
)
def test_locality_and_radial_profile_of_shuffled_masks(shape, density, n_out):
    fan_in = fan_ins(shape, density, n_out)
    null, mask = uniform_null(fan_in, shape), rows(fan_in, int(np.prod(shape)))
    counts = [locality(shuffle_at_fan_in(mask, generator(2, "test", step=k)), shape) for k in range(DRAWS)]
    assert holds([locality_index(one, null) for one in counts], locality_null(fan_in, shape, 2))
    profiles = np.array([radial_profile(one.same, null.same) for one in counts])
    sd = radial_null_sd(fan_in, shape)
    assert np.isnan(sd[0])
    for ring in range(1, len(sd)):
        # The farthest rings hold so few pairs that their counts are far from normal.
        if (profiles[:, ring] == 0).mean() < 0.05:
            assert holds(profiles[:, ring], Moments(1.0, sd[ring]))


def test_a_case_that_can_be_counted():
    """Two of the four pixels of a row: of the six pairs five are within 2 pixels."""
    null = locality_null([2], (1, 1, 4), 2)
    near = np.array([1, 1, 1, 1, 1, 0]) / (5 / 6)
    assert (null.mean, null.sd) == (1, pytest.approx(near.std()))
    # One kept weight in each of two rows of two inputs, or both in one: 4 and 2 of the 6 cases, ratios 0 and 2.
    fan_in = fan_in_ratio_null(2, 2, 2)
    ratios = np.array([0, 0, 0, 0, 2, 2])
    assert (fan_in.mean, fan_in.sd) == (pytest.approx(ratios.mean()), pytest.approx(ratios.std()))


@pytest.mark.parametrize(("n_out", "n_in", "kept"), [(10, 20, 60), (40, 30, 200), (3, 5, 7)])
def test_fan_ins_of_weights_anywhere_in_the_layer(n_out, n_in, kept):
    rng, layer = generator(3, "test"), np.arange(n_out * n_in) < kept
    ratios = [
        variance_ratio(rng.permutation(layer).reshape(n_out, n_in).sum(axis=1), n_in) for _ in range(DRAWS)
    ]
    assert holds(ratios, fan_in_ratio_null(n_out, n_in, kept))


def test_participation_of_normal_weights():
    rng = generator(4, "test")
    fan_in = rng.integers(0, 30, 40)
    means = [np.nanmean(participation(rng.standard_normal(fan_in.sum()), fan_in)) for _ in range(2 * DRAWS)]
    assert holds(means, participation_null(fan_in))


def test_no_rounding_is_left_in_the_sd_of_what_cannot_vary():
    assert locality_null([768] * 5, (3, 16, 16), 2) == Moments(1.0, 0.0)
    assert radial_null_sd([256, 0, 1], (1, 16, 16))[1] == 0
    assert locality_null([5, 3], (1, 2, 3), 2) == Moments(1.0, 0.0)  # every pair is near
    assert np.isnan(locality_null([1, 0], (1, 4, 4), 2).mean)
    assert np.isnan(fan_in_ratio_null(4, 5, 20).sd)
    assert np.isnan(participation_null(np.array([0, 0])).mean)


def test_large_layers_keep_their_digits():
    """Binomial fan-ins of many units have the variance 2/n_out."""
    null = fan_in_ratio_null(10_000, 100_000, 500_000_000)
    assert null.sd == pytest.approx(np.sqrt(2 / 10_000), rel=1e-3)


def test_few_pairs_in_several_channels_have_no_sd():
    """Of two inputs in three channels a third share a channel: seven units have 2.3 such pairs, twenty 6.7."""
    few, more = (locality_null([2] * n_out, (3, 6, 6), 2) for n_out in (7, 20))
    assert few.mean == more.mean == 1
    assert np.isnan(few.sd)
    assert np.isfinite(more.sd)


def test_pairs_of_several_masks_are_those_of_all_their_units():
    """Nine equal masks have a third of the sd."""
    one, nine = (radial_null_sd([20, 30, 40] * times, (1, 8, 8)) for times in (1, 9))
    assert nine[1:] == pytest.approx(one[1:] / 3)
