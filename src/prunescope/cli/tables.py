"""The output of the verbs ``table`` and ``compare``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.comparison import Comparison, compare
from prunescope.analysis.formats import interval, number
from prunescope.analysis.nulls import earlier_nulls
from prunescope.analysis.quantities import Quantity, quantities
from prunescope.analysis.tables import FoundRuns, find_runs, table_of, write_table
from prunescope.errors import InputError
from prunescope.runs.directory import Run

FILE = "runs.parquet"
DIGITS = 2
IMAGES = {"validation": "validation images", "heldout": "held-out images"}


def print_table(place: Path, out: Path | None) -> None:
    """Write the table of all runs below ``place`` and print its path; runs that are left out are named on stderr."""
    found = find_runs([place])
    path = out or place / FILE
    _say_problems(found)
    rows = table_of(found.runs)
    write_table(rows, path)
    for run in found.runs:
        if run.status != "done":
            print(
                f"prunescope: {run.path}: {run.status}, its finished levels are in the table", file=sys.stderr
            )
    _say_earlier(found.runs)
    print(f"{rows.height} rows of {len(found.runs)} run{'s' * (len(found.runs) != 1)}", file=sys.stderr)
    print(path)


def print_comparison(
    places: Sequence[Path], by: Sequence[str], baseline: str | None, density: float | None, form: str
) -> None:
    """Compare the finished runs at and below ``places`` and print the comparison.

    form: text, csv, markdown or json.
    """
    found = find_runs(places)
    _say_problems(found)
    done = [run for run in found.runs if run.status == "done"]
    for run in found.runs:
        if run.status != "done":
            print(f"prunescope: {run.path}: {run.status}, left out", file=sys.stderr)
    if not done:
        raise InputError(f"{places[0]}: no finished run to compare")
    comparison = compare(done, by, baseline, density)
    for note in dict.fromkeys(note for group in comparison.groups for note in group.notes):
        print(f"prunescope: {note}", file=sys.stderr)
    _say_earlier(done)
    forms = {"csv": _csv, "json": _json, "markdown": _markdown, "text": _text}
    print(forms[form](comparison))


def _say_problems(found: FoundRuns) -> None:
    for path, problem in found.problems.items():
        print(f"prunescope: {path}: {problem}; left out", file=sys.stderr)


def _say_earlier(runs: Sequence[Run]) -> None:
    if note := earlier_nulls(runs):
        print(f"prunescope: {note}", file=sys.stderr)


def _csv(comparison: Comparison) -> str:
    return comparison.frame().write_csv().rstrip("\n")


def _json(comparison: Comparison) -> str:
    groups = [{"group": group.label, "seeds": list(group.seeds)} for group in comparison.groups]
    baseline = comparison.baseline.label if comparison.baseline else None
    return json.dumps({"groups": groups, "baseline": baseline, "rows": comparison.rows()}, indent=2)


def _markdown(comparison: Comparison) -> str:
    heading, *lines = _cells(comparison)
    ruler = ["---", "---", *["---:"] * (len(heading) - 2)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heading, ruler, *lines))


def _text(comparison: Comparison) -> str:
    lines = _cells(comparison)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text: list[str] = []
    last = ""
    for quantity, *cells in lines:
        if quantity != last:
            text += ["", quantity] if text else []
            last = quantity
        padded = [
            f"{cells[0]:{widths[1]}}",
            *(f"{c:>{w}}" for c, w in zip(cells[1:], widths[2:], strict=True)),
        ]
        text.append("  " + "  ".join(padded).rstrip())
    return "\n".join(text)


def _cells(comparison: Comparison) -> list[list[str]]:
    """Return a heading, and a row for each quantity and group; quantities that no run has are left out."""
    heading = ["quantity", "group", "n", "mean", "sd", "95 % interval"]
    if comparison.baseline is not None:
        heading += [f"less {comparison.baseline.label}", "95 % interval", "paired"]
    rows = comparison.rows()
    lines = [heading]
    for quantity in quantities(comparison.density):
        own = [row for row in rows if row["quantity"] == quantity.name]
        if any(row["mean"] is not None for row in own):
            lines += [_row(row, quantity, _heading(quantity, own)) for row in own]
    return lines


def _heading(about: Quantity, rows: Sequence[dict[str, Any]]) -> str:
    """Return the title with the unit, and on how many images an accuracy is."""
    unit = ", points" if about.points else ", %" if about.format == "percent" else ""
    known = {row["images"] for row in rows if row["mean"] is not None}
    images = "" if about.images is None else f", {IMAGES[about.images]}"
    if about.images is not None and len(known) == 1 and None not in known:
        images = f", {known.pop():,} {IMAGES[about.images]}"
    return f"{about.title}{unit}{images}"


def _row(row: dict[str, Any], about: Quantity, title: str) -> list[str]:
    count = str(row["n"]) if row["settings"] < 2 else f"{row['settings']} settings"
    cells = [title, row["group"], count, _number(row["mean"], about), _number(row["sd"], about)]
    cells.append("all alike" if row["alike"] else _interval(row["low"], row["high"], about))
    if "paired" in row:
        cells.append(_number(row["difference"], about, sign=True))
        cells.append(_interval(row["difference_low"], row["difference_high"], about))
        cells.append(_pairing(row))
    return cells


def _number(value: float | None, about: Quantity, *, sign: bool = False) -> str:
    return number(value, about.format, unit=False, sign=sign, digits=DIGITS)


def _interval(low: float | None, high: float | None, about: Quantity) -> str:
    return interval(low, high, about.format, digits=DIGITS)


def _pairing(row: dict[str, Any]) -> str:
    """Return how a difference was paired, as in ``5 seeds, without 7``; ``no`` for a difference of means."""
    if row["paired"] is None:
        return ""
    if not row["paired"]:
        return "no"
    left_out = f", without {' '.join(map(str, row['left_out']))}" if row["left_out"] else ""
    return f"{row['difference_n']} seeds{left_out}"
