"""The command line application: every verb under its name, in the order of the help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from prunescope.cli import (
    data,
    exporting,
    gathering,
    observing,
    overlapping,
    reproduce,
    run,
    showing,
    sweep,
    timing,
)
from prunescope.cli.plain_output import plainly

VERBS: dict[str, Callable[..., None]] = {
    "run": run.run_command,
    "sweep": sweep.sweep_command,
    "table": gathering.table_command,
    "compare": gathering.compare_command,
    "list": showing.list_command,
    "show": showing.show_command,
    "observe": observing.observe_command,
    "overlap": overlapping.overlap_command,
    "figure": showing.figure_command,
    "reproduce": reproduce.reproduce_command,
    "report": showing.report_command,
    "export": exporting.export_command,
    "track": gathering.track_command,
    "bench": timing.bench_command,
}
DATA_VERBS: dict[str, Callable[..., None]] = {
    "prepare": data.prepare_command,
    "info": data.info_command,
    "verify": data.verify_command,
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    """Print the installed version and end, if it is asked for."""
    if asked:
        from prunescope._version import __version__

        print(f"prunescope {__version__}")
        raise typer.Exit


@app.callback(help="Train, prune, and measure what pruning leaves.")
def prunescope(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


data_app = typer.Typer(no_args_is_help=True, help="Prepare, show and check images.")
app.add_typer(data_app, name="data")

for name, verb in VERBS.items():
    # A benchmark draws its table itself and shows no foreign name.
    app.command(name)(verb if name == "bench" else plainly(verb))
for name, verb in DATA_VERBS.items():
    data_app.command(name)(plainly(verb))
