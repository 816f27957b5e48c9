"""prunescope.observables.pair_counts: run with `pytest tests/observables/test_pair_counts.py`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.observables.pair_counts import LISTED_PAIRS, count_pairs, ray_pairs, transformed_pairs
from reference.locality import pair_counts, weighted_pairs


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_transforms_and_lists_of_pairs_agree_with_the_loop(shape, density, seed):
    masks = np.random.default_rng(seed).random((4, int(np.prod(shape)))) < density
    expected = pair_counts(masks, shape)
    for found in (count_pairs(masks, shape), transformed_pairs(masks.reshape(-1, *shape))):
        assert np.array_equal(found, expected)


def test_layers_larger_than_a_chunk_agree_both_ways():
    # Fan-ins 0 … 119: nodes on both sides of the choice, and lists longer than one chunk.
    shape = (3, 12, 13)
    fan_in = np.arange(1200) % 120
    assert (fan_in == 60).sum() * 60 * 59 // 2 < LISTED_PAIRS < (fan_in == 119).sum() * 119 * 118 // 2
    order = np.random.default_rng(0).random((1200, 468)).argsort(axis=1)
    masks = order < fan_in[:, np.newaxis]
    assert np.array_equal(count_pairs(masks, shape), transformed_pairs(masks.reshape(-1, *shape)))


@pytest.mark.parametrize("shape", [(3, 3, 4), (1, 1, 12), (2, 6, 1)])
def test_integer_images_are_weighted(shape):
    image = np.random.default_rng(1).integers(0, 1000, shape)
    found = transformed_pairs(image[np.newaxis])
    assert np.array_equal(found, np.array(weighted_pairs(image, shape)).astype(np.int64))


def test_counts_do_not_depend_on_how_many_inputs_are_listed_at_once(monkeypatch):
    mask = np.random.default_rng(0).random((9, 24)) < 0.2
    whole = count_pairs(mask, (2, 3, 4))
    monkeypatch.setattr("prunescope.observables.pair_counts.LISTED_INPUTS", 4)
    assert all(map(np.array_equal, count_pairs(mask, (2, 3, 4)), whole))


@pytest.mark.parametrize("shape", [(3, 4, 8), (2, 5, 7), (1, 8, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pairs_on_rays_are_those_of_all_displacements(shape, order):
    masks = np.random.default_rng(0).random((77, int(np.prod(shape)))) < 0.3
    same, _ = count_pairs(masks, shape)
    longest = min(shape[1:]) - 1
    axes, diagonals = ray_pairs(np.asarray(masks, order=order), shape, longest)
    y, x = shape[1] - 1, shape[2] - 1  # the place of d = 0
    for k in range(1, longest + 1):
        assert axes[k] == same[y + k, x] + same[y - k, x] + same[y, x + k] + same[y, x - k]
        assert diagonals[k] == sum(same[y + a, x + b] for a in (k, -k) for b in (k, -k))
