"""prunescope.observables.scattered: run with `pytest tests/observables/test_scattered.py`."""

import numpy as np
import pytest

from prunescope.mask import Mask
from prunescope.observables.kurtosis import excess_kurtosis
from prunescope.observables.scattered import in_tiles, scattered


def test_each_node_keeps_its_values_at_places_of_their_own():
    rng = np.random.default_rng(0)
    mask = Mask(rng.random((40, 12)) < np.linspace(0, 1, 40)[:, np.newaxis])
    values = np.where(mask.array, rng.standard_normal((40, 12)), 0).astype(np.float32)
    moved = scattered(values[mask.array], mask, rng)
    dense = moved.dense()
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(np.count_nonzero(dense, axis=1), mask.fan_in)
    np.testing.assert_array_equal(np.sort(dense, axis=1), np.sort(values, axis=1))
    assert (np.diff(moved.nodes * 12 + moved.inputs) > 0).all()


def test_every_choice_and_order_is_equally_likely():
    values = np.tile(np.array([1.0, 2.0, 0.0, 0.0], np.float32), (24_000, 1))
    dense = scattered(values[values > 0], Mask(values > 0), np.random.default_rng(1)).dense()
    places = dense.argmax(axis=1) * 4 + (dense == 1).argmax(axis=1)
    counts = np.bincount(places, minlength=16)
    assert counts[[0, 5, 10, 15]].sum() == 0
    counts = counts[counts > 0]
    assert len(counts) == 12
    assert (
        (counts - 2000) ** 2 / 2000
    ).sum() < 31.3  # the 0.1 % point of chi square with 11 degrees of freedom


@pytest.mark.parametrize("images", [7, 64, 150])
def test_kurtosis_is_that_of_the_dense_weights(images):
    rng = np.random.default_rng(2)
    mask = rng.random((70, 30)) < 0.1
    mask[3] = False
    values = (rng.standard_normal((70, 30)) * mask).astype(np.float32)
    inputs = rng.laplace(size=(images, 30)).astype(np.float32)
    moved = scattered(values[mask], Mask(mask), rng)
    wanted = excess_kurtosis(inputs @ moved.dense().T)
    found = moved.kurtosis(in_tiles(inputs))
    assert np.isnan(found[3])
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
