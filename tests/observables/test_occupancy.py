"""prunescope.observables.occupancy: run with `pytest tests/observables/test_occupancy.py`."""

from itertools import combinations

import numpy as np
import pytest

from prunescope.observables.occupancy import empty_boxes


@pytest.mark.parametrize(("boxes", "slots"), [(4, 2), (2, 3), (5, 2), (1, 4), (3, 1)])
def test_moments_are_those_of_all_draws(boxes, slots):
    for kept in range(boxes * slots + 1):
        number = []
        for places in combinations(range(boxes * slots), kept):
            full = np.bincount(np.array(places, int) // slots, minlength=boxes) > 0
            number.append(boxes - full.sum())
        values = np.array(number, float)
        spread = values * (boxes - values) / boxes
        found = empty_boxes(np.array([kept, kept]), boxes, slots)
        deviation = values - values.mean()
        assert found.mean[1] == pytest.approx(values.mean())
        for order, moment in ((2, found.second), (3, found.third), (4, found.fourth)):
            assert moment[0] == pytest.approx((deviation**order).mean(), abs=1e-12)
        assert found.one[0] == pytest.approx(values.mean() / boxes)
        assert found.spread[0] == pytest.approx(spread.mean(), abs=1e-12)
        assert found.spread_variance[0] == pytest.approx(spread.var(), abs=1e-12)
        if boxes > 1:
            assert found.two[0] == pytest.approx((values * (values - 1)).mean() / (boxes * (boxes - 1)))


def test_moments_of_a_large_layer_keep_their_digits():
    found = empty_boxes(np.array([460]), 512, 9)
    # 10 % of 4608 places: a kernel is dead with about 0.9^9, nearly independently.
    assert found.one[0] == pytest.approx(0.9**9, rel=0.02)
    assert 0 < found.second[0] < 512 * 0.39 * 0.61
    assert found.fourth[0] == pytest.approx(3 * found.second[0] ** 2, rel=0.02)
