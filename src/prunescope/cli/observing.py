"""The verb `observe`: what is measured of the layers of a run, or of a network that was pruned elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from prunescope.cli import options
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
    shape: options.Shape = None,
    zeros: options.ZerosCount = "auto",
    order: options.AxisOrder = "auto",
    heads: options.Heads = None,
    patch: options.Patch = None,
    tokens: options.Tokens = None,
    pixels: options.PixelOrder = "chw",
    page: Annotated[
        Path | None, typer.Option(help="write one HTML page of all layers to this file too")
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Measure masks: fan-in, locality and what else fits a layer, each number against its null."""
    from prunescope.cli.found import is_elsewhere
    from prunescope.cli.layer_tables import print_observed
    from prunescope.files import check_file
    from prunescope.report.place import check_page_place

    if page is not None:
        check_page_place(page)
        check_file(page, "--page")
    said = OfElsewhere(shape, zeros, order, heads, patch, tokens, pixels)
    said.check()
    if source.is_dir() and not is_elsewhere(source):
        observed, words = _of_run(source, level, layer, said)
    else:
        if level is not None:
            raise InputError("--level is for runs: a mask file has none")
        observed = observed_elsewhere(source, said, layer)
        words = ("", "")
    if page is not None:
        print(f"prunescope: page: {observed.write_page(page)}", file=sys.stderr)
    print_observed(observed, words, as_json=json, every=layer is not None)


@dataclass(frozen=True)
class OfElsewhere:
    """What a command line says of masks from elsewhere, by the names of its options."""

    shape: str | None = None
    zeros: str = "auto"
    order: str = "auto"
    heads: int | None = None
    patch: int | None = None
    tokens: str | None = None
    pixels: str = "chw"

    def check(self) -> None:
        """Raise InputError for a value that an option does not take."""
        from prunescope.layers.kinds import Pixels
        from prunescope.tensors import Order, Zeros

        for name, kinds in (("zeros", Zeros), ("order", Order), ("pixels", Pixels)):
            known = get_args(kinds)
            if (value := getattr(self, name)) not in known:
                raise InputError(f"--{name} is {value!r}: give {', '.join(known[:-1])} or {known[-1]}")
        for name, count in (("heads", self.heads), ("patch", self.patch)):
            if count is not None and count < 1:
                raise InputError(f"--{name} is {count}: give a number above 0")

    def check_of_run(self) -> None:
        """Raise InputError where something is said of a run, which knows its own layers."""
        if self != OfElsewhere():
            raise InputError("--shape, --zeros, --order, … are for masks from elsewhere: a run knows its own")


def observed_elsewhere(source: Path, said: OfElsewhere, layer: str | None = None) -> ObservedNetwork:
    """Return what is measured of a file or folder of masks or weights; what was left out is said on stderr.

    Raises InputError for options that are not known, and for a source without masks.
    """
    from prunescope.layers.observation import observe
    from prunescope.layers.observed import of_tokens

    said.check()

    def say(line: str) -> None:
        print(f"prunescope: {source}: {line}", file=sys.stderr)

    shape = None if said.shape is None else parsed_shape(said.shape)
    observed = observe(
        source,
        layer=layer,
        shape=shape,
        zeros=said.zeros,  # type: ignore[arg-type]
        order=said.order,  # type: ignore[arg-type]
        heads=said.heads,
        patch=said.patch,
        tokens=None if said.tokens is None else parsed_grid(said.tokens),
        pixels=said.pixels,  # type: ignore[arg-type]
        say=say,
    )
    if shape is None and not of_tokens(observed):
        print(
            "prunescope: --shape is not given: where inputs lie, as locality needs, is not known",
            file=sys.stderr,
        )
    return observed


def _of_run(
    source: Path, level: int | None, layer: str | None, said: OfElsewhere
) -> tuple[ObservedNetwork, tuple[str, str]]:
    """Return what is measured of a level of a run, what its inputs are in brackets, and the level's density in words."""
    from prunescope.analysis.inputs import size
    from prunescope.cli.found import one_run_at
    from prunescope.layers.observation import observe

    if said.shape is not None:
        raise InputError("--shape is for mask files: a run knows the shape of its inputs")
    said.check_of_run()
    run = one_run_at(source)
    level, layer = run.finished_level(level), layer or "1"
    observed = observe(run, level=level, layer=layer)
    u = float(run.table.filter(level=level)["nominal_density"][0])
    special = layer == "1" and run.experiment.data.geometry != "image" and run.data
    return observed, (f" ({size(run)})" if special else "", f"; u of the level {u:.4g}")


def parsed_shape(text: str) -> ImageShape:
    """Return the shape that a text as 3x32x32 says; raise InputError for another text."""
    channels, height, width = _sizes(text, 3, "--shape", "CxHxW, as in 3x32x32")
    return channels, height, width


def parsed_grid(text: str) -> tuple[int, int]:
    """Return the grid that a text as 14x14 says; raise InputError for another text."""
    height, width = _sizes(text, 2, "--tokens", "HxW, as in 14x14")
    return height, width


def _sizes(text: str, count: int, option: str, form: str) -> list[int]:
    """Return the sizes in a text such as 14x14; raise InputError, which names the option, unless they are so many."""
    parts = text.lower().split("x")
    if len(parts) != count or not all(is_whole(one) and len(one) < 10 and int(one) > 0 for one in parts):
        given = text if len(text) <= 60 else f"{text[:60]}…"
        raise InputError(f"{option} is {given!r}: give {form}")
    return [int(one) for one in parts]
