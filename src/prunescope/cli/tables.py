"""The output of the verbs ``table`` and ``compare``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.comparison import Compared, Comparison, compare
from prunescope.analysis.formats import interval, number
from prunescope.analysis.input_wording import KINDS, ImageKind, images_text, inputs_of
from prunescope.analysis.markdown import in_markdown, markdown_table
from prunescope.analysis.nulls import earlier_nulls
from prunescope.analysis.quantities import Quantity, quantities
from prunescope.analysis.tables import (
    FoundRuns,
    check_table_place,
    find_runs,
    table_of,
    without_twins,
    write_table,
)
from prunescope.errors import InputError
from prunescope.runs.directory import Run

FILE = "runs.parquet"
DIGITS = 2
# What is said below a comparison that has an interval of an accuracy.
CONDITIONAL = "Intervals of accuracies are over seeds, conditional on these {0}: other {0} are not in them."


def print_table(place: Path, out: Path | None) -> None:
    """Write the table of all runs below ``place`` and print its path; runs that are left out are named on stderr."""
    if out is not None:
        check_table_place(out)  # before what takes its time
    found = find_runs([place])
    path = out or place / FILE
    check_table_place(path)
    _say_problems(found)
    runs, notes = without_twins(found.runs)
    rows = table_of(runs)
    write_table(rows, path)
    for note in notes:
        print(f"prunescope: {note}", file=sys.stderr)
    for run in runs:
        if run.status != "done":
            print(
                f"prunescope: {run.path}: {run.status}, its finished levels are in the table", file=sys.stderr
            )
    _say_earlier(runs)
    print(f"{rows.height} rows of {len(runs)} run{'s' * (len(runs) != 1)}", file=sys.stderr)
    print(path)


def print_comparison(
    places: Sequence[Path], by: Sequence[str], baseline: str | None, density: float | None, form: str
) -> None:
    """Compare the finished runs at and below ``places`` and print the comparison.

    form: text, csv, markdown or json.
    """
    for place in places:
        if form != "text" and place.suffix == f".{form}" and not place.is_dir():
            raise InputError(
                f"{place}: --{form} prints to the terminal and takes no file: write --{form} > {place}"
            )
    found = find_runs(places)
    _say_problems(found)
    done = [run for run in found.runs if run.status == "done"]
    for run in found.runs:
        if run.status != "done":
            print(f"prunescope: {run.path}: {run.status}, left out", file=sys.stderr)
    if not done:
        raise InputError(f"{places[0]}: no finished run to compare")
    comparison = compare(done, by, baseline, density)
    for note in comparison.notes:
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
    heading, *lines = ([in_markdown(cell) for cell in line] for line in (heading, *lines))
    table = markdown_table(heading, lines, right=len(heading) - 2)
    return (
        f"{table}\n\n{CONDITIONAL.format(_inputs(comparison.groups))}" if _has_interval(comparison) else table
    )


def _text(comparison: Comparison) -> str:
    lines = [[" ".join(cell.splitlines()) for cell in line] for line in _cells(comparison)]
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
    if _has_interval(comparison):
        text += ["", CONDITIONAL.format(_inputs(comparison.groups))]
    return "\n".join(text)


def _has_interval(comparison: Comparison) -> bool:
    """Return whether some mean or difference of an accuracy has an interval."""
    accuracies = {quantity.name for quantity in quantities(comparison.density) if quantity.images}
    return any(
        row["quantity"] in accuracies and (row["low"] is not None or row.get("difference_low") is not None)
        for row in comparison.rows()
    )


def _cells(comparison: Comparison) -> list[list[str]]:
    """Return a heading, and a row for each quantity and group.

    Quantities that no run has are left out, but for held-out accuracies where there are no held-out images.
    """
    heading = ["quantity", "group", "n", "mean", "sd", "95 % interval"]
    if comparison.baseline is not None:
        heading += [f"less {comparison.baseline.label}", "95 % interval", "paired"]
    lines = [heading]
    for quantity in quantities(comparison.density):
        own = [comparison.row(quantity, group) for group in comparison.groups]
        without = quantity.name == "heldout_accuracy" and any(row["images"] == 0 for row in own)
        if without or any(row["mean"] is not None for row in own):
            differ = len({row["images"] for row in own if row["mean"] is not None}) > 1
            title = _heading(quantity, own, _inputs(comparison.groups))
            for row, group in zip(own, comparison.groups, strict=True):
                lines.append(_row(row, quantity, title, _inputs([group]), differ=differ))
    return lines


def _inputs(groups: Sequence[Compared]) -> str:
    """Return what the inputs of the compared runs are called: images, series, rows, or inputs of several kinds."""
    return inputs_of(run for group in groups for own in group.settings for run in own.group.runs)


def _heading(about: Quantity, rows: Sequence[dict[str, Any]], inputs: str) -> str:
    """Return the title with the unit, and on how many images an accuracy is, where the groups agree in it."""
    unit = ", points" if about.points else ", %" if about.format == "percent" else ""
    if about.images is None:
        return f"{about.title}{unit}"
    known = {row["images"] for row in rows if row["mean"] is not None}
    images = (
        _images(known.pop(), about.images, inputs) if len(known) == 1 else f"{KINDS[about.images]} {inputs}"
    )
    return f"{about.title}{unit}, {images}"


def _images(count: int | None, kind: ImageKind, inputs: str) -> str:
    """Return a number of images as text; None stands for runs that differ in it, or that did not store it."""
    return f"{KINDS[kind]} {inputs}, number unknown" if count is None else images_text([count], kind, inputs)


def _row(row: dict[str, Any], about: Quantity, title: str, inputs: str, *, differ: bool) -> list[str]:
    count = str(row["n"]) if row["settings"] < 2 else f"{row['settings']} settings"
    group = row["group"]
    if about.images is not None and (differ or row["images"] == 0):
        group = f"{group} ({_images(row['images'], about.images, inputs)})"
    cells = [title, group, count, _number(row["mean"], about), _number(row["sd"], about)]
    cells.append("all alike" if row["alike"] else _interval(*_cut(row["low"], row["high"], about), about))
    if "paired" in row:
        cells.append(_number(row["difference"], about, sign=True))
        cells.append(_interval(row["difference_low"], row["difference_high"], about))
        cells.append(_pairing(row))
    return cells


def _number(value: float | None, about: Quantity, *, sign: bool = False) -> str:
    return number(value, about.format, unit=False, sign=sign, digits=DIGITS)


def _interval(low: float | None, high: float | None, about: Quantity) -> str:
    return interval(low, high, about.format, digits=DIGITS)


def _cut(low: float | None, high: float | None, about: Quantity) -> tuple[float | None, float | None]:
    """Return an interval of a mean without what the mean cannot be; files and JSON have the whole interval."""
    lowest, highest = about.range
    return (None if low is None else max(low, lowest)), (None if high is None else min(high, highest))


def _pairing(row: dict[str, Any]) -> str:
    """Return how a difference was paired, as in ``5 seeds, without 7``; ``no`` for a difference of means."""
    if row["paired"] is None:
        return ""
    if not row["paired"]:
        return "no"
    left_out = f", without {' '.join(map(str, row['left_out']))}" if row["left_out"] else ""
    return f"{row['difference_n']} seeds{left_out}"
