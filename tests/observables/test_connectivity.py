"""prunescope.observables.connectivity: run with `pytest tests/observables/test_connectivity.py`."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables import (
    binomial_fan_in,
    effective_masks,
    fan_in,
    fan_in_excess,
    fan_in_variance_ratio,
    fan_out,
    fan_out_image,
    scaled_participation,
    shuffle_at_fan_in,
)
from prunescope.randomness import generator
from reference.locality import count_paths

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 8), st.integers(1, 20)))


def test_fan_in_and_fan_out_of_a_small_mask():
    mask = [[1, 1, 0, 1], [0, 1, 0, 0]]
    assert fan_in(mask).tolist() == [3, 1]
    assert fan_out(mask).tolist() == [1, 2, 0, 1]
    assert fan_out_image(mask, (1, 2, 2)).tolist() == [[[1, 2], [0, 1]]]
    with pytest.raises(ValueError, match="3x2x2"):
        fan_out_image(mask, (3, 2, 2))


def test_variance_ratio_of_a_small_mask():
    # Fan-ins 3 and 1 of 4: variance 1; u = 1/2, binomial variance 4·1/2·1/2 = 1.
    assert fan_in_variance_ratio([[1, 1, 0, 1], [0, 1, 0, 0]]) == 1.0
    # Fan-ins 4 and 0: variance 4.
    assert fan_in_variance_ratio([[1, 1, 1, 1], [0, 0, 0, 0]]) == 4.0


@pytest.mark.parametrize("mask", [np.ones((3, 4)), np.zeros((3, 4))])
def test_variance_ratio_without_variance_is_nan(mask):
    assert np.isnan(fan_in_variance_ratio(mask))


def test_variance_ratio_of_random_pruning_is_about_one():
    ratios = [fan_in_variance_ratio(generator(k, "test").random((300, 400)) < 0.1) for k in range(20)]
    # The variance of 300 samples has relative standard deviation √(2/299) = 0.08; the mean of 20, 0.018.
    assert abs(np.mean(ratios) - 1) < 0.08


@pytest.mark.parametrize("n_in", [200, 2000])
def test_excess_is_the_spread_of_the_keep_probabilities_whatever_the_number_of_inputs(n_in):
    rng = generator(n_in, "test")
    p = rng.choice([0.05, 0.15], 2000)  # mean 0.1, standard deviation 0.05
    mask = rng.random((2000, n_in)) < p[:, np.newaxis]
    assert fan_in_excess(mask) == pytest.approx(0.5, rel=0.03)
    assert fan_in_variance_ratio(mask) == pytest.approx(1 + (n_in - 1) * 0.05**2 / 0.09, rel=0.06)


def test_excess_of_a_small_mask():
    # Fan-ins 4 and 0: variance 4, binomial 1; (4 - 1) / (4·3) = var p = 1/4, so sd p / mean p = 1.
    assert fan_in_excess([[1, 1, 1, 1], [0, 0, 0, 0]]) == pytest.approx(1.0)
    assert fan_in_excess([[1, 1, 0, 0], [0, 0, 1, 1]]) == 0.0  # less variance than by chance
    assert fan_in_excess(np.ones((3, 4))) == 0.0
    assert np.isnan(fan_in_excess(np.zeros((3, 4))))
    assert np.isnan(fan_in_excess([[1], [0]]))


def test_random_pruning_has_next_to_no_excess():
    found = [fan_in_excess(generator(k, "test").random((1000, 400)) < 0.1) for k in range(10)]
    # sd p / mean p of 0.03 alone would make the variance 1.04 times the binomial one
    assert max(found) < 0.06


def test_binomial_is_a_distribution_with_the_right_moments():
    p = binomial_fan_in(300, 0.1)
    k = np.arange(301)
    assert p.shape == (301,)
    assert p.sum() == pytest.approx(1)
    assert (p * k).sum() == pytest.approx(30)
    assert (p * (k - 30) ** 2).sum() == pytest.approx(27)
    with pytest.raises(InputError, match=r"\[0, 1\], got 1.5"):
        binomial_fan_in(10, 1.5)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=60)
def test_effective_masks_follow_every_path(sizes, seed, density):
    rng = np.random.default_rng(seed)
    masks = [rng.random((m, n)) < density for n, m in pairwise(sizes)]
    counts = effective_masks(masks, count=True)
    reached = effective_masks(masks)
    assert len(counts) == len(reached) == len(masks)
    for number in range(len(masks)):
        expected = count_paths(masks[: number + 1])
        assert counts[number].dtype == np.int64
        assert np.array_equal(counts[number], expected)
        assert reached[number].dtype == np.bool_
        assert np.array_equal(reached[number], expected > 0)


def test_effective_masks_refuse_layers_that_do_not_fit_and_counts_too_large():
    with pytest.raises(InputError, match="layer 2 has 3 inputs, but layer 1 has 2"):
        effective_masks([np.ones((2, 5)), np.ones((4, 3))])
    many = [np.ones((1024, 1))] + [np.ones((1024, 1024))] * 6
    with pytest.raises(InputError, match="layer 7 exceed 2\\^53"):
        effective_masks(many, count=True)
    assert effective_masks(many)[-1].all()


@given(MASKS, st.integers(0, 1000))
def test_shuffling_keeps_the_fan_in(array, seed):
    shuffled = shuffle_at_fan_in(array, generator(seed, "test"))
    assert shuffled.array.shape == array.shape
    assert np.array_equal(shuffled.fan_in, Mask(array).fan_in)


def drawn_one_row_set_at_a_time(mask, rng):
    """The draws that a shuffled mask is defined by: for each row what is missing, rows in their order, until none is."""
    kept, n_in = mask.sum(axis=1), mask.shape[1]
    wanted = np.where(kept > n_in // 2, n_in - kept, kept)
    drawn = [set() for _ in wanted]
    while any(len(one) < count for one, count in zip(drawn, wanted, strict=True)):
        missing = [count - len(one) for one, count in zip(drawn, wanted, strict=True)]
        places = iter(rng.integers(n_in, size=sum(missing)).tolist())
        for one, count in zip(drawn, missing, strict=True):
            one.update(next(places) for _ in range(count))
    rows = np.array([[i in one for i in range(n_in)] for one in drawn])
    return rows ^ (kept > n_in // 2)[:, np.newaxis]


@given(MASKS, st.integers(0, 1000))
def test_shuffled_masks_are_those_of_the_generators_draws(array, seed):
    wanted = drawn_one_row_set_at_a_time(array, generator(seed, "test"))
    assert np.array_equal(shuffle_at_fan_in(array, generator(seed, "test")).array, wanted)


def test_rows_of_more_than_255_inputs_are_counted_right():
    array = np.random.default_rng(0).random((5, 700)) < np.array([0.45, 0.7, 1.0, 0.0, 0.5])[:, np.newaxis]
    wanted = drawn_one_row_set_at_a_time(array, generator(3, "test"))
    assert np.array_equal(shuffle_at_fan_in(array, generator(3, "test")).array, wanted)


def test_shuffling_is_reproducible_and_does_not_touch_its_source():
    mask = Mask(generator(0, "test").random((20, 30)) < 0.4)
    before = mask.array.copy()
    first, again = (shuffle_at_fan_in(mask, generator(1, "test")) for _ in range(2))
    assert first == again
    assert first != shuffle_at_fan_in(mask, generator(2, "test"))
    assert np.array_equal(mask.array, before)


@pytest.mark.parametrize("kept", [1, 2, 3, 4])
def test_every_set_of_inputs_is_equally_likely(kept):
    # 40,000 rows of 5 inputs: each of the "5 choose kept" sets has a binomial count.
    rows = 40_000
    mask = np.zeros((rows, 5), dtype=np.bool_)
    mask[:, :kept] = True
    shuffled = shuffle_at_fan_in(mask, generator(0, "test", kept)).array
    counts = np.bincount(shuffled @ (1 << np.arange(5)))
    counts = counts[counts > 0]
    sets = {1: 5, 2: 10, 3: 10, 4: 5}[kept]
    assert counts.size == sets
    sd = np.sqrt(rows / sets * (1 - 1 / sets))
    assert np.abs(counts - rows / sets).max() < 4 * sd


def test_scaled_participation_of_small_rows():
    weights = [
        [2.0, -2.0, 2.0, 9.0],
        [0.0, 3.0, 0.0, 0.0],
        [1.0, 2.0, 0.0, 0.0],
        [5, 5, 5, 5],
        [1e-200, 1e-200, 0, 0],
    ]
    mask = [[1, 1, 1, 0], [0, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]]
    # Equal weights: 1. One of three: 3. 1 and 2: 2·(1+16)/(1+4)² = 34/25. None: nan.
    assert scaled_participation(weights, mask)[[0, 1, 2, 4]] == pytest.approx([1, 3, 34 / 25, 1])
    assert np.isnan(scaled_participation(weights, mask)[3])
    assert np.isnan(scaled_participation(np.zeros((1, 2)), [[1, 1]])[0])
    assert np.isnan(scaled_participation(np.zeros((1, 2)), [[0, 0]])[0])


@given(MASKS, st.integers(0, 2**32 - 1))
def test_scaled_participation_is_the_formula_whatever_the_scale(array, seed):
    weights = np.random.default_rng(seed).normal(size=array.shape)
    result = scaled_participation(weights, array)
    for row, kept, value in zip(weights, array, result, strict=True):
        w = row[kept]
        if w.size:
            assert value == pytest.approx(w.size * (w**4).sum() / (w**2).sum() ** 2)
    assert np.allclose(scaled_participation(1e-3 * weights, array), result, equal_nan=True)


def test_weights_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"\(2, 3\).*\(3, 2\)"):
        scaled_participation(np.ones((2, 3)), np.ones((3, 2)))


@pytest.mark.parametrize("drawn", [1, 5])
def test_shuffled_masks_do_not_depend_on_how_many_places_are_drawn_at_once(monkeypatch, drawn):
    mask = np.random.default_rng(0).random((9, 20)) < np.linspace(0.05, 0.95, 9)[:, np.newaxis]
    whole = shuffle_at_fan_in(mask, generator(0, "test", 0, 0))
    monkeypatch.setattr("prunescope.observables.connectivity.DRAWN_AT_ONCE", drawn)
    assert shuffle_at_fan_in(mask, generator(0, "test", 0, 0)) == whole
