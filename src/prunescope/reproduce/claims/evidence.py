"""What a claim is: a sentence, a rule, and the evidence that decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity
from prunescope.reproduce.claims.miniature import Miniature
from prunescope.reproduce.claims.rules import Test, Verdict, combine, verdicts


@dataclass(frozen=True)
class Evidence:
    """The numbers shown for a claim, and the tests that decide it; ``heads`` are places of the two that sum it up."""

    quantities: tuple[MeasuredQuantity, ...]
    tests: tuple[Test, ...]
    heads: tuple[int, int] = (0, 1)

    @property
    def verdict(self) -> Verdict:
        """All tests together."""
        return combine(self.tests)

    @property
    def verdicts(self) -> list[Verdict]:
        """Each test's own, with the correction for there being several."""
        return verdicts(self.tests)


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper. ``place`` is where it says so, ``there`` what it found, ``rule`` what decides here."""

    id: str
    sentence: str
    place: str
    there: str
    rule: str
    measure: Callable[[Miniature], Evidence]


@dataclass(frozen=True)
class PageSection:
    """Claims that one plot shows. ``plot`` names a function of ``prunescope.reproduce.page.plots``."""

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
