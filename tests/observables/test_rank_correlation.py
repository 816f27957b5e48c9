"""prunescope.observables.rank_correlation: run with `pytest tests/observables/test_rank_correlation.py`."""

from itertools import permutations

import numpy as np
import pytest

from prunescope.observables.rank_correlation import rank_correlation


def test_rank_correlation_against_all_permutations():
    one, other = np.array([0.3, 0.1, 0.1, 0.9, 0.5]), np.array([1.0, 5, 2, 4, 4])
    every = [rank_correlation(one[list(order)], other).value for order in permutations(range(5))]
    found = rank_correlation(one, other)
    # Mean ranks 3, 1.5, 1.5, 5, 4 and 1, 5, 2, 3.5, 3.5.
    ranks = np.corrcoef([3, 1.5, 1.5, 5, 4], [1, 5, 2, 3.5, 3.5])[0, 1]
    assert found.value == pytest.approx(ranks)
    assert np.mean(every) == pytest.approx(found.null_mean, abs=1e-12)
    assert np.std(every) == pytest.approx(found.null_sd)
    assert np.isnan(rank_correlation(one, np.full(5, 0.1)).value)


def test_many_counts_with_ties_against_mean_ranks():
    counts = np.random.default_rng(4).integers(0, 20, 200)
    found = rank_correlation(np.arange(200), counts)
    ranks = [np.mean(np.flatnonzero(np.sort(counts) == count)) for count in counts]
    assert found.value == pytest.approx(np.corrcoef(np.arange(200), ranks)[0, 1])
    assert (found.null_mean, found.null_sd) == (0.0, pytest.approx(1 / np.sqrt(199)))
    assert rank_correlation(np.arange(200), np.sort(counts)).z > 10
