"""The verb `observe`: what is measured of the layers of a run, or of a network that was pruned elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from prunescope.cli.options import AsJson
from prunescope.digits import is_whole
from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.layers import ObservedNetwork
    from prunescope.mask import ImageShape


def observe_command(
    source: Annotated[
        Path,
        typer.Argument(help="a run directory, or a file or folder of masks or weights", metavar="SOURCE"),
    ],
    level: Annotated[int | None, typer.Option(help="level of a run; the last one unless told")] = None,
    layer: Annotated[
        str | None, typer.Option(help="hidden layer of a run, 1 = first; of a file its number or name")
    ] = None,
    shape: Annotated[str | None, typer.Option(help="CxHxW of the inputs, for a mask file")] = None,
    zeros: Annotated[
        str, typer.Option(help="whether weights of 0 count as pruned: auto, always or never")
    ] = "auto",
    order: Annotated[
        str, typer.Option(help="the order of axes of weights: oi (torch), io (JAX) or auto")
    ] = "auto",
    json: AsJson = False,
) -> None:
    """Measure masks: fan-in, locality and what else fits a layer, each number against its null."""
    from prunescope.cli.layer_tables import print_observed
    from prunescope.layers.observation import observe
    from prunescope.tensors import Order, Zeros

    for name, value, known in (("zeros", zeros, get_args(Zeros)), ("order", order, get_args(Order))):
        if value not in known:
            raise InputError(f"--{name} is {value!r}: give {', '.join(known[:-1])} or {known[-1]}")
    if source.is_dir():
        observed, words = _of_run(source, level, layer, shape)
    else:
        if level is not None:
            raise InputError("--level is for runs: a mask file has none")

        def say(line: str) -> None:
            print(f"prunescope: {source}: {line}", file=sys.stderr)

        wanted = None if shape is None else parsed_shape(shape)
        observed = observe(source, layer=layer, shape=wanted, zeros=zeros, order=order, say=say)  # type: ignore[arg-type]
        words = ("", "")
        if shape is None:
            print(
                "prunescope: --shape is not given: where inputs lie, as locality needs, is not known",
                file=sys.stderr,
            )
    print_observed(observed, words, as_json=json)


def _of_run(
    source: Path, level: int | None, layer: str | None, shape: str | None
) -> tuple[ObservedNetwork, tuple[str, str]]:
    """Return what is measured of a level of a run, what its inputs are in brackets, and the level's density in words."""
    from prunescope.analysis.inputs import size
    from prunescope.cli.found import one_run_at
    from prunescope.layers.observation import observe
    from prunescope.layers.sources import finished_level

    if shape is not None:
        raise InputError("--shape is for mask files: a run knows the shape of its inputs")
    run = one_run_at(source)
    level, layer = finished_level(run, level), layer or "1"
    observed = observe(run, level=level, layer=layer)
    u = float(run.table.filter(level=level)["nominal_density"][0])
    special = layer == "1" and run.experiment.data.geometry != "image" and run.data
    return observed, (f" ({size(run)})" if special else "", f"; u of the level {u:.4g}")


def parsed_shape(text: str) -> ImageShape:
    """Return the shape that a text as 3x32x32 says; raise InputError for another text."""
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(is_whole(part) and len(part) < 10 and int(part) > 0 for part in parts):
        given = text if len(text) <= 60 else f"{text[:60]}…"
        raise InputError(f"--shape is {given!r}: give CxHxW, as in 3x32x32")
    channels, height, width = map(int, parts)
    return channels, height, width
