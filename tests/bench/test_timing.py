"""prunescope.bench.timing: run with `pytest tests/bench/test_timing.py`."""

import pytest

from prunescope.bench.timing import Timing, alternate, seconds_of, turn_of


def test_competitors_take_turns_and_hear_the_round():
    heard = []

    def turn(name):
        def take(number):
            heard.append((name, number))
            return float(number)

        return take

    found = alternate({"a": turn("a"), "b": turn("b"), "c": turn("c")}, rounds=3)
    assert heard == [(name, number) for number in range(3) for name in "abc"]
    assert found == {name: Timing((0.0, 1.0, 2.0)) for name in "abc"}


@pytest.mark.parametrize(("rounds", "median"), [((3.0, 9.0, 1.0), 3.0), ((4.0, 1.0, 2.0, 50.0), 3.0)])
def test_seconds_are_the_median(rounds, median):
    expected = {"seconds": median, "min": 1.0, "max": max(rounds), "rounds": len(rounds)}
    assert Timing(rounds).to_dict() == expected


@pytest.mark.parametrize(
    ("least", "median", "left"), [(0.5, 3.0, 3), (3.0, 3.0, 3), (3.1, 2.5, 2), (9.0, 2.0, 0)]
)
def test_a_turn_is_the_median_of_as_many_as_fill_it(least, median, left):
    seconds = [3.0, 2.0, 2.0, 2.0]
    assert turn_of(lambda: seconds.pop(0), least)(0) == median
    assert len(seconds) == left


def test_work_is_done_once_and_timed():
    done = []
    assert seconds_of(lambda: done.append(1)) >= 0
    assert done == [1]
