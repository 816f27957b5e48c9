"""prunescope.observables.flow: run with `pytest tests/observables/test_flow.py`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope import observables
from prunescope.errors import InputError


def test_a_case_worked_out_on_paper():
    levels = [[[[3.0, -1.0]], [[4.0]]], [[[3.0, 0.0]], [[-1.0]]], [[[0.0, 0.0]], [[2.0]]]]
    found = observables.flow(levels, 0.5)
    np.testing.assert_allclose(found.share, [[0.5, 0.5], [0.75, 0.25], [0, 1]])
    np.testing.assert_allclose(found.ratio, [[1.5, 0.5], [0, 4]])
    np.testing.assert_allclose(found.exponent, [[np.log2(1.5), -1], [np.nan, 2]])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 0.9))
def test_shares_flow_and_scale_does_not_matter(seed, rate):
    rng = np.random.default_rng(seed)
    levels = [[rng.normal(size=(4, 3)), rng.normal(size=(2, 4))] for _ in range(4)]
    found = observables.flow(levels, rate)
    np.testing.assert_allclose(found.share.sum(axis=1), 1)
    np.testing.assert_allclose(found.share[0] * found.ratio.prod(axis=0), found.share[-1])
    np.testing.assert_allclose((1 - rate) ** -found.exponent, found.ratio)
    scaled = [[7.0 * n * w for w in level] for n, level in enumerate(levels, 1)]
    np.testing.assert_allclose(observables.flow(scaled, [rate] * 3).exponent, found.exponent, atol=1e-9)


def test_pruning_all_layers_alike_is_marginal():
    weights = np.random.default_rng(0).normal(size=(3, 5))
    levels = [[weights, 2 * weights], [weights / 2, weights]]
    np.testing.assert_allclose(observables.flow(levels, 0.3).exponent, 0, atol=1e-12)


def test_what_is_not_defined_is_nan():
    levels = [[np.ones((1, 2)), np.ones((1, 1))]] * 2
    assert np.isnan(observables.flow(levels, 0.0).exponent).all()  # nothing pruned: no scale
    nothing = observables.flow([levels[0], [np.zeros((1, 2)), np.zeros((1, 1))]], 0.5)
    assert np.isnan(nothing.share[1]).all()
    assert observables.flow(levels[:1], 0.5).ratio.shape == (0, 2)


@pytest.mark.parametrize(
    ("levels", "rate", "message"),
    [
        ([], 0.3, "same hidden layers"),
        ([[np.ones(2)], [np.ones(2)] * 2], 0.3, r"got \[1, 2\] of them"),
        ([[np.ones(2)]] * 2, 1.0, "must lie in"),
        ([[np.ones(2)]] * 2, [0.3, 0.3], "2 levels need 1 rates"),
        ([[np.array([np.nan])]] * 2, 0.3, "nan or inf"),
    ],
)
def test_what_does_not_fit_is_refused(levels, rate, message):
    with pytest.raises(InputError, match=message):
        observables.flow(levels, rate)


def test_shares_of_weights_near_the_largest_float():
    huge = np.full(1000, 1e308)
    shares = observables.flow([[huge, huge[:500]], [huge[:500], huge[:500]]], 0.5).share
    np.testing.assert_allclose(shares, [[2 / 3, 1 / 3], [1 / 2, 1 / 2]])
    shares = observables.flow([[np.full(3, 5e-324), np.full(1, 5e-324)]] * 2, 0.5).share
    assert shares.tolist() == [[0.75, 0.25]] * 2


def test_the_most_negative_integer_has_a_magnitude():
    assert observables.flow([[np.array([-128], np.int8), np.array([64], np.int8)]] * 2, 0.5).share[
        0
    ].tolist() == [
        2 / 3,
        1 / 3,
    ]
