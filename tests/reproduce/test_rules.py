"""Verdicts on made-up numbers: run with `pytest tests/reproduce/test_rules.py`."""

import math

import numpy as np
import pytest
from scipy import stats

from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, Sample, difference, scaled
from prunescope.reproduce.claims.rules import Test, combine, rejected_by_holm, verdicts, within_a_quarter


def quantity(*values, kind="", data="", half_step=0.0):
    samples = {seed: Sample(value, f"run-{seed}", "here") for seed, value in enumerate(values)}
    return MeasuredQuantity(f"a of {kind}", samples, kind=kind, data=data, half_step=half_step)


def test_p_values_and_interval_are_students():
    values = [0.3, 0.5, 0.1, 0.45]
    test = Test("", quantity(*values), 0.2)
    below = stats.ttest_1samp(values, 0.2, alternative="greater").pvalue
    assert test.p_within == pytest.approx(below, rel=1e-9)
    assert test.p_outside == pytest.approx(1 - below, rel=1e-9)
    expected = stats.t.interval(0.95, 3, loc=np.mean(values) - 0.2, scale=stats.sem(values))
    np.testing.assert_allclose((test.spread.low, test.spread.high), expected, rtol=1e-9)


def test_between_experiments_it_is_welchs():
    first, second = [0.3, 0.5, 0.1, 0.45], [0.1, 0.12, 0.11]
    test = Test("", quantity(*first, kind="imp"), quantity(*second, kind="random"))
    greater = stats.ttest_ind(first, second, equal_var=False, alternative="greater")
    assert test.p_within == pytest.approx(greater.pvalue, rel=1e-9)
    assert (test.difference.paired, test.differences) == (False, {})


@pytest.mark.parametrize(
    ("kinds", "data", "n", "per_seed", "paired"),
    [
        (("imp", "imp"), ("", ""), 3, False, True),
        (("imp", "snip"), ("x", "x"), 4, False, False),
        (("imp", "snip"), ("x", "x"), 5, False, True),
        (("imp", "snip"), ("x", "y"), 5, False, False),
        (("imp", "snip"), ("", ""), 5, False, False),
        (("imp", "snip"), ("x", "y"), 3, True, True),
    ],
)
def test_when_differences_are_paired(kinds, data, n, per_seed, paired):
    rng = np.random.default_rng(0)
    first, second = (
        quantity(*rng.normal(size=n).tolist(), kind=kind, data=known)
        for kind, known in zip(kinds, data, strict=True)
    )
    assert Test("", first, second, per_seed=per_seed).difference.paired is paired


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((5.0, 5.1, 4.9), (1.0, 1.1, 1.0), "holds"),
        ((1.0, 1.1, 1.0), (5.0, 5.1, 4.9), "contradicted"),
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
        ((0.2, 0.21, 0.19), "contradicted"),
        ((-0.2, -0.21, -0.19), "contradicted"),
        ((0.04, -0.03, 0.02), "not decided"),
    ],
)
def test_within(values, verdict):
    assert Test("within", quantity(*values), 0.0, -0.05, 0.05).verdict == verdict


def test_below_a_bound():
    assert Test("below", quantity(0.2, 0.3, 0.25), low=-math.inf, high=1.0).verdict == "holds"
    assert Test("below", quantity(2.2, 2.3, 2.25), low=-math.inf, high=1.0).verdict == "contradicted"


def test_differences_are_paired_by_seed_and_leave_out_seeds_that_one_lacks():
    first = quantity(5.0, 7.0, 9.0)
    second = MeasuredQuantity("b", {2: Sample(1.0, "", ""), 0: Sample(2.0, "", "")})
    test = Test("", first, second)
    assert test.differences == {0: 3.0, 2: 8.0}
    assert test.difference.left_out == (1,)


def test_a_claim_holds_when_all_tests_do_and_fails_when_one_does():
    yes, no = Test("", quantity(1.0, 1.1, 1.2)), Test("", quantity(-1.0, -1.1, -1.2))
    unclear = Test("", quantity(-1.0, 1.1))
    assert combine([yes, yes]) == "holds"
    assert combine([yes, unclear]) == "not decided"
    assert combine([yes, no, unclear]) == "contradicted"
    assert combine([]) == "not decided"


def test_one_of_several_tests_contradicts_only_after_holms_correction():
    barely = Test("", quantity(-1.0, -1.2, -1.75))
    yes = Test("", quantity(1.0, 1.1, 1.2))
    assert 0.0125 < barely.p_outside < 0.025
    assert barely.verdict == "contradicted"
    assert verdicts([yes, barely]) == ["holds", "not decided"]
    assert combine([yes, barely]) == "not decided"
    surely = Test("", quantity(-1.0, -1.01, -1.02))
    assert verdicts([barely, surely]) == ["contradicted", "contradicted"]


