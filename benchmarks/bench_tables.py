"""Print the tables of benchmarks/README.md from what `prunescope bench --json` printed, as Markdown.

    python benchmarks/bench_tables.py first.json again.json

Each file is one run of the command. Rows of the later ones are called "again", so that a reader sees how far two runs
differ. Nothing is measured here, and nothing is copied by eye.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.markdown import markdown_table
from prunescope.bench.advice import native_factors
from prunescope.bench.sizes import COMPETITORS

Results = dict[str, Any]
Row = dict[str, Any]


def document(runs: Sequence[Results]) -> str:
    """Return the heading, the tables and the remaining numbers of some runs of the benchmark, in Markdown."""
    machine = runs[0]["machine"]
    heading = (
        f"### Measured: {machine['processor']}, {machine['threads']} of {machine['cores']} cores, "
        f"torch {machine['torch']}, native on {machine['native_instructions']}"
    )
    parts = [
        steps(runs),
        layers(runs, "layer"),
        layers(runs, "layer_threads"),
        pruning(runs),
        evaluations(runs),
        sequences(runs),
        *(rest(run) for run in runs),
    ]
    return "\n\n".join([heading, *filter(None, parts)])


def steps(runs: Sequence[Results]) -> str:
    """Return the table of steps: plain / torch / native, times faster and share of the limit, a column for each u."""
    densities = _values(runs, "step", "u")
    rows = []
    for classes in _values(runs, "step", "classes"):
        for number, run in enumerate(runs):
            points = [_point(run, classes, u) for u in densities]
            if any(points):
                rows.append([_again(number, f"{classes} classes"), *points])
    return _table(_header("a step, ms", densities), rows)


def _point(run: Results, classes: int, u: float) -> str:
    place = (classes, u)
    seconds = {r["competitor"]: r["seconds"] for r in run["step"] if (r["classes"], r["u"]) == place}
    if not seconds:
        return ""
    cell = " / ".join(_ms(seconds[name]) for name in _present(seconds))
    if "native" not in seconds:
        return cell
    (share,) = (
        row["share"]
        for row in run["limits"]["step"]
        if (row["classes"], row["u"], row["competitor"]) == (*place, "native")
    )
    return f"{cell} (**×{seconds['plain'] / seconds['native']:.2f}**; {100 * share:.0f} %)"


def layers(runs: Sequence[Results], part: str) -> str:
    """Return the table of a layer: a row for each competitor of the first run, and native's factor in every run."""
    densities = _values(runs, part, "u")
    if not densities:
        return ""
    threads = next(run[part][0]["threads"] for run in runs if run[part])
    first = {(row["competitor"], row["u"]): _ms(row["seconds"]) for row in runs[0][part]}
    names = _present({name for name, _ in first})
    rows = [[name, *(first.get((name, u), "") for u in densities)] for name in names]
    for number, run in enumerate(runs):
        factors = native_factors(run[part])
        if factors:
            cells = [f"**×{factors[u]:.2f}**" if u in factors else "" for u in densities]
            rows.append([_again(number, "best of the others / native"), *cells])
    return _table(_header(f"one layer, forward and backward, {_threads(threads)}, ms", densities), rows)


def pruning(runs: Sequence[Results]) -> str:
    """Return the table of the pruning run, in seconds."""

    def cell(row: Row) -> str:
        factor = "" if row["competitor"] == "plain" else f" (**×{row['ratio']:.2f}**)"
        return f"{row['seconds']:.1f}{factor}"

    def title(row: Row) -> str:
        return f"pruning run, {row['levels']} levels × {row['steps']} steps, s"

    return _by_competitor(runs, "imp", title, cell)


