"""Decide from measured differences whether a claim holds, is contradicted, or is not decided.

A claim holds when each of its tests holds, one by one at 2.5 %: all must, so that no correction is needed. It
is contradicted when any of its tests is, which chance alone would cause more often the more tests there are;
so it takes Holm's correction, at 2.5 % for all tests of the claim together. Either verdict is therefore wrong
at most one time in forty, whatever the truth (tests/reproduce/test_verdicts.py). Source: Holm 1979. Cheap to
import.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from prunescope.analysis.statistics import CONFIDENCE, Difference, Spread, paired, quantile
from prunescope.analysis.statistics import difference as difference_of_groups
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, difference_unit, scaled

Verdict = Literal["holds", "contradicted", "not decided"]

# Two seeds can agree by chance one time in two, whatever their interval says.
FEWEST_SEEDS = 3
# How often either verdict may be wrong: what a 95 % interval leaves out on one side.
FALSE_RATE = (1 - CONFIDENCE) / 2


@dataclass(frozen=True)
class Test:
    """A test of whether the mean of ``first`` - ``second`` is above ``low`` and below ``high``.

    ``second`` may be a constant. The difference is taken seed by seed within an experiment, and between two
    experiments when ``per_seed`` is true; else as ``analysis.statistics.difference`` does. Raises ValueError
    without a finite bound.
    """

    __test__ = False  # not a test of pytest's

    text: str
    first: MeasuredQuantity
    second: MeasuredQuantity | float = 0.0
    low: float = 0.0
    high: float = math.inf
    per_seed: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or self.low == -self.high == -math.inf:
            raise ValueError(f"test {self.text!r}: no mean can lie outside {self.low:g} to {self.high:g}")

    @cached_property
    def difference(self) -> Difference:
        """The spread of the mean of ``first`` - ``second``, and how the difference was taken."""
        values, second = self.first.by_seed, self.second
        if isinstance(second, MeasuredQuantity) and not self.per_seed and self.first.kind != second.kind:
            same = self.first.data == second.data != ""
            return difference_of_groups(values, second.by_seed, same_data=same)
        baseline = second.by_seed if isinstance(second, MeasuredQuantity) else dict.fromkeys(values, second)
        shared = values.keys() & baseline.keys()
        left_out = (values.keys() | baseline.keys()) - shared
        return Difference(paired(values, baseline), True, tuple(sorted(shared)), tuple(sorted(left_out)))

    @property
    def differences(self) -> dict[int, float]:
        """The difference of each seed, where it is taken seed by seed; else empty."""
        values, second = self.first.by_seed, self.second
        return {
            seed: values[seed] - (second.by_seed[seed] if isinstance(second, MeasuredQuantity) else second)
            for seed in self.difference.seeds
        }

    @property
    def unit(self) -> str:
        """The unit of the difference."""
        return (
            difference_unit(self.first.unit) if isinstance(self.second, MeasuredQuantity) else self.first.unit
        )

    @property
    def half_steps(self) -> float:
        """The width by which both quantities' grids of levels extend the interval on either side."""
        second = self.second.half_step if isinstance(self.second, MeasuredQuantity) else 0.0
        return self.first.half_step + second

    @property
    def spread(self) -> Spread:
        """The mean difference and its 95 % interval, widened by half a step of each grid."""
        return self.difference.spread.widened(self.half_steps)

    @property
    def obstacle(self) -> str:
        """The reason why the numbers decide nothing; empty when they can."""
        spread = self.difference.spread
        if spread.n == 0:
            return "not measured"
        if spread.n < FEWEST_SEEDS:
            return f"n < {FEWEST_SEEDS}"
        if spread.alike:
            return "all seeds agree to the last digit"
        return "" if math.isfinite(self.half_steps) else "the levels form no grid"

    @property
    def p_within(self) -> float:
        """The one-sided p value for a mean within the bounds: the larger one of two."""
        mean = self.difference.spread.mean or 0.0
        return max(self._p(mean - self.low), self._p(self.high - mean))

    @property
    def p_outside(self) -> float:
        """The one-sided p value for a mean outside a bound: with two bounds the smaller one, doubled."""
        mean = self.difference.spread.mean or 0.0
        bounds = math.isfinite(self.low) + math.isfinite(self.high)
        return min(1.0, bounds * min(self._p(self.low - mean), self._p(mean - self.high)))

    @property
    def verdict(self) -> Verdict:
        """The verdict of a claim that has only this test."""
        return verdicts([self])[0]

    def _p(self, distance: float) -> float:
        """Return the probability that chance alone puts the mean ``distance`` or more beyond the true bound."""
        from scipy.special import stdtr

        if self._error is None:
            return 1.0
        return float(stdtr(self.difference.spread.freedom, (self.half_steps - distance) / self._error))

    @cached_property
    def _error(self) -> float | None:
        """The standard error of the mean difference; None where the numbers can decide nothing."""
        spread = self.difference.spread
        if self.obstacle or spread.low is None or spread.high is None or spread.freedom is None:
            return None
        return (spread.high - spread.low) / 2 / quantile(spread.freedom)


def within_a_quarter(excess: MeasuredQuantity, whole: MeasuredQuantity, of: str) -> tuple[Test, Test]:
    """Return the two tests of |``excess``| < ``whole`` / 4, taken seed by seed.

    They are taken seed by seed because the limit has a spread of its own.
    """
    quarter = scaled(f"a quarter of {of}", 0.25, whole)
    negative = scaled(f"minus a quarter of {of}", -0.25, whole)
    return (
        Test(f"excess - a quarter of {of} < 0", excess, quarter, low=-math.inf, high=0.0, per_seed=True),
        Test(f"excess + a quarter of {of} > 0", excess, negative, per_seed=True),
    )


def verdicts(tests: Sequence[Test]) -> list[Verdict]:
    """Return the verdict of each test of one claim, with Holm's correction for contradictions."""
    refuted = rejected_by_holm([test.p_outside for test in tests])
    return [
        "contradicted" if out else "holds" if test.p_within <= FALSE_RATE else "not decided"
        for test, out in zip(tests, refuted, strict=True)
    ]


def rejected_by_holm(values: Sequence[float], rate: float = FALSE_RATE) -> list[bool]:
    """Say which p values Holm's procedure rejects at a family-wise error rate of at most ``rate``."""
    rejected = [False] * len(values)
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if values[place] > rate / (len(values) - rank):
            break
        rejected[place] = True
    return rejected


def combine(tests: Iterable[Test]) -> Verdict:
    """Return the verdict of a claim from its tests.

    It is contradicted when any test is, holds when every test does, and is else, or without tests, not
    decided.
    """
    found = set(verdicts(list(tests)))
    if "contradicted" in found:
        return "contradicted"
    return "holds" if found == {"holds"} else "not decided"
