"""The verb ``bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli.options import AsJson


def bench_command(
    quick: Annotated[
        bool, typer.Option("--quick", help="fewer rounds and densities: about two minutes on two cores")
    ] = False,
    json: AsJson = False,
    plot: Annotated[
        Path | None, typer.Option(help="draw step times: .png, .pdf or .svg; data beside it")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="parts, as in step,imp: step, evaluation, layer, imp, observables, threads"),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="threads to use; all cores unless told")] = None,
    device: Annotated[
        str, typer.Option(help="cpu, or a device as in run.device, whose steps are then measured")
    ] = "cpu",
    seconds: Annotated[
        float | None, typer.Option(help="with --device: leave out what remains after so many seconds")
    ] = None,
) -> None:
    """Time the engines against plain PyTorch on this machine, and say which one to use."""
    if device != "cpu" or seconds is not None:
        from prunescope.cli.device_tables import device_request, print_device_bench

        request = device_request(device, seconds, quick, {"--only": only, "--threads": threads})
        print_device_bench(request, plot, json)
        return
    from prunescope.cli.bench import print_bench

    print_bench(quick=quick, only=only, threads=threads, plot=plot, as_json=json)
