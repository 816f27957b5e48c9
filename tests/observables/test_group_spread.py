"""prunescope.observables.group_spread: run with `pytest tests/observables/test_group_spread.py`."""

from itertools import combinations, permutations, product

import numpy as np
import pytest

from prunescope.observables.group_spread import (
    dead_groups,
    dealt_scalar,
    share_scalar,
    spread_scalar,
    spread_within_scalar,
)
from prunescope.randomness import generator


def every_placement(drawn, groups, slots):
    """Yield the counts [units, groups] of every placement of each unit's weights, all equally likely."""
    ways = [list(combinations(range(groups * slots), kept)) for kept in drawn]
    for places in product(*ways):
        yield np.array([np.bincount(np.array(one, int) // slots, minlength=groups) for one in places])


def squares(counts):
    total = counts.sum(axis=0)
    return np.square(total - total.mean()).sum()


DRAWN, GROUPS, SLOTS = (2, 3, 1), 3, 2
PLACED = list(every_placement(DRAWN, GROUPS, SLOTS))


def test_mean_and_sd_of_the_spread_are_those_of_all_placements():
    values = np.array([squares(one) for one in PLACED])
    for counts in PLACED[::300]:
        found = spread_scalar(counts, SLOTS)
        assert found.value == pytest.approx(squares(counts) / values.mean())
        assert (found.null_mean, found.shuffles) == (1.0, 0)
        assert found.null_sd == pytest.approx(values.std() / values.mean())


def test_mean_and_sd_of_the_spread_within_units_are_those_of_all_placements():
    def within(counts):
        return sum(np.square(one - one.mean()).sum() for one in counts)

    values = np.array([within(one) for one in PLACED])
    for counts in PLACED[::300]:
        found = spread_within_scalar(counts, SLOTS)
        assert found.value == pytest.approx(within(counts) / values.mean())
        assert (found.null_mean, found.shuffles) == (1.0, 0)
        assert found.null_sd == pytest.approx(values.std() / values.mean())
    one = PLACED[7][:1]
    assert spread_within_scalar(one, SLOTS) == spread_scalar(one, SLOTS)
    assert np.isnan(spread_within_scalar(np.zeros((2, 3), int), SLOTS).value)


def test_mean_and_sd_of_a_groups_share_are_those_of_all_placements():
    values = np.array([one[:, 1].sum() for one in PLACED]) / (sum(DRAWN) / GROUPS)
    found = share_scalar(PLACED[5], SLOTS, 1)
    assert found.value == pytest.approx(values[5])
    assert values.mean() == pytest.approx(1.0)
    assert found.null_sd == pytest.approx(values.std())


def test_dead_groups_are_held_against_all_placements():
    values = np.array([(one == 0).mean() for one in PLACED])
    found = dead_groups(PLACED[7], SLOTS)
    assert found.value == values[7]
    assert found.null_mean == pytest.approx(values.mean())
    assert found.null_sd == pytest.approx(max(values.std(), 1 / 9))


def test_one_dead_group_that_chance_never_leaves_is_one_sd():
    counts = np.full((1, 12), 5000)
    counts[0, 3] = 0
    assert dead_groups(counts, 10000).z == pytest.approx(1.0, abs=1e-6)


def test_mean_and_sd_of_dealt_lines_are_those_of_all_permutations():
    lines = np.array([[[5, 1], [0, 2], [7, 2]], [[3, 3], [3, 4], [0, 1]]])
    apart = [
        np.array([np.square(np.reshape(order, (3, 2)).sum(1) - sum(part.ravel()) / 3).sum()
                  for order in permutations(part.ravel())])
        for part in lines
    ]  # fmt: skip
    mean, variance = sum(one.mean() for one in apart), sum(one.var() for one in apart)
    found = dealt_scalar(lines)
    assert found.value == pytest.approx((apart[0][0] + apart[1][0]) / mean)
    assert found.null_sd == pytest.approx(np.sqrt(variance) / mean)


def test_no_scalar_where_nothing_could_be_otherwise():
    assert np.isnan(spread_scalar(np.full((2, 3), 4), 4).value)  # dense
    assert np.isnan(dealt_scalar(np.full((1, 3, 2), 4)).value)
    assert np.isnan(dealt_scalar(np.arange(4).reshape(1, 1, 4)).value)  # one group


def test_an_uneven_group_is_found_and_even_ones_are_not():
    rng = generator(0, "test")
    rows = rng.binomial(64, 0.2, (1, 8, 64))
    counts = rows.sum(axis=2)
    assert abs(spread_scalar(counts, 64 * 64).z) < 4
    assert abs(dealt_scalar(rows).z) < 4
    rows[0, 2] = rng.binomial(64, 0.3, 64)
    assert spread_scalar(rows.sum(axis=2), 64 * 64).z > 20
    assert dealt_scalar(rows).z > 20
    # Unequal rows, dealt to heads at random, are uneven against weights anywhere alone.
    unequal = rng.binomial(64, rng.choice([0.02, 0.9], (1, 8, 64), p=[0.8, 0.2]))
    assert spread_scalar(unequal.sum(axis=2), 64 * 64).z > 4
    assert abs(dealt_scalar(unequal).z) < 4


def test_order_of_groups_and_units_does_not_matter():
    rng = generator(1, "test")
    counts = rng.integers(0, 9, (5, 7))
    again = counts[::-1][:, rng.permutation(7)]
    one, other = spread_scalar(counts, 10), spread_scalar(again, 10)
    assert (other.value, other.null_sd) == pytest.approx((one.value, one.null_sd))
