"""The verb that takes a network home: export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def export_command(
    run: Annotated[Path, typer.Argument(help="a run directory", metavar="RUN")],
    to: Annotated[str, typer.Option(help="pt, safetensors, onnx, npz or csr", metavar="FORMAT")],
    level: Annotated[int | None, typer.Option(help="level of the run; the last one unless told")] = None,
    out: Annotated[Path | None, typer.Option(help="file to write; RUN/level-N.FORMAT unless told")] = None,
    norm: Annotated[str, typer.Option(help="folded into the linear maps, or as layers")] = "folded",
    masks: Annotated[
        str, typer.Option(help="baked into the weights, or as masks of torch.nn.utils.prune: prune")
    ] = "baked",
) -> None:
    """Write the network of a level into a file that other programs read, without this package."""
    from prunescope.cli.named_runs import level_of
    from prunescope.export import export
    from prunescope.export.export_form import ExportForm

    chosen, number = level_of(run, level)
    # Other words than the two of each are refused, in one line, where the network is made.
    path, sentence = export(chosen, number, to, out, ExportForm(norm, masks))  # type: ignore[arg-type]
    print(f"prunescope: level {number}: {sentence}", file=sys.stderr)
    print(path)
