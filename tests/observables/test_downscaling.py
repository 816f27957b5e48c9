"""prunescope.observables.downscaling: run with `pytest tests/observables/test_downscaling.py`."""

import numpy as np
import pytest

from prunescope.observables.downscaling import block_means
from reference.downscaling import slow_block_means

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("shape", [(7, 5), (40, 9), (9, 40), (33, 70)])
@pytest.mark.parametrize("kind", ["mask", "numbers", "bytes"])
def test_blocks_have_the_means_of_their_entries(shape, kind):
    numbers = RNG.random(shape)
    array = {"mask": numbers < 0.3, "numbers": numbers, "bytes": (255 * numbers).astype(np.uint8)}[kind]
    np.testing.assert_allclose(block_means(array, 8, 8), slow_block_means(array, 8))


def test_rows_that_are_added_up_in_parts_give_the_same_means(monkeypatch):
    array = RNG.random((50, 30)) < 0.3
    monkeypatch.setattr("prunescope.observables.downscaling.AT_ONCE", 60)
    np.testing.assert_allclose(block_means(array, 4, 4), slow_block_means(array, 4))


def test_sides_may_have_different_numbers_of_blocks_and_small_arrays_stay_as_they_are():
    array = RNG.random((8, 12))
    means = array.reshape(4, 2, 3, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(block_means(array, 4, 3), means)
    np.testing.assert_array_equal(block_means(array, 100, 100), array)
