"""The verbs that gather many runs: table, compare and track."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli.options import AsJson, SomeRuns
from prunescope.errors import InputError


def table_command(
    folder: Annotated[Path, typer.Argument(help="a folder of run directories", metavar="OUT")],
    out: Annotated[Path | None, typer.Option(help="file to write; OUT/runs.parquet unless told")] = None,
) -> None:
    """Write every run below a folder as one tidy Parquet: fields, seed, level, layer, observables."""
    from prunescope.cli.tables import print_table

    print_table(folder, out)


def compare_command(
    places: SomeRuns,
    by: Annotated[
        list[str] | None, typer.Option(help="group by this field, as train.lr; several are allowed")
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="group that the others are held against")] = None,
    density: Annotated[
        float | None, typer.Option(help="compare at this u, as 0.01, in place of each run's best level")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="print CSV")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print a Markdown table")] = False,
    json: AsJson = False,
) -> None:
    """Compare runs over seeds: accuracy, sparsity, locality, fan-in, each with n, spread and 95 % interval."""
    from prunescope.cli.tables import print_comparison

    forms = [name for name, wanted in (("csv", csv), ("markdown", markdown), ("json", json)) if wanted]
    if len(forms) > 1:
        raise InputError(f"--{forms[0]} and --{forms[1]}: give one of them")
    print_comparison(places, by or [], baseline, density, forms[0] if forms else "text")


def track_command(
    runs: SomeRuns,
    to: Annotated[str, typer.Option(help="tensorboard, wandb, mlflow or trackio")],
    out: Annotated[
        Path | None, typer.Option(help="folder to write to; ./tensorboard, or the tracker's own choice")
    ] = None,
) -> None:
    """Send runs to a tracker, from their files; again and again, it never holds anything twice."""
    from prunescope.cli.tracking import print_tracked

    print_tracked(runs, to, out)
