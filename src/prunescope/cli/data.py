"""The verbs of data: prepare, info and verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli.options import AsJson, ExperimentName, Overrides, PreparedFolder
from prunescope.errors import InputError


def prepare_command(
    experiment: ExperimentName,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="folder to prepare into, instead of the cache")] = None,
) -> None:
    """Convert an experiment's images once into a memory-mapped array; prints the folder.

    What was left out or simplified, and how many images are in both parts, is said on stderr.
    """
    from prunescope.cli.progress import Lines
    from prunescope.data import prepare
    from prunescope.data.prepared.reading import open_prepared
    from prunescope.experiment import load

    folder = prepare(load(experiment, overrides or ()).data, out=out, progress=Lines().preparing)
    for note in open_prepared(folder).notes:
        print(f"note: {note}", file=sys.stderr)
    print(folder)


def info_command(
    folder: PreparedFolder,
    sheet: Annotated[Path | None, typer.Option(help="also draw a sheet of samples, a PNG")] = None,
    json: AsJson = False,
) -> None:
    """Show a prepared folder: images, classes, where they come from."""
    from prunescope.cli.printing import print_data

    print_data(folder, sheet, as_json=json)


def verify_command(folder: PreparedFolder) -> None:
    """Check a prepared folder against its checksums."""
    from prunescope.data import verify

    problems = verify(folder)
    if problems:
        raise InputError(
            f"{folder}: {problems[0]}" + (f" (and {len(problems) - 1} more)" * (len(problems) > 1))
        )
    print(f"{folder}: as prepared")
