"""The app: every verb under its name, in the order of the help."""

from __future__ import annotations

from collections.abc import Callable

import typer

from prunescope.cli import data, gathering, looking, running, timing

VERBS: dict[str, Callable[..., None]] = {
    "run": running.run_command,
    "sweep": running.sweep_command,
    "table": gathering.table_command,
    "compare": gathering.compare_command,
    "list": looking.list_command,
    "show": looking.show_command,
    "observe": looking.observe_command,
    "figure": looking.figure_command,
    "reproduce": running.reproduce_command,
    "report": looking.report_command,
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
    help="Train, prune, and look at what pruning leaves.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(no_args_is_help=True, help="Prepare, show and check images.")
app.add_typer(data_app, name="data")

for name, verb in VERBS.items():
    app.command(name)(verb)
for name, verb in DATA_VERBS.items():
    data_app.command(name)(verb)
