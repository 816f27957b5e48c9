"""Word what the page says beside each test, and how claims are judged."""

from __future__ import annotations

from prunescope.analysis.formats import by_size
from prunescope.analysis.statistics import PAIRED_SEEDS
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, together
from prunescope.reproduce.claims.rules import FALSE_RATE, FEWEST_SEEDS, Test, Verdict


def compared(test: Test) -> str:
    """Say how a test's difference was taken, over how many seeds, and which seeds it leaves out."""
    found = test.difference
    if not found.paired and isinstance(test.second, MeasuredQuantity):
        return f"Welch, n = {len(test.first.samples)} and {len(test.second.samples)}"
    how = "paired" if isinstance(test.second, MeasuredQuantity) else "one sample"
    left_out = ", ".join(str(seed) for seed in found.left_out)
    word = "seed" if len(found.left_out) == 1 else "seeds"
    return f"{how}, n = {found.spread.n}" + (f", without {word} {left_out}" if left_out else "")


def interval(test: Test, verdict: Verdict) -> str:
    """Format the 95 % interval, or the reason for none, and note a verdict that the correction changes."""
    spread, unit = test.spread, test.unit
    if test.obstacle or spread.low is None or spread.high is None:
        return test.obstacle
    text = f"{by_size(spread.low, unit)} … {by_size(spread.high, unit)}"
    outside = spread.high < test.low or spread.low > test.high
    return f"{text}, outside, but not after the correction" if outside and verdict != "contradicted" else text


def images_of(test: Test) -> str:
    """Name the images on which a test's accuracies were measured; empty for other quantities."""
    second = test.second.images if isinstance(test.second, MeasuredQuantity) else ""
    return together((test.first.images, second))


def how_judged(claims: int) -> list[str]:
    """Explain in sentences what the verdicts mean, and how many of so many are expected to be wrong."""
    return [
        f"A claim holds when all its tests hold: when the 95 % interval of each mean (Student’s t over seeds) lies wholly "
        f"within the test’s bounds. It is contradicted when a test is: when its mean lies outside a bound at a one-sided "
        f"{100 * FALSE_RATE:g} %, with Holm’s correction over the tests of the claim, and over both bounds where a test "
        f"has two. Else it is not decided; so it is with fewer than {FEWEST_SEEDS} seeds, and when all seeds agree to the "
        "last digit, which says nothing about the next seed.",
        f"By these rules a claim that is not true is said to hold, and a true one to be contradicted, at most "
        f"{100 * FALSE_RATE:g} % of the time; with three seeds of experiments whose noise differs by a factor of four it is "
        f"3 %, since Welch’s test is an approximation. Of {claims} claims at most about {claims * FALSE_RATE:.1f} would get "
        "a wrong verdict by chance: verdicts are not corrected for the number of claims.",
        f"A difference within a run (two levels, two layers, against its own null) is paired, seed by seed. Between two "
        f"experiments it is Welch’s, unless both were run on the same data with at least {PAIRED_SEEDS} seeds in common; "
        "then it is paired too. A limit that is itself measured, as a quarter of another excess, is taken seed by seed. "
        "Half a step of the levels is added on either side of what can only be a level.",
        "± is one standard deviation over seeds. The number of images stands beside each accuracy. All seeds are "
        "measured on the same images: an interval over seeds is conditional on them and says nothing about others.",
    ]
