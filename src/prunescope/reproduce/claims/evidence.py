"""Define a claim: a sentence of the paper, a rule, and the evidence that decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity
from prunescope.reproduce.claims.miniature import Miniature
from prunescope.reproduce.claims.rules import Test, Verdict, combine, verdicts


@dataclass(frozen=True)
class Evidence:
    """The evidence of a claim: the numbers shown for it, and the tests that decide it.

    ``heads``: the indices of the two quantities that sum it up.
    """

    quantities: tuple[MeasuredQuantity, ...]
    tests: tuple[Test, ...]
    heads: tuple[int, int] = (0, 1)

    @property
    def verdict(self) -> Verdict:
        """The verdict of all tests together."""
        return combine(self.tests)

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdict of each test, corrected for the number of tests."""
        return verdicts(self.tests)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, with the function that measures it.

    ``sentence``: what is claimed. ``place``: where the paper says so. ``there``: what the paper found.
    ``rule``: what decides it here, in words.
    """

    id: str
    sentence: str
    place: str
    there: str
    rule: str
    measure: Callable[[Miniature], Evidence]


@dataclass(frozen=True)
class PageSection:
    """A section of the page: claims that one plot shows.

    ``plot``: the name of a function of ``prunescope.reproduce.page.plots``.
    """

    id: str
    title: str
    plot: str
    caption: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its evidence."""

    claim: Claim
    evidence: Evidence
