"""The verb `overlap`: what the masks of two networks share, against chance."""

from __future__ import annotations

import json as jsons
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunescope.cli import options
from prunescope.cli.plain_output import shown
from prunescope.digits import is_whole
from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.layers import LayerOverlap, NetworkOverlap
    from prunescope.observables.measure import Scalar

SOURCE = "a run directory, RUN@LEVEL, or a file of masks or weights"
# Up to so many layers are printed, those farthest from chance.
RANKED = 30
LEGEND = (
    "share: of the kept weights of the sparser mask, those that the other keeps too, in %; chance: the same of random "
    "masks with the same fan-ins and fan-outs (matched likewise); z: the distance from chance in its sd; moved: units "
    "that are matched to one of another number"
)


def overlap_command(
    first: Annotated[str, typer.Argument(help=SOURCE, metavar="A")],
    second: Annotated[str, typer.Argument(help="the same", metavar="B")],
    level: Annotated[
        str | None,
        typer.Option(help="level of the runs, or two, as in 12,13; the last common one unless told"),
    ] = None,
    match: Annotated[bool, typer.Option(help="match units, whose numbers carry no meaning")] = True,
    chain: Annotated[
        str,
        typer.Option(
            help="whether units are the next layer's inputs: hidden, outputs (the last are), none, auto"
        ),
    ] = "auto",
    zeros: options.ZerosCount = "auto",
    order: options.AxisOrder = "auto",
    json: options.AsJson = False,
    out: Annotated[Path | None, typer.Option(help="folder to draw a figure of the layers into")] = None,
) -> None:
    """Compare the masks of two networks: which weights both keep, layer by layer, against chance."""
    from prunescope.cli.elsewhere import OfElsewhere
    from prunescope.figures.figure_files import OVERLAP, check_figure_place
    from prunescope.layers.overlapping import overlap

    OfElsewhere(zeros=zeros, order=order).check()
    if out is not None:
        check_figure_place(out, OVERLAP)  # before what takes its time
    found = overlap(
        _only_run(first),
        _only_run(second),
        match=match,
        levels=_levels(level),
        chain=chain,  # type: ignore[arg-type]
        zeros=zeros,  # type: ignore[arg-type]
        order=order,  # type: ignore[arg-type]
    )
    for note in found.notes:
        print(f"prunescope: {note}", file=sys.stderr)
    if json:
        print(jsons.dumps(found.to_dict(), indent=2))
    else:
        print_overlap(found)
        print(f"prunescope: {LEGEND}", file=sys.stderr)
    if out is not None:
        from prunescope.figures.layer_overlaps import draw_overlap

        for path in draw_overlap(found, out):
            print(path, file=sys.stderr if json else sys.stdout)


def _only_run(text: str) -> str:
    """Return the run that a folder holds, with its level where one is told; anything else as it is."""
    from prunescope.cli.named_runs import one_run_at
    from prunescope.layers.overlapping import split_level
    from prunescope.runs.directory import is_run

    place, level = split_level(text)
    if place.is_dir() and not is_run(place) and any(place.rglob("run.json")):
        run = one_run_at(place).path
        return str(run) if level is None else f"{run}@{level}"
    return text


def _levels(text: str | None) -> int | tuple[int, int] | None:
    """Return the level or the two levels that a text names."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 2 or not all(map(is_whole, parts)):
        raise InputError(f"--level is {text!r}: give a level for both runs, or two as in 12,13")
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def print_overlap(found: NetworkOverlap) -> None:
    """Print a line a layer, the farthest from chance first."""
    print("\n".join(_lines(found)))


def overlap_text(found: NetworkOverlap) -> str:
    """Return what ``overlap`` prints of two networks, and its notes below."""
    return shown("\n".join([*_lines(found, rest="print(found.table)"), *found.notes, LEGEND]))


def _lines(found: NetworkOverlap, rest: str = "--json") -> Iterator[str]:
    """Yield a line a layer; ``rest``: what prints those that are not among them."""
    from prunescope.tensors.printable import end_of

    yield f"A  {found.sources[0]}"
    yield f"B  {found.sources[1]}"
    layers = found.ranked
    names = [layer.name for layer in layers[:RANKED]]
    width = min(40, max(5, *map(len, names)))
    matched = any(layer.matched is not None for layer in layers)
    header = f"{'layer':{width}} {'shape':>15} {'kept A':>9} {'kept B':>9}"
    group = f"{'':{len(header)}} {'as stored':^24}"
    header += f" {'share':>8}{'chance':>8}{'z':>8}"
    if matched:
        group += f"  {'units matched':^24}"
        header += f"  {'share':>8}{'chance':>8}{'z':>8}  {'moved':>12}"
    yield group.rstrip()
    yield header
    for name, layer in zip(names, layers, strict=False):
        yield _line(end_of(name, width), width, layer)
    if len(layers) > RANKED:
        yield f"and {len(layers) - RANKED} layers nearer to chance ({rest} prints all)"


def _line(name: str, width: int, layer: LayerOverlap) -> str:
    kept = layer.stored.kept
    line = (
        f"{name:{width}} {layer.form.shape_text:>15} {kept[0]:9d} {kept[1]:9d} {_cells(layer.stored.share)}"
    )
    if layer.matched is not None:
        moved = f"{layer.moved} of {len(layer.matched.order)}"
        line += f"  {_cells(layer.matched.share)}  {moved:>12}"
    return line


def _cells(share: Scalar) -> str:
    """Return a share and its chance in percent, and z."""
    columns: Sequence[tuple[float, int]] = (
        (100 * share.value, 1),
        (100 * share.null_mean, 1),
        (share.z, 1),
    )
    return "".join(
        f"{value:z8.{places}f}" if math.isfinite(value) else f"{'-':>8}" for value, places in columns
    )
