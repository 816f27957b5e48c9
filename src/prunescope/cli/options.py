"""Arguments and options that several verbs have."""

from __future__ import annotations

from pathlib import Path
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
RunsFolder = Annotated[Path, typer.Option(help="folder of run directories")]
SomeRuns = Annotated[list[Path], typer.Argument(help="run directories, or folders of them", metavar="RUN...")]
AtOnce = Annotated[
    int | None, typer.Option(help="runs at once; as many as there is capacity for unless told")
]
DryRun = Annotated[bool, typer.Option(help="print the plan and an estimate; run nothing")]
PreparedFolder = Annotated[Path, typer.Argument(help="a prepared folder")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]

# What is said of masks from elsewhere.
Shape = Annotated[str | None, typer.Option(help="CxHxW of the inputs, for masks from elsewhere")]
ZerosCount = Annotated[str, typer.Option(help="whether weights of 0 count as pruned: auto, always or never")]
AxisOrder = Annotated[str, typer.Option(help="the order of axes of weights: oi (torch), io (JAX) or auto")]
Heads = Annotated[int | None, typer.Option(help="heads of attention, where the file does not say")]
Patch = Annotated[int | None, typer.Option(help="side in pixels of the patches that a linear layer takes")]
Tokens = Annotated[str | None, typer.Option(help="HxW of the grid of tokens that layers mix")]
PixelOrder = Annotated[str, typer.Option(help="order of the inputs of a linear layer on images: chw or hwc")]
