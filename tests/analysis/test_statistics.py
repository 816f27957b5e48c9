"""prunescope.analysis.statistics, against truths that are known: run with `pytest tests/analysis/test_statistics.py`.

The intervals are simulated: of many tables of seeds, how many have an interval that holds the truth.
"""

import math

import numpy as np
import pytest
from scipy import stats

from prunescope.analysis.statistics import PAIRED_SEEDS, band, difference, paired, spread, welch

TABLES = 4000
COVERED = (0.93, 0.97)
SEEDS = range(3, 11)


def tables(seed, *shape):
    return np.random.Generator(np.random.Philox(seed)).standard_normal((TABLES, *shape))


def covered(intervals, truth):
    return np.mean([found.low <= truth <= found.high for found in intervals])


@pytest.mark.parametrize("n", SEEDS)
def test_an_interval_of_the_mean_covers_it(n):
    share = covered([spread(list(values)) for values in 0.83 + 0.004 * tables(1, n)], 0.83)
    assert COVERED[0] <= share <= COVERED[1]


@pytest.mark.parametrize("n", SEEDS)
def test_a_paired_interval_covers_the_difference(n):
    shared = tables(2, n)  # what seeds have in common
    one, other = shared + 0.5 * tables(3, n) + 0.2, shared + 0.5 * tables(4, n)
    found = [paired(dict(enumerate(a)), dict(enumerate(b))) for a, b in zip(one, other, strict=True)]
    assert COVERED[0] <= covered(found, 0.2) <= COVERED[1]


@pytest.mark.parametrize("more_spread", [1.0, 2.0])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_welchs_interval_covers_the_difference(n, more_spread):
    one, other = more_spread * tables(5, n) + 0.2, tables(6, n)
    found = [welch(list(a), list(b)) for a, b in zip(one, other, strict=True)]
    assert COVERED[0] <= covered(found, 0.2) <= COVERED[1]


def test_an_interval_is_that_of_student():
    values = list(tables(7, 12)[0])
    found = spread(values)
    low, high = stats.t.interval(0.95, 11, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.sd == pytest.approx(np.std(values, ddof=1))


def test_welchs_interval_is_that_of_scipy():
    one, other = list(3 * tables(8, 5)[0]), list(tables(9, 8)[0])
    theirs = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = welch(one, other)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.n == 5


def test_too_few_values_have_no_interval():
    assert (spread([]).n, spread([]).mean) == (0, None)
    assert (spread([2.0]).mean, spread([2.0]).sd, spread([2.0]).low) == (2.0, None, None)
    assert (welch([1.0], [3.0]).mean, welch([1.0], [3.0]).low) == (-2.0, None)
    assert welch([], [3.0]).mean is None


def test_values_that_agree_to_the_last_digit_have_none_either():
    for found in (spread([0.1] * 5), welch([0.3, 0.3], [0.1, 0.1])):
        assert found.alike
        assert (found.sd, found.low, found.high) == (0, None, None)
    assert spread([0.1] * 5).mean == 0.1


def test_a_difference_is_paired_on_the_same_data_with_enough_seeds_in_common():
    one = {seed: float(seed**2) for seed in range(PAIRED_SEEDS + 1)}
    other = {seed: float(seed) for seed in range(1, PAIRED_SEEDS + 3)}
    found = difference(one, other, same_data=True)
    assert found.paired
    assert found.seeds == tuple(range(1, PAIRED_SEEDS + 1))
    assert found.left_out == (0, PAIRED_SEEDS + 1, PAIRED_SEEDS + 2)
    assert found.spread == spread([one[seed] - other[seed] for seed in found.seeds])
    assert not difference(one, other, same_data=False).paired
    del other[1]
    few = difference(one, other, same_data=True)
    assert not few.paired
    assert few.spread == welch(list(one.values()), list(other.values()))


def test_widening_moves_both_ends():
    found = spread([1.0, 2.0, 4.0])
    wide = found.widened(0.5)
    assert (wide.low, wide.high, wide.mean) == (found.low - 0.5, found.high + 0.5, found.mean)
    assert spread([1.0]).widened(0.5) == spread([1.0])


def test_a_band_is_two_sds_to_either_side():
    low, high = band(np.array([[1.0, 5.0], [3.0, 5.0]]))
    np.testing.assert_allclose(low, [2 - 2 * np.sqrt(2), 5])
    np.testing.assert_allclose(high, [2 + 2 * np.sqrt(2), 5])


@pytest.mark.parametrize("power", [-1000, -700, -400, 400, 700, 1000])
def test_numbers_near_the_limits_have_the_spread_of_usual_ones(power):
    values, baseline = [1.0, 2.0, 4.5], [0.5, 0.25, 1.0]
    scale = 2.0**power
    for far, near in (
        (spread([scale * v for v in values]), spread(values)),
        (welch([scale * v for v in values], [scale * v for v in baseline]), welch(values, baseline)),
    ):
        assert (far.n, far.alike, far.freedom) == (near.n, near.alike, pytest.approx(near.freedom, rel=1e-12))
        for name in ("mean", "sd", "low", "high"):
            assert getattr(far, name) / scale == pytest.approx(getattr(near, name), rel=1e-12)


def test_the_largest_and_the_smallest_numbers_have_a_mean():
    assert spread([1e308, 1.5e308]).mean == 1.25e308
    assert spread([1e308, -1e308]).mean == 0
    assert spread([5e-324, 1.5e-323]).sd > 0
    assert not welch([1e-200, 3e-200], [1e-201, 2e-201]).alike


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_the_mean_of_what_is_no_number_is_none_either(odd):
    for found in (spread([odd, 1.0]), welch([odd, 1.0], [1.0, 2.0]), welch([1.0, 2.0], [1.0, odd])):
        assert not math.isfinite(found.mean)
        assert (found.sd, found.low, found.high) == (None, None, None)