def evaluations(runs: Sequence[Results]) -> str:
    """Return the table of evaluations, in milliseconds, a column for each u."""
    densities = _values(runs, "evaluation", "u")
    rows = []
    for number, run in enumerate(runs):
        cells = []
        for u in densities:
            seconds = {row["competitor"]: row["seconds"] for row in run["evaluation"] if row["u"] == u}
            cells.append(" / ".join(_ms(seconds[name]) for name in _present(seconds)))
        if run["evaluation"]:
            first = run["evaluation"][0]
            rows.append([_again(number, f"{first['images']:,} images, {first['classes']} classes"), *cells])
    return _table(_header("an evaluation, ms", densities), rows)


def sequences(runs: Sequence[Results]) -> str:
    """Return the table of the paper's sequence: hours of steps + evaluations, and how many dense trainings they are."""

    def cell(row: Row) -> str:
        hours, training, evaluating = (
            f"{row[key] / 3600:.1f}" for key in ("seconds", "steps_seconds", "evaluations_seconds")
        )
        return f"{hours} ({training} + {evaluating}); **{row['dense_trainings']:.1f}** dense trainings"

    def title(row: Row) -> str:
        return f"{row['levels']} levels × {row['steps']:,} steps, hours (steps + evaluations)"

    return _by_competitor(runs, "sequence", title, cell)


def rest(run: Results) -> str:
    """Return a paragraph of one run's other numbers: observables, threads, limits, and the time of the command."""
    found = [f"{row['name']} at u = {row['u']:g} {_ms(row['seconds'])} ms" for row in run["observables"]]
    found += [
        f"a step with {row['competitor']} on {_threads(row['threads'])} {_ms(row['seconds'])} ms"
        for row in run["threads"]
    ]
    limits = run["limits"]
    found.append(f"a dense float32 product {limits['matmul_gflops']:.0f} GFLOP/s")
    found.append(f"a copy {limits['copy_gb_per_second']:.1f} GB/s")
    minutes, seconds = divmod(round(run["seconds"]), 60)
    notes = "".join(f" Note: {note}." for note in run["notes"])
    return f"Also measured: {', '.join(found)}. The whole command took {minutes} min {seconds} s.{notes}"


def _by_competitor(
    runs: Sequence[Results], part: str, title: Callable[[Row], str], cell: Callable[[Row], str]
) -> str:
    """Return a table with a column for each competitor and a row for each run."""
    names = _present({row["competitor"] for run in runs for row in run[part]})
    rows = []
    for number, run in enumerate(runs):
        cells = {row["competitor"]: cell(row) for row in run[part]}
        if cells:
            rows.append([_again(number, title(run[part][0])), *(cells.get(name, "") for name in names)])
    return _table(["", *names], rows)


def _header(title: str, densities: Sequence[float]) -> list[str]:
    return [title, *(f"u = {u:g}" if u == densities[0] else f"{u:g}" for u in densities)]


def _values(runs: Sequence[Results], part: str, key: str) -> list[Any]:
    """Return the values of a column in any run: densities from dense to sparse, others from small to large."""
    return sorted({row[key] for run in runs for row in run[part]}, reverse=key == "u")


def _present(names: Iterable[str]) -> list[str]:
    there = set(names)
    return [name for name in COMPETITORS if name in there]


def _again(number: int, title: str) -> str:
    return "again" if number else title


def _threads(number: int) -> str:
    return "one thread" if number == 1 else f"{number} threads"


def _ms(seconds: float) -> str:
    milliseconds = 1000 * seconds
    return f"{milliseconds:.0f}" if milliseconds >= 99.5 else f"{milliseconds:.1f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, and nothing where there are no rows."""
    return markdown_table(header, rows) if rows else ""


def main(paths: Sequence[str]) -> None:
    """Print the document of the runs whose JSON the files hold."""
    if not paths:
        sys.exit("usage: python benchmarks/bench_tables.py BENCH.json [AGAIN.json …]")
    print(document([json.loads(Path(path).read_text("utf-8")) for path in paths]))


if __name__ == "__main__":
    main(sys.argv[1:])
