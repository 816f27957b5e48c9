"""What the verbs ``table`` and ``compare`` print."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.errors import InputError
from prunescope.tables.collect import Found, find_runs, table_of, write_table
from prunescope.tables.comparing import Comparison, compare
from prunescope.tables.facts import Quantity, quantities

FILE = "runs.parquet"


def print_table(place: Path, out: Path | None) -> None:
    """Write the table of all runs below ``place`` and print its path; what is left out is said on stderr."""
    found = find_runs([place])
    path = out or place / FILE
    rows = table_of(found.runs)
    write_table(rows, path)
    _say_problems(found)
    for run in found.runs:
        if run.status != "done":
            print(
                f"prunescope: {run.path}: {run.status}, its finished levels are in the table", file=sys.stderr
            )
    print(f"{rows.height} rows of {len(found.runs)} runs", file=sys.stderr)
    print(path)


def print_comparison(
    places: Sequence[Path], by: Sequence[str], baseline: str | None, density: float | None, form: str
) -> None:
    """Compare the finished runs at and below ``places``; form: text, csv, markdown or json."""
    found = find_runs(places)
    _say_problems(found)
    done = [run for run in found.runs if run.status == "done"]
    for run in found.runs:
        if run.status != "done":
            print(f"prunescope: {run.path}: {run.status}, left out", file=sys.stderr)
    if not done:
        raise InputError(f"{places[0]}: no finished run to compare")
    comparison = compare(done, by, baseline, density)
    forms = {"csv": _csv, "json": _json, "markdown": _markdown, "text": _text}
    print(forms[form](comparison))


def _say_problems(found: Found) -> None:
    for path, problem in found.problems.items():
        print(f"prunescope: {path}: {problem}; left out", file=sys.stderr)


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
    """A heading, and a row for each quantity and group; quantities that no run has are left out."""
    heading = ["quantity", "group", "n", "mean", "sd", "95 % interval"]
    if comparison.baseline is not None:
        heading += [f"less {comparison.baseline.label}", "95 % interval", "paired"]
    about = {quantity.name: quantity for quantity in quantities(comparison.density)}
    rows = comparison.rows()
    known = {row["quantity"] for row in rows if row["n"]}
    return [heading, *(_row(row, about[row["quantity"]]) for row in rows if row["quantity"] in known)]


def _row(row: dict[str, Any], about: Quantity) -> list[str]:
    cells = [f"{about.title}{', %' if about.percent else ''}", row["group"], str(row["n"])]
    cells += [
        _number(row["mean"], about),
        _number(row["sd"], about),
        _interval(row["low"], row["high"], about),
    ]
    if "paired" in row:
        change = _number(row["difference"], about, sign=True)
        cells += [change, _interval(row["difference_low"], row["difference_high"], about)]
        cells.append({True: f"{row['difference_n']} seeds", False: "no", None: ""}[row["paired"]])
    return cells


def _number(value: float | None, about: Quantity, *, sign: bool = False) -> str:
    if value is None:
        return "-"
    return f"{100 * value if about.percent else value:{'+' if sign else ''}.2f}"


def _interval(low: float | None, high: float | None, about: Quantity) -> str:
    return "-" if low is None else f"{_number(low, about)} … {_number(high, about)}"
