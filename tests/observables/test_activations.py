"""prunescope.observables.activations: run with `pytest tests/observables/test_activations.py`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import InputError
from prunescope.observables import TopImages, top_images


@given(st.integers(1, 25), st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_top_images_are_those_of_a_stable_sort(images, n_out, k, seed):
    # Few distinct values, zeros most of all, as after a ReLU: ties everywhere.
    activations = np.maximum(np.random.default_rng(seed).integers(-3, 3, (images, n_out)), 0)
    indices, values = top_images(activations, k)
    expected = np.argsort(-activations, axis=0, kind="stable")[:k].T
    assert np.array_equal(indices, expected)
    assert np.array_equal(values, np.take_along_axis(activations.T, expected, axis=1))


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 5))
def test_batches_in_any_order_give_what_all_at_once_gives(seed, size, k):
    rng = np.random.default_rng(seed)
    activations = np.maximum(rng.integers(-2, 4, (23, 3)), 0)
    best = TopImages(3, k)
    for start in rng.permutation(np.arange(0, 23, size)):
        best.update(activations[start : start + size], int(start))
    for found, expected in zip(best.result(), top_images(activations, k), strict=True):
        assert np.array_equal(found, expected)


def test_fewer_images_than_asked_for_and_none():
    indices, values = top_images([[1.0, 5.0], [2.0, 4.0]], 3)
    assert indices.tolist() == [[1, 0], [0, 1]]
    assert values.tolist() == [[2, 1], [5, 4]]
    assert TopImages(2, 3).result()[0].shape == (2, 0)
    assert top_images(np.zeros((0, 2)), 3)[0].shape == (2, 0)


def test_nan_is_never_chosen():
    indices, values = top_images([[np.nan, 1.0], [2.0, np.nan], [1.0, np.nan]], 2)
    assert indices.tolist() == [[1, 2], [0, -1]]
    assert values.tolist() == [[2, 1], [1, -np.inf]]


def test_tensors_are_taken():
    torch = pytest.importorskip("torch")
    assert top_images(torch.tensor([[1.0], [3.0], [2.0]]), 2)[0].tolist() == [[1, 2]]


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match=r"\[images, nodes\], got shape \(3,\)"):
        top_images(np.ones(3), 1)
    with pytest.raises(InputError, match="k must be 1 or more, got 0"):
        top_images(np.ones((2, 3)), 0)
    with pytest.raises(InputError, match=r"\[images, 2\], got shape \(4, 3\)"):
        TopImages(2, 1).update(np.ones((4, 3)), 0)


def test_images_may_be_given_by_their_indices():
    activations = np.array([[4.0, 0.0], [1.0, 1.0], [4.0, 1.0], [2.0, 9.0]])
    best = TopImages(2, 2)
    best.update(activations[[2, 3]], np.array([12, 13]))
    best.update(activations[[0, 1]], np.array([10, 11]))
    indices, values = best.result()
    assert indices.tolist() == [[10, 12], [13, 11]]
    assert values.tolist() == [[4, 4], [9, 1]]
