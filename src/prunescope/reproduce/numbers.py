"""The table beside the page: every number on it, with the run and the place in it that it comes from."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from prunescope.reproduce.evidence import Evidence, Judged
from prunescope.reproduce.rules import Quantity

COLUMNS = ("claim", "quantity", "seed", "value", "run", "where")


def numbers(judged: Mapping[str, Sequence[Judged]]) -> str:
    """Every number of the page, one row a seed, with the run and the place in it; then the differences tested."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for one in (one for several in judged.values() for one in several):
        for quantity in _all(one.evidence):
            for seed, sample in sorted(quantity.samples.items()):
                rows.writerow(
                    [one.claim.id, quantity.name, seed, repr(sample.value), sample.run, sample.where]
                )
        for test in one.evidence.tests:
            second = f"[{test.second.name}]" if isinstance(test.second, Quantity) else f"{test.second:g}"
            for seed, value in test.differences.items():
                row = [
                    one.claim.id,
                    f"test: {test.text}",
                    seed,
                    repr(value),
                    "",
                    f"[{test.first.name}] - {second}",
                ]
                rows.writerow(row)
    return text.getvalue()


def _all(evidence: Evidence) -> list[Quantity]:
    """Every quantity shown or tested, each behind what it is computed from, once."""
    found: dict[str, Quantity] = {}

    def add(quantity: Quantity) -> None:
        for part in quantity.parts:
            add(part)
        found.setdefault(quantity.name, quantity)

    for quantity in evidence.quantities:
        add(quantity)
    for test in evidence.tests:
        add(test.first)
        if isinstance(test.second, Quantity):
            add(test.second)
    return list(found.values())
