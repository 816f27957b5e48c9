"""Verdicts: what a measured difference must be for a claim to hold. Cheap to import."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

Verdict = Literal["holds", "does not hold", "not decided"]

CONFIDENCE = 0.95
# Two seeds can agree by chance one time in two, whatever their interval says.
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Sample:
    """One number of one run: its value, the run's path (relative) and where in it the number stands."""

    value: float
    run: str
    where: str


@dataclass(frozen=True)
class Quantity:
    """A number measured in several runs, by seed.

    ``unit`` is %, points, × or °, as printed; the first two multiply by 100. ``parts`` are the quantities it is computed from.
    """

    name: str
    samples: Mapping[int, Sample]
    unit: str = ""
    null: bool = False
    parts: tuple[Quantity, ...] = ()

    @property
    def values(self) -> list[float]:
        """By ascending seed."""
        return [self.samples[seed].value for seed in sorted(self.samples)]


@dataclass(frozen=True)
class Test:
    """Whether ``first`` - ``second``, taken seed by seed, is above ``low`` and below ``high``.

    ``second`` may be a constant. The difference counts as above or below a bound when its 95 % interval over
    seeds (Student's t) lies wholly there.
    """

    __test__ = False  # not a test of pytest's

    text: str
    first: Quantity
    second: Quantity | float = 0.0
    low: float = 0.0
    high: float = math.inf

    @property
    def differences(self) -> dict[int, float]:
        """By seed, for the seeds that both have."""
        if not isinstance(self.second, Quantity):
            constant = self.second
            return {seed: sample.value - constant for seed, sample in sorted(self.first.samples.items())}
        both = sorted(self.first.samples.keys() & self.second.samples.keys())
        return {seed: self.first.samples[seed].value - self.second.samples[seed].value for seed in both}

    @property
    def unit(self) -> str:
        """That of the differences."""
        return difference_unit(self.first.unit) if isinstance(self.second, Quantity) else self.first.unit

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean difference; None for fewer than three seeds."""
        return interval(self.differences.values())

    @property
    def verdict(self) -> Verdict:
        """holds when the interval lies within the bounds, does not hold when it lies outside, else not decided."""
        found = self.interval
        if found is None:
            return "not decided"
        if self.low < found[0] and found[1] < self.high:
            return "holds"
        if found[1] < self.low or found[0] > self.high:
            return "does not hold"
        return "not decided"


def difference_unit(unit: str) -> str:
    """The unit of a difference: percentages differ by points."""
    return "points" if unit == "%" else unit


def interval(values: Iterable[float]) -> tuple[float, float] | None:
    """The 95 % confidence interval of the mean by Student's t; None for fewer than three values."""
    numbers = list(values)
    if len(numbers) < FEWEST_SEEDS:
        return None
    from scipy.special import stdtrit

    half = float(stdtrit(len(numbers) - 1, (1 + CONFIDENCE) / 2)) * stdev(numbers) / math.sqrt(len(numbers))
    return fmean(numbers) - half, fmean(numbers) + half


def combine(tests: Iterable[Test]) -> Verdict:
    """holds when every test holds; does not hold when one does not; else, and without any test, not decided."""
    verdicts = {test.verdict for test in tests}
    if "does not hold" in verdicts:
        return "does not hold"
    return "holds" if verdicts == {"holds"} else "not decided"
