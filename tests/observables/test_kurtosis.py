"""prunescope.observables.kurtosis: run with `pytest tests/observables/test_kurtosis.py`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope import observables
from prunescope.errors import InputError
from prunescope.observables.kurtosis import ordered_rows, random_keys, shuffled_rows
from reference import activations as reference


def problem(seed, images=80, n_out=5, n_in=9, density=0.6):
    rng = np.random.default_rng(seed)
    inputs = rng.gamma(1.5, size=(images, n_in)) @ rng.normal(size=(n_in, n_in)) + rng.normal(size=n_in)
    return rng.normal(size=(n_out, n_in)), rng.random((n_out, n_in)) < density, inputs


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.15, 0.6, 1.0]), st.sampled_from([np.float32, np.float64]))
def test_cavity_is_what_removing_each_weight_does(seed, density, dtype):
    weights, mask, inputs = problem(seed, density=density)
    inputs = inputs.astype(dtype)
    found = observables.cavity(weights, mask, inputs)
    wanted = reference.cavity(weights, mask, inputs.astype(np.float64))
    assert list(zip(found.node.tolist(), found.input.tolist(), strict=True)) == [w[:2] for w in wanted]
    effect, share = np.array([w[2:] for w in wanted]).reshape(-1, 2).T
    clear = np.abs(share / 1e-3 - 1) > 1e-3
    assert (np.isnan(found.effect) == (share < 1e-3))[clear].all()
    known = ~np.isnan(found.effect)
    # contributions that cancel leave the small difference of large moments: rounding times the fourth power
    error = np.abs(found.effect - effect)[known]
    assert (error <= 1e-10 + 1e-12 / share[known] ** 4).all(), error.max()


def test_kurtosis_is_its_definition_and_knows_the_textbook_values():
    weights, mask, inputs = problem(1)
    found = observables.preactivation_kurtosis(weights, mask, inputs)
    wanted = [reference.kurtosis(inputs @ (w * m)) for w, m in zip(weights, mask, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    rng = np.random.default_rng(0)
    textbook = np.stack([rng.normal(size=200_000), rng.uniform(size=200_000), rng.laplace(size=200_000)], 1)
    np.testing.assert_allclose(observables.excess_kurtosis(textbook), [0, -1.2, 3], atol=0.15)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_scale_and_offset_change_nothing(seed, scale, offset):
    weights, mask, inputs = problem(seed)
    mask[:, 0] = True
    other = observables.cavity(scale * weights, mask, inputs + offset)
    np.testing.assert_allclose(
        other.effect, observables.cavity(weights, mask, inputs).effect, rtol=1e-4, atol=1e-6
    )


def test_light_weights_do_little_and_exactly_so():
    weights, mask, inputs = problem(3, density=1.0)
    weights[:, 4] = 1e-7
    effect = observables.cavity(weights, mask, inputs).effect.reshape(weights.shape)[:, 4]
    slope = []
    for node in range(len(weights)):  # the derivative of the kurtosis, by a difference quotient
        up, down = weights[node].copy(), weights[node].copy()
        up[4], down[4] = 1e-4, -1e-4
        slope.append((reference.kurtosis(inputs @ up) - reference.kurtosis(inputs @ down)) / 2e-4)
    np.testing.assert_allclose(effect, -1e-7 * np.array(slope), rtol=1e-3)


def test_dead_nodes_only_weights_and_dead_inputs():
    weights, mask, inputs = problem(4)
    inputs[:, 2] = 5.0  # an input that never varies
    mask[0] = False
    mask[1] = np.arange(9) == 3
    mask[2] = np.arange(9) == 2
    mask[3] = (np.arange(9) == 2) | (np.arange(9) == 3)
    kurtosis = observables.preactivation_kurtosis(weights, mask, inputs)
    assert np.isnan(kurtosis).tolist() == [True, False, True, False, False]
    found = observables.cavity(weights, mask, inputs, nodes=[0, 1, 2, 3])
    assert found.node.tolist() == [1, 2, 3, 3]
    assert np.isnan(found.effect).tolist() == [True, True, False, True]  # node 3 lives by input 3 alone
    assert found.effect[2] == pytest.approx(0, abs=1e-12)
    empty = observables.cavity(weights, mask, inputs, nodes=[])
    assert empty.effect.shape == (0,)


def test_shuffling_keeps_what_it_should():
    weights, mask, inputs = problem(5, images=400)
    inputs[:] = inputs[:, :1]  # one input in all places: positions tell nothing
    shuffled = observables.shuffled_kurtosis(weights, mask, inputs, np.random.default_rng(0))
    np.testing.assert_allclose(shuffled, observables.preactivation_kurtosis(weights, mask, inputs), rtol=1e-6)
    rng = np.random.default_rng(1)
    odd = np.where(np.arange(9) < 3, rng.laplace(size=(4000, 9)), rng.uniform(-1, 1, (4000, 9)))
    mask[:] = np.arange(9) < 3
    shuffled = observables.shuffled_kurtosis(weights, mask, odd, np.random.default_rng(0))
    assert np.mean(shuffled) < np.mean(observables.preactivation_kurtosis(weights, mask, odd))


def test_split_parts_the_weights_by_the_next_mask():
    weights, mask, inputs = problem(6)
    mask[0] = np.arange(9) == 1  # its only weight has no effect that is defined
    effects = observables.cavity(weights, mask, inputs)
    following = mask & (np.abs(weights) > 0.5)
    split = observables.split_cavity(effects, weights, following)
    assert following[split.kept.node, split.kept.input].all()
    assert not following[split.pruned.node, split.pruned.input].any()
    assert len(split.kept.effect) + len(split.pruned.effect) == mask[1:].sum()
    assert split.kept_size.min() > 0.5 >= split.pruned_size.max()
    assert split.contrast == pytest.approx(split.kept.effect.mean() - split.pruned.effect.mean())
    assert split.lowering()[1] == np.mean(split.pruned.effect < 0)
    threshold = split.pruned_size.max()
    kept, pruned = split.kept_size < 2 * threshold, split.pruned_size > threshold / 2
    assert 0 < kept.sum() < kept.size
    assert 0 < pruned.sum() < pruned.size
    wanted = split.kept.effect[kept].mean() - split.pruned.effect[pruned].mean()
    assert split.near_threshold(2) == pytest.approx(wanted)
    alone = observables.split_cavity(effects, weights, mask)
    assert np.isnan([alone.contrast, alone.near_threshold()]).all()


def test_an_informative_input_shows():
    """The one input with heavy tails is what makes the node non-Gaussian: removing it lowers the kurtosis."""
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(5000, 6))
    inputs[:, 3] = rng.laplace(size=5000) * 2
    effect = observables.cavity(np.ones((1, 6)), np.ones((1, 6), bool), inputs).effect
    assert effect.argmin() == 3
    assert effect[3] < -0.5
    assert (np.delete(effect, 3) > 0).all()


@pytest.mark.parametrize(
    ("weights", "inputs", "message"),
    [
        (np.ones((2, 4)), np.ones((5, 3)), "weights have shape"),
        (np.ones((2, 3)), np.ones((5, 4)), "inputs must be"),
        (np.ones((2, 3)), np.ones((0, 3)), "at least one image"),
        (np.ones((2, 3)), np.ones(3), "at least one image"),
    ],
)
def test_what_does_not_fit_is_refused(weights, inputs, message):
    for function in (observables.preactivation_kurtosis, observables.cavity):
        with pytest.raises(InputError, match=message):
            function(weights, np.ones((2, 3), bool), inputs)


@pytest.mark.parametrize("power", [-1000, -340, -60, 60, 340, 900])
def test_no_scale_of_weights_or_inputs_changes_a_kurtosis_or_an_effect(power):
    rng = np.random.default_rng(3)
    weights, inputs = rng.standard_normal((4, 9)), rng.standard_normal((30, 9))
    mask = rng.random((4, 9)) < 0.7
    plain, effects = (
        observables.preactivation_kurtosis(weights, mask, inputs),
        observables.cavity(weights, mask, inputs).effect,
    )
    samples = observables.excess_kurtosis(inputs)
    assert np.isfinite(plain).all()
    for w, x in ((power, 0), (0, power), (power, power)):
        scaled = np.ldexp(weights, w), mask, np.ldexp(inputs, x)
        np.testing.assert_allclose(observables.preactivation_kurtosis(*scaled), plain, rtol=1e-9)
        np.testing.assert_allclose(observables.cavity(*scaled).effect, effects, rtol=1e-6)
    np.testing.assert_allclose(observables.excess_kurtosis(np.ldexp(inputs, power)), samples, rtol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_give_nan_for_their_node_alone(value):
    weights, mask = np.arange(1.0, 9).reshape(2, 4), np.array([[1, 1, 1, 0], [1, 1, 0, 1]])
    inputs = np.random.default_rng(0).standard_normal((20, 4))
    plain = observables.preactivation_kurtosis(weights, mask, inputs)
    weights[0, 0] = value
    found = observables.preactivation_kurtosis(weights, mask, inputs)
    assert np.isnan(found[0])
    assert found[1] == plain[1]
    assert np.isnan(observables.excess_kurtosis(np.array([[value], [1.0]]))).all()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_rows_are_sorted_by_their_keys_whatever_their_type(kind):
    values = np.random.default_rng(0).standard_normal((150, 31)).astype(kind)
    values[3, 4:9] = [0, -0.0, np.inf, -np.inf, 0]
    keys = random_keys(values.shape, np.random.default_rng(5))
    found = ordered_rows(values, keys)
    wanted = [row[np.argsort(key)] for row, key in zip(values, keys, strict=True)]
    assert found.dtype == kind
    assert found.tobytes() == np.array(wanted).tobytes()
    assert shuffled_rows(values, np.random.default_rng(5)).tobytes() == found.tobytes()


def test_every_entry_is_as_likely_at_every_place():
    values = np.tile(np.arange(6, dtype=np.float32), (30_000, 1))
    found = shuffled_rows(values, np.random.default_rng(0)).astype(np.int64)
    counts = np.array([np.bincount(column, minlength=6) for column in found.T])
    assert np.abs(counts - 5000).max() < 5 * np.sqrt(30_000 * 5 / 36)
    pairs = np.bincount(found[:, 0] * 6 + found[:, 1], minlength=36)
    assert np.abs(pairs[pairs > 0] - 1000).max() < 5 * np.sqrt(1000)
    assert np.count_nonzero(pairs) == 30
