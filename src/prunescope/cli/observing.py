"""The verb `observe`: what is measured of the layers of a run, or of a network that was pruned elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunescope.cli import options
from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.cli.elsewhere import OfElsewhere
    from prunescope.layers import ObservedNetwork


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
    from prunescope.cli.elsewhere import OfElsewhere, observed_elsewhere
    from prunescope.cli.layer_tables import print_observed
    from prunescope.cli.named_runs import is_elsewhere
    from prunescope.files import check_file
    from prunescope.report.page_place import check_page_place

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


def _of_run(
    source: Path, level: int | None, layer: str | None, said: OfElsewhere
) -> tuple[ObservedNetwork, tuple[str, str]]:
    """Return what is measured of a level of a run, what its inputs are in brackets, and the level's density in words."""
    from prunescope.analysis.input_wording import size
    from prunescope.cli.named_runs import one_run_at
    from prunescope.layers.observing import observe

    if said.shape is not None:
        raise InputError("--shape is for mask files: a run knows the shape of its inputs")
    said.check_of_run()
    run = one_run_at(source)
    level, layer = run.finished_level(level), layer or "1"
    observed = observe(run, level=level, layer=layer)
    u = float(run.table.filter(level=level)["nominal_density"][0])
    special = layer == "1" and run.experiment.data.geometry != "image" and run.data
    return observed, (f" ({size(run)})" if special else "", f"; u of the level {u:.4g}")
