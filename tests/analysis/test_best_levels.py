"""prunescope.analysis.best_levels: run with `pytest tests/analysis/test_best_levels.py`."""

import numpy as np
import pytest

from prunescope.analysis.best_levels import best, cross_fitted, grid_step, nearest, sparsest_no_worse

GRID = {level: 0.7**level for level in range(18)}


def levels(*accuracies):
    return dict(enumerate(accuracies))


def test_the_dense_level_is_no_candidate():
    assert best(GRID, levels(0.9, 0.5, 0.6)) == 2
    assert best(GRID, levels(0.9)) is None


def test_of_equals_the_sparsest_is_the_best():
    assert best(GRID, levels(0.5, 0.6, 0.6, 0.4)) == 2
    assert best({1: 0.1, 2: 0.4}, {1: 0.6, 2: 0.6}) == 1  # numbered from sparse to dense


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.5, 0.6, 0.4, 0.55, 0.3], 3),  # a dip in between does not end it
        ([0.5, 0.5], 1),
        ([0.5, 0.4, 0.3], None),  # the dense network itself is no answer
        ([0.5], None),
    ],
)
def test_the_sparsest_no_worse_than_dense(accuracies, expected):
    assert sparsest_no_worse(GRID, levels(*accuracies)) == expected


def test_without_a_dense_level_none_is_no_worse_than_it():
    assert sparsest_no_worse(GRID, {1: 0.5, 2: 0.6}) is None


def test_each_seed_is_measured_where_the_others_are_best():
    by_seed = {0: levels(0.5, 0.9, 0.6), 1: levels(0.5, 0.6, 0.7), 2: levels(0.5, 0.6, 0.8)}
    assert cross_fitted(by_seed, GRID) == {0: 2, 1: 1, 2: 1}  # (0.9 + 0.6)/2 is above (0.6 + 0.7)/2
    assert cross_fitted({0: levels(0.5, 0.6)}, GRID) == {}


def test_what_is_cross_fitted_gains_nothing_from_equal_levels():
    rng = np.random.Generator(np.random.Philox(0))
    own, fitted = [], []
    for _ in range(500):
        by_seed = {seed: levels(*rng.normal(0.5, 0.004, 18)) for seed in range(4)}
        own += [accuracies[best(GRID, accuracies)] - accuracies[0] for accuracies in by_seed.values()]
        chosen = cross_fitted(by_seed, GRID)
        fitted.append(np.mean([by_seed[seed][level] - by_seed[seed][0] for seed, level in chosen.items()]))
    assert np.mean(own) > 0.006  # the best of 17 equal levels: 1.8 sd from nothing
    assert abs(np.mean(fitted)) < 3 * np.std(fitted) / np.sqrt(len(fitted))


def test_the_nearest_level_by_ratio():
    assert nearest(GRID, 0.01) == 13
    assert nearest(GRID, 1.0) == 1  # the dense network is no pruned one
    assert nearest({0: 1.0, 1: 0.5}, 0.1) == 1
    assert nearest({0: 1.0, 1: 0.5}, 0.1, within=1.2) is None
    assert nearest({0: 1.0}, 0.1) is None


def test_levels_form_a_grid_where_their_steps_agree_to_two_percent():
    assert grid_step(GRID.values()) == pytest.approx(-np.log(0.7))
    assert grid_step([1, 0.5, 0.25 * 1.003]) == pytest.approx(np.log(2))  # steps that differ by under 1 %
    assert grid_step([1, 0.5, 0.25 * 1.008]) == pytest.approx(np.log(2))  # by 1.2 %
    assert grid_step([1, 0.5, 0.25 * 1.02]) is None
    assert grid_step([1, 0.5, 0.5, 0.25]) == pytest.approx(
        np.log(2)
    )  # a density that occurs twice counts once
    assert grid_step([0.1, 0.01]) is None  # one step says nothing of the next
