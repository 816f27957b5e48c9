"""Print tables for an entry of docs/log.md, in Markdown, from stored runs.

``python tools/log_entry.py levels RUN…`` prints the table of levels of one experiment's runs: one row a level, means and
standard deviations over seeds. ``python tools/log_entry.py claims FOLDER`` prints the claims of the paper in
miniature with their verdicts, and the tests that are not decided, from the runs below FOLDER.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.formats import MISSING, by_size, mean_and_sd, mean_and_sd_by_size
from prunescope.analysis.markdown import markdown_table
from prunescope.analysis.statistics import spread
from prunescope.cli.named_runs import runs_at
from prunescope.errors import InputError
from prunescope.reproduce import Request, needed
from prunescope.reproduce.claims.evidence import Claim, Evidence
from prunescope.reproduce.claims.measured_quantity import together
from prunescope.reproduce.claims.miniature import Miniature
from prunescope.reproduce.claims.sections import SECTIONS
from prunescope.reproduce.recipes import MINIATURE
from prunescope.reproduce.request import FinishedRuns
from prunescope.runs.columns import Format
from prunescope.runs.directory import Run

Rows = Sequence[dict[str, Any]]  # Those of one level, one a seed.

LEVELS_HEADING = (
    "level", "u %", "best validation %", "held out %", "locality", "null mean, sd", "z", "fan-in variance / binomial",
    "axes / diagonals",
)  # fmt: skip


def levels(runs: Sequence[Run]) -> str:
    """Return the table of levels of the runs of one experiment, with a line before it that says which they are.

    Raises InputError for runs of several experiments, and for none.
    """
    identities = sorted({run.record.identity for run in runs})
    if len(identities) != 1:
        raise InputError(
            f"the runs are of {len(identities)} experiments; give those of one: {', '.join(identities)}"
        )
    ordered = sorted(runs, key=lambda run: run.seed)
    seeds = ", ".join(str(run.seed) for run in ordered)
    seconds = ", ".join(f"{sum(_seconds(run)):.0f}" for run in ordered)
    head = f"{ordered[0].experiment.name}, identity {identities[0]}, seeds {seeds}; n = {len(ordered)}; {seconds} s."
    tables = [run.table.filter(layer=1).sort("level").to_dicts() for run in ordered]
    common = range(min(map(len, tables)))
    rows = (_level([table[at] for table in tables]) for at in common)
    return f"{head}\n\n{markdown_table(LEVELS_HEADING, rows)}\n"


def claims(kinds: dict[str, list[Run]], folder: Path) -> str:
    """Return the table of claims of the miniature's runs, by kind, and that of the tests that are not decided."""
    mini = Miniature(kinds, folder)
    judged = [(claim, claim.measure(mini)) for section in SECTIONS for claim in section.claims]
    found = [evidence.verdict for _, evidence in judged]
    counts = ", ".join(f"{found.count(verdict)} {verdict}" for verdict in sorted(set(found)))
    runs = sum(map(len, kinds.values()))
    head = f"{runs} runs of {sum(map(bool, kinds.values()))} experiments. Of {len(judged)} claims: {counts}."
    shown = markdown_table(("claim", "verdict", "here, mean ± sd", "paper"), (_claim(*one) for one in judged))
    tests = markdown_table(
        ("test", "mean ± sd", "95 % interval"), _open_tests(evidence for _, evidence in judged)
    )
    return f"{head}\n\n{shown}\n\nThe tests that are not decided:\n\n{tests}\n"


def _seconds(run: Run) -> Iterator[float]:
    for row in run.table.filter(layer=1).to_dicts():
        yield row["seconds"] or 0.0


def _level(rows: Rows) -> list[str]:
    """Return the cells of one level from its row of each seed."""

    def cell(name: str, kind: Format = "ratio") -> str:
        values = [row[name] for row in rows if row[name] is not None]
        return mean_and_sd(spread(values), kind, unit=False) if values else MISSING

    null, null_sd = (_mean(rows, name) for name in ("locality_null", "locality_null_sd"))
    z = [MISSING if row["locality_z"] is None else f"{row['locality_z']:.0f}" for row in rows]
    return [
        str(rows[0]["level"]),
        f"{100 * rows[0]['nominal_density']:.2f}",
        cell("best_val_accuracy", "percent"),
        cell("heldout_accuracy", "percent"),
        cell("locality"),
        f"{null}, {null_sd}",
        MISSING if set(z) == {MISSING} else ", ".join(z),
        cell("fan_in_var_ratio"),
        cell("anisotropy"),
    ]


def _mean(rows: Rows, name: str) -> str:
    found = spread([row[name] for row in rows if row[name] is not None]).mean
    return MISSING if found is None else f"{found:.3f}"


def _claim(claim: Claim, evidence: Evidence) -> list[str]:
    heads = [evidence.quantities[place] for place in evidence.heads]
    here = "; ".join(f"{one.name}: {mean_and_sd_by_size(spread(one.values), one.unit)}" for one in heads)
    images = together(one.images for one in heads)
    here += f" (images: {images})" if images else ""
    return [claim.sentence, evidence.verdict, here, f"{claim.there} ({claim.place})"]


def _open_tests(evidences: Iterator[Evidence]) -> Iterator[list[str]]:
    for evidence in evidences:
        for test, verdict in zip(evidence.tests, evidence.verdicts, strict=True):
            if verdict == "not decided":
                low, high = test.spread.low, test.spread.high
                ends = [] if low is None or high is None else [by_size(end, test.unit) for end in (low, high)]
                cells = [
                    test.text,
                    mean_and_sd_by_size(test.spread, test.unit),
                    " … ".join(ends) or test.obstacle,
                ]
                yield [cell.replace("|", "\\|") for cell in cells]


def main(words: Sequence[str]) -> int:
    """Print what the words of the command line ask for."""
    match list(words):
        case ["levels", *places] if places:
            print(levels(runs_at(map(Path, places))), end="")
        case ["claims", folder]:
            request = Request(("all",), scale="mini", out=Path(folder))
            found = FinishedRuns(request.out)
            kinds = {kind: found.of_all(request.jobs([need])) for kind, need in MINIATURE.items()}
            if not any(kinds.values()):
                raise InputError(
                    f"{folder}: none of the {len(needed(request))} runs of the miniature is below it"
                )
            print(claims(kinds, request.out), end="")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except InputError as error:
        print(f"prunescope: {error}", file=sys.stderr)
        sys.exit(2)
