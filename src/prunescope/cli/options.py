"""Arguments and options that several verbs have."""

from __future__ import annotations

from typing import Annotated

import typer

ExperimentName = Annotated[str, typer.Argument(help="a preset's name or a TOML file", metavar="EXPERIMENT")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        help='fields to set, as in train.steps=2000 "network.hidden=[64,64]"', metavar="[KEY=VALUE]..."
    ),
]
Trackers = Annotated[
    list[str] | None,
    typer.Option(help="feed tensorboard, wandb, mlflow or trackio; NAME=FOLDER; several are allowed"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
