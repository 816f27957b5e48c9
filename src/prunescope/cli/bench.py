"""The output of the verb ``bench``: tables, and one sentence that says which engine to choose."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.bench.advice import advice, native_factors
from prunescope.bench.sizes import COMPETITORS, FULL, PARTS, QUICK, Sizes
from prunescope.bench.suite import checked_parts, checked_threads, run_bench
from prunescope.errors import InputError

Row = dict[str, Any]
SEQUENCE_NOTE = (
    "(log seconds interpolated over log u between measured densities, constant beyond; a dense training is a level of "
    "plain PyTorch at u = 1)"
)


def print_bench(
    *,
    quick: bool,
    only: str | None,
    threads: int | None,
    plot: Path | None,
    as_json: bool,
    sizes: Sizes | None = None,
) -> None:
    """Run the benchmark and print its results; progress goes to stderr. Also draw the steps into ``plot`` if it is given."""
    parts = PARTS if only is None else checked_parts([part.strip() for part in only.split(",")])
    threads = checked_threads(threads)
    if plot is not None:
        from prunescope.bench.plot import check_target

        if "step" not in parts:
            raise InputError(f"--plot draws the steps: name step in --only (it is {only!r})")
        check_target(plot)
    sizes = sizes or (QUICK if quick else FULL)
    results = run_bench(sizes, parts=parts, threads=threads, quick=quick, say=_say)
    if plot is not None:
        from prunescope.bench.plot import write_plot

        for path in write_plot(results, plot):
            _say(f"wrote {path}")
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        print_tables(results)


def print_tables(results: dict[str, Any]) -> None:
    """Print every part that was measured, the machine's limits, notes, and the advice."""
    machine, limits = results["machine"], results["limits"]
    print(
        f"{machine['processor']}, {machine['threads']} of {machine['cores']} cores, torch {machine['torch']}"
    )
    print(
        f"dense float32 product {limits['matmul_gflops']:.0f} GFLOP/s, copy {limits['copy_gb_per_second']:.1f} GB/s"
    )
    print("milliseconds, medians" + (" (quick)" if machine["quick"] else ""))
    if results["step"]:
        _print_steps(results["step"], limits["step"])
    if results["evaluation"]:
        names = _competitors(results["evaluation"])
        rows = [[f"{u:g}", *cells] for u, cells in _cells(results["evaluation"], ("u",), names)]
        first = results["evaluation"][0]
        _table(f"evaluation of {first['images']:,} images, {first['classes']} classes", ["u", *names], rows)
    if results["sequence"]:
        _print_sequence(results["sequence"])
    for part in ("layer", "layer_threads"):
        if results[part]:
            _print_layers(results[part])
    if results["imp"]:
        first = results["imp"][0]
        rows = [[r["competitor"], f"{r['seconds']:.2f}", f"{r['ratio']:.2f}"] for r in results["imp"]]
        title = f"pruning run, {first['levels']} levels of {first['steps']} steps"
        _table(title, ["competitor", "seconds", "times as fast as plain"], rows)
    if results["observables"]:
        rows = [[r["name"], f"{r['u']:g}", _ms(r)] for r in results["observables"]]
        _table("observables of a first-layer mask", ["name", "u", "ms"], rows)
    if results["threads"]:
        names = _competitors(results["threads"])
        rows = [[str(count), *cells] for count, cells in _cells(results["threads"], ("threads",), names)]
        _table("one step by threads", ["threads", *names], rows)
    print()
    for note in results["notes"]:
        print(f"note: {note}")
    print(advice(results))


def _print_steps(steps: Sequence[Row], limits: Sequence[Row]) -> None:
    names = _competitors(steps)
    engines = [name for name in names if name != "plain"]
    rows = []
    for (classes, u), cells in _cells(steps, ("classes", "u"), names):
        point = {r["competitor"]: r for r in steps if (r["classes"], r["u"]) == (classes, u)}
        shares = {r["competitor"]: r["share"] for r in limits if (r["classes"], r["u"]) == (classes, u)}
        best = min(engines, key=lambda name: point[name]["seconds"])
        faster = point["plain"]["seconds"] / point[best]["seconds"]
        rows.append([str(classes), f"{u:g}", *cells, best, f"{faster:.2f}", f"{100 * shares[best]:.0f} %"])
    _table("one training step", ["classes", "u", *names, "fastest", "times as fast", "of limit"], rows)


def _print_layers(layers: Sequence[Row]) -> None:
    """Print the milliseconds of a layer, and how many times faster native is than the best of other sparse libraries."""
    names, factors = _competitors(layers), native_factors(layers)
    rows = [
        [f"{u:g}", *cells, f"{factors[u]:.2f}" if u in factors else "-"]
        for u, cells in _cells(layers, ("u",), names)
    ]
    threads = layers[0]["threads"]
    title = f"one layer, forward + backward, {'one thread' if threads == 1 else f'{threads} threads'}"
    _table(title, ["u", *names, "best other / native"], rows)


def _print_sequence(sequence: Sequence[Row]) -> None:
    first, plain = sequence[0], next(row for row in sequence if row["competitor"] == "plain")
    rows = [
        [
            row["competitor"],
            *(f"{row[key] / 3600:.3g}" for key in ("seconds", "steps_seconds", "evaluations_seconds")),
            f"{row['dense_trainings']:.2f}",
            f"{plain['seconds'] / row['seconds']:.2f}",
        ]
        for row in sequence
    ]
    title = f"the paper's sequence, {first['levels']} levels of {first['steps']:,} steps, hours, estimated"
    header = [
        "competitor",
        "hours",
        "of steps",
        "of evaluations",
        "dense trainings",
        "times as fast as plain",
    ]
    _table(title, header, rows)
    print(SEQUENCE_NOTE)


def _competitors(rows: Sequence[Row]) -> list[str]:
    return [name for name in COMPETITORS if any(row["competitor"] == name for row in rows)]


def _cells(rows: Sequence[Row], keys: tuple[str, ...], names: Sequence[str]) -> list[tuple[Any, list[str]]]:
    """Return each competitor's milliseconds for every value of ``keys``, in the order in which they appear."""
    found: dict[Any, dict[str, str]] = {}
    for row in rows:
        place = tuple(row[key] for key in keys)
        found.setdefault(place if len(keys) > 1 else place[0], {})[row["competitor"]] = _ms(row)
    return [(place, [cells.get(name, "-") for name in names]) for place, cells in found.items()]


def _ms(row: Row) -> str:
    milliseconds = 1000 * row["seconds"]
    return f"{milliseconds:.0f}" if milliseconds >= 99.5 else f"{milliseconds:.3g}"


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a ruled table on a terminal, and plain columns elsewhere."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=200)  # nothing wraps in a file
    table = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for name in header:
        left = name in ("competitor", "name", "fastest")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    print(f"\n{title}", flush=True)
    console.print(table)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
