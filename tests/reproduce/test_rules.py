"""Verdicts on made-up numbers: run with `pytest tests/reproduce/test_rules.py`."""

import math

import numpy as np
import pytest
from scipy import stats

from prunescope.reproduce.rules import Quantity, Sample, Test, combine, interval


def quantity(*values, name="a"):
    return Quantity(name, {seed: Sample(value, f"run-{seed}", "here") for seed, value in enumerate(values)})


def test_interval_is_students():
    values = [0.3, 0.5, 0.1, 0.45]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    np.testing.assert_allclose(interval(values), expected, rtol=1e-9)
    assert interval([1.0, 1.0]) is None


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((5.0, 5.1, 4.9), (1.0, 1.1, 1.0), "holds"),
        ((1.0, 1.1, 1.0), (5.0, 5.1, 4.9), "does not hold"),
        ((1.0, 3.0, 2.0), (1.5, 1.5, 1.5), "not decided"),
        ((5.0, 5.1), (1.0, 1.1), "not decided"),
        ((), (), "not decided"),
    ],
)
def test_greater(first, second, verdict):
    assert Test("first > second", quantity(*first), quantity(*second)).verdict == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.001, -0.002, 0.003), "holds"),
        ((0.2, 0.21, 0.19), "does not hold"),
        ((-0.2, -0.21, -0.19), "does not hold"),
        ((0.04, -0.03, 0.02), "not decided"),
    ],
)
def test_within(values, verdict):
    assert Test("within", quantity(*values), 0.0, -0.05, 0.05).verdict == verdict


def test_below_a_bound():
    assert Test("below", quantity(0.2, 0.3, 0.25), low=-math.inf, high=1.0).verdict == "holds"
    assert Test("below", quantity(2.2, 2.3, 2.25), low=-math.inf, high=1.0).verdict == "does not hold"


def test_differences_are_paired_by_seed_and_leave_out_seeds_that_one_lacks():
    first = quantity(5.0, 7.0, 9.0)
    second = Quantity("b", {2: Sample(1.0, "", ""), 0: Sample(2.0, "", "")})
    assert Test("", first, second).differences == {0: 3.0, 2: 8.0}


def test_a_claim_holds_when_all_tests_do_and_fails_when_one_does():
    yes, no = Test("", quantity(1.0, 1.1, 1.2)), Test("", quantity(-1.0, -1.1, -1.2))
    unclear = Test("", quantity(-1.0, 1.1))
    assert combine([yes, yes]) == "holds"
    assert combine([yes, unclear]) == "not decided"
    assert combine([yes, no, unclear]) == "does not hold"
    assert combine([]) == "not decided"