def test_two_bounds_are_two_ways_to_be_outside():
    values = (1.0, 1.2, 1.75)
    one, two = (
        Test("", quantity(*values), low=-math.inf, high=0.0),
        Test("", quantity(*values), low=-9.0, high=0.0),
    )
    assert two.p_outside == 2 * one.p_outside
    assert (one.verdict, two.verdict) == ("contradicted", "not decided")


@pytest.mark.parametrize(
    ("values", "rejected"),
    [
        ([], []),
        ([0.025], [True]),
        ([0.024, 0.012], [True, True]),
        ([0.024, 0.013], [False, False]),
        ([0.5, 0.001, 0.012, 0.02], [False, True, False, False]),
    ],
)
def test_holm(values, rejected):
    assert rejected_by_holm(values, 0.025) == rejected


@pytest.mark.parametrize(
    ("test", "obstacle"),
    [
        (Test("", quantity()), "not measured"),
        (Test("", quantity(1.0, 1.1)), "n < 3"),
        (Test("", quantity(1.0, 1.1, 1.2), quantity(5.0, 5.1, kind="other")), "n < 3"),
        (Test("", quantity(1.0, 1.0, 1.0)), "all seeds agree to the last digit"),
        (Test("", quantity(1.0, 2.0, 4.0), quantity(0.0, 1.0, 3.0)), "all seeds agree to the last digit"),
        (Test("", quantity(1.0, 1.1, 1.2, half_step=math.inf)), "the levels form no grid"),
        (Test("", quantity(1.0, 1.1, 1.2)), ""),
    ],
)
def test_numbers_that_can_decide_nothing_say_why(test, obstacle):
    assert test.obstacle == obstacle
    assert (test.verdict == "not decided") == bool(obstacle)


def test_a_level_is_known_to_half_a_step():
    plain, on_grid = quantity(1.0, 1.1, 1.2), quantity(1.0, 1.1, 1.2, half_step=0.5)
    narrow, wide = Test("", plain, low=0.5), Test("", on_grid, low=0.5)
    assert (wide.spread.low, wide.spread.high) == (narrow.spread.low - 0.5, narrow.spread.high + 0.5)
    assert (narrow.verdict, wide.verdict) == ("holds", "not decided")
    other = quantity(0.1, 0.0, 0.2, kind="other", half_step=0.5)
    assert Test("", on_grid, other).half_steps == 1.0
    assert Test("", plain, other).verdict == "holds"
    assert Test("", on_grid, other).verdict == "not decided"
    assert Test("", quantity(-1.0, -1.1, -1.2, half_step=0.5)).verdict == "contradicted"


@pytest.mark.parametrize(
    ("excess", "verdict"),
    [
        ((0.1, -0.1, 0.05), "holds"),
        ((3.0, 3.1, 3.2), "contradicted"),
        ((-3.0, -3.1, -3.2), "contradicted"),
        ((0.9, 1.3, 1.0), "not decided"),
    ],
)
def test_within_a_quarter_of_what_was_measured(excess, verdict):
    whole = quantity(4.0, 4.4, 3.9, kind="clean")
    tests = within_a_quarter(quantity(*excess, kind="noise"), whole, "the whole")
    assert combine(tests) == verdict
    assert tests[0].differences == {
        seed: pytest.approx(excess[seed] - whole.values[seed] / 4) for seed in range(3)
    }
    assert tests[1].differences == {
        seed: pytest.approx(excess[seed] + whole.values[seed] / 4) for seed in range(3)
    }


def test_what_is_computed_from_quantities_knows_where_it_is_from():
    first = quantity(1.0, 2.0, kind="imp", data="x", half_step=0.1)
    second = quantity(0.5, 1.0, kind="snip", data="x", half_step=0.2)
    found = difference("d", first, second)
    assert (found.kind, found.data, found.by_seed) == ("imp ; snip", "x", {0: 0.5, 1: 1.0})
    assert found.half_step == pytest.approx(0.3)
    assert difference("d", first, first).kind == "imp"
    assert scaled("s", -2, first).values == [-2.0, -4.0]
    assert scaled("s", -2, first).half_step == 0.2


@pytest.mark.parametrize(("low", "high"), [(-math.inf, math.inf), (1.0, 1.0), (2.0, 1.0)])
def test_a_test_that_cannot_come_out_each_way_is_refused(low, high):
    with pytest.raises(ValueError, match="no mean can lie outside"):
        Test("anything", quantity(), low=low, high=high)
