"""The verb ``reproduce``: its options, the plan that it prints, and the files drawn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunescope.cli.options import AtOnce, DryRun, RunsFolder
from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.reproduce import Request


def reproduce_command(
    figures: Annotated[
        list[str], typer.Argument(help="figures, or all; fields to set", metavar="FIGURE... [KEY=VALUE]...")
    ],
    scale: Annotated[
        str, typer.Option(help="mini (runs the scale miniature), laptop, small or paper")
    ] = "laptop",
    data: Annotated[
        list[str] | None,
        typer.Option(help="images: FOLDER, SOURCE=FOLDER or photographs; again for imagenet64=FOLDER"),
    ] = None,
    out: RunsFolder = Path("runs"),
    drawn: Annotated[Path, typer.Option("--figures", help="folder to draw into")] = Path("figures"),
    seeds: Annotated[
        int | None, typer.Option(help="N: seeds 0 to N-1 of each experiment; as the scale has it unless told")
    ] = None,
    jobs: AtOnce = None,
    dry_run: DryRun = False,
) -> None:
    """Run what figures of the paper need and is missing, and draw them; all --scale mini is one page."""
    from prunescope.cli.sweep import make_reporter
    from prunescope.reproduce import Request, reproduce

    fields, wanted = [word for word in figures if "=" in word], [word for word in figures if "=" not in word]
    for word in fields:
        if word.partition("=")[0] in ("scale", "name"):
            raise InputError(f"{word}: the {word.partition('=')[0]} is not set as a field here; see --scale")
    request = Request(tuple(wanted), scale, tuple(data or ()), out, drawn, seeds, tuple(fields))
    if dry_run:
        _print_plan(request, jobs)
        return
    reporter = make_reporter()
    try:
        result = reproduce(request, at_once=jobs, reporter=reporter)
    finally:
        reporter.close()
    for path in result.written:
        print(path)
    for path, message in result.failed.items():
        print(f"prunescope: {path}: {message}", file=sys.stderr)
    for figure, message in result.undrawn.items():
        print(f"prunescope: figure {figure} is not drawn: {message}", file=sys.stderr)
    if result.failed or result.undrawn:
        raise RuntimeError(f"{len(result.failed)} runs failed, {len(result.undrawn)} figures are not drawn")


def _print_plan(request: Request, at_once: int | None) -> None:
    """Print what is done, what is to be run, and what that will cost."""
    from prunescope.cli.sweep import print_plan
    from prunescope.reproduce import missing, needed
    from prunescope.sweep import ExecutionOptions

    if not needed(request):
        print("no run is needed")
        return
    print_plan(missing(request), request.out, ExecutionOptions(at_once))
