"""prunescope.observables.ablation: run with `pytest tests/observables/test_ablation.py`."""

from itertools import pairwise

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.observables import ablation_curve, ablation_order, remove_nodes
from prunescope.randomness import generator

MASK = np.arange(6) < np.array([2, 5, 0, 2, 6])[:, np.newaxis]


def test_orders():
    fan_in = MASK.sum(axis=1)
    assert ablation_order(fan_in, "decreasing").tolist() == [4, 1, 0, 3, 2]
    assert ablation_order(fan_in, "increasing").tolist() == [2, 0, 3, 1, 4]
    shuffled = ablation_order(np.arange(50), "random", generator(0, "test"))
    assert sorted(shuffled) == list(range(50))
    assert shuffled.tolist() == ablation_order(np.zeros(50), "random", generator(0, "test")).tolist()
    assert shuffled.tolist() != list(range(50))


def test_removed_nodes_lose_their_rows_and_nothing_else_changes():
    found = remove_nodes(MASK, [1, 4])
    assert found.fan_in.tolist() == [2, 0, 0, 2, 0]
    assert np.array_equal(found.array[[0, 2, 3]], MASK[[0, 2, 3]])
    assert remove_nodes(MASK, []).kept == MASK.sum()
    assert MASK.sum() == 15


def test_curve_removes_in_order_without_touching_the_mask():
    seen = []

    def accuracy(mask):
        seen.append(mask.fan_in.tolist())
        return mask.kept / 15

    assert ablation_curve(accuracy, MASK, [0, 1, 3, 5], "decreasing") == [
        (0, 1.0),
        (1, 9 / 15),
        (3, 2 / 15),
        (5, 0.0),
    ]
    assert seen == [[2, 5, 0, 2, 6], [2, 5, 0, 2, 0], [0, 0, 0, 2, 0], [0, 0, 0, 0, 0]]
    assert ablation_curve(accuracy, MASK, [3], "increasing") == [(3, 11 / 15)]
    random = ablation_curve(accuracy, MASK, range(6), "random", generator(0, "test"))
    assert [removed for removed, _ in random] == list(range(6))
    assert all(a >= b for (_, a), (_, b) in pairwise(random))


def test_bad_arguments_are_refused_before_any_evaluation():
    def accuracy(mask):
        raise AssertionError("evaluated")

    with pytest.raises(InputError, match="decreasing, increasing, random, got 'largest'"):
        ablation_curve(accuracy, MASK, [1], "largest")
    with pytest.raises(InputError, match="random generator"):
        ablation_curve(accuracy, MASK, [1], "random")
    with pytest.raises(InputError, match="0 … 5, got 6"):
        ablation_curve(accuracy, MASK, [1, 6], "decreasing")
    with pytest.raises(InputError, match=r"0 … 4, got \[2, 5\]"):
        remove_nodes(MASK, [2, 5])
    with pytest.raises(InputError, match="got -1"):
        remove_nodes(MASK, -1)
