"""Make the table beside the page: every number on it, with the run and the place where it stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from prunescope.reproduce.claims.evidence import Evidence, JudgedClaim
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity
from prunescope.reproduce.claims.rules import Test

COLUMNS = ("claim", "row", "quantity", "seed", "value", "images", "run", "where")


def numbers(judged: Mapping[str, Sequence[JudgedClaim]]) -> str:
    """Return every number of the page as a table: claim by claim, what was measured and what was tested.

    The column ``row`` says what a row is. measured: a number of one seed. paired: a difference of two
    quantities of one seed. one sample: a number of one seed less a constant. Welch: the difference of two
    means, whose values by seed are rows of their own.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for one in (one for several in judged.values() for one in several):
        for quantity in _all(one.evidence):
            for seed, sample in sorted(quantity.samples.items()):
                found = [quantity.name, seed, repr(sample.value), sample.images, sample.run, sample.where]
                rows.writerow([one.claim.id, "measured", *found])
        for test in one.evidence.tests:
            for row, of_seed, value, where in _tested(test):
                rows.writerow([one.claim.id, row, f"test: {test.text}", of_seed, repr(value), "", "", where])
    return text.getvalue()


def _tested(test: Test) -> Iterator[tuple[str, int | None, float, str]]:
    """Yield kind of row, seed, value and origin of each number that a test's mean and interval rest on."""
    if not isinstance(test.second, MeasuredQuantity):
        for seed, value in test.differences.items():
            yield "one sample", seed, value, f"[{test.first.name}] - {test.second:g}"
    elif test.difference.paired:
        for seed, value in test.differences.items():
            yield "paired", seed, value, f"[{test.first.name}] - [{test.second.name}]"
    elif test.spread.mean is not None:
        yield "Welch", None, test.spread.mean, f"mean of [{test.first.name}] - mean of [{test.second.name}]"


def _all(evidence: Evidence) -> list[MeasuredQuantity]:
    """Return every quantity shown or tested once, each after those that it is computed from."""
    found: dict[str, MeasuredQuantity] = {}

    def add(quantity: MeasuredQuantity) -> None:
        for part in quantity.parts:
            add(part)
        found.setdefault(quantity.name, quantity)

    for quantity in evidence.quantities:
        add(quantity)
    for test in evidence.tests:
        add(test.first)
        if isinstance(test.second, MeasuredQuantity):
            add(test.second)
    return list(found.values())
