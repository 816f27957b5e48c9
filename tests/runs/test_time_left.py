"""prunescope.runs.time_left: run with `pytest tests/runs/test_time_left.py`."""

import pytest

from prunescope.runs.time_left import TimeLeft

DENSITIES = tuple(0.7**n for n in range(12))


def true_seconds(u):
    return 3 + 20 * u


def test_a_slow_engine_is_met_after_two_levels():
    left = TimeLeft(DENSITIES)
    times = [true_seconds(u) for u in DENSITIES]
    for done in range(len(DENSITIES)):
        left.learn(times[:done])
        low, high = left.of_all(times[done], times[done] / 2)
        true = times[done] / 2 + sum(times[done + 1 :])
        if done < 2:
            assert low < true < high
        else:
            assert low == high == pytest.approx(true)


def test_a_machine_that_gets_slower_moves_the_estimate():
    left = TimeLeft(DENSITIES)
    times = [true_seconds(u) for u in DENSITIES]
    left.learn(times[:3])
    rest = sum(times[4:])
    assert left.of_all(2 * times[3], 2 * times[3])[0] == pytest.approx(
        2 * times[3] + rest
    )  # it has just begun
    assert left.of_all(2 * times[3], 0.0)[0] == pytest.approx(2 * rest)


def test_the_end_of_a_level_counts_once_it_was_seen():
    left = TimeLeft((1.0, 1.0, 1.0))
    assert left.of_all(10.0, 4.0) == (24.0, 24.0)
    left.learn([13.0])
    left.learn_end(3.0)
    assert left.of_all(10.0, 4.0) == (20.0, 20.0)


def test_a_level_that_was_not_expected_is_the_last():
    left = TimeLeft((1.0,))
    left.learn([5.0])
    assert left.of_all(5.0, 2.0) == (2.0, 2.0)
