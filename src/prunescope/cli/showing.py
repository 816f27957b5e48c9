"""The verbs that show what is there: list, show, figure and report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunescope.cli import options
from prunescope.digits import is_whole
from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.cli.elsewhere import OfElsewhere
    from prunescope.runs.directory import Run


def list_command(
    figures: Annotated[bool, typer.Option("--figures", help="list the figures instead")] = False,
    methods: Annotated[bool, typer.Option("--methods", help="list the pruning methods instead")] = False,
    fields: Annotated[bool, typer.Option("--fields", help="list the fields of experiments instead")] = False,
) -> None:
    """List the presets with what they are, the figures, the pruning methods, or the fields of experiments."""
    from prunescope.cli.printing import print_fields, print_figures, print_methods, print_presets

    lists = {"--figures": print_figures, "--methods": print_methods, "--fields": print_fields}
    wanted = [name for name, given in zip(lists, (figures, methods, fields), strict=True) if given]
    if len(wanted) > 1:
        raise InputError(f"{wanted[0]} and {wanted[1]}: give one of them")
    (lists[wanted[0]] if wanted else print_presets)()


def show_command(
    run: Annotated[Path, typer.Argument(help="a run directory, or a folder of them")],
    json: options.AsJson = False,
) -> None:
    """Print a run's levels: densities, accuracies, locality against its null. Of a folder of runs, list them."""
    from prunescope.cli.named_runs import runs_at
    from prunescope.cli.printing import print_run, print_runs

    found = runs_at([run])
    if len(found) == 1:
        print_run(found[0], as_json=json)
    else:
        print_runs(found, as_json=json)


def figure_command(
    figure: Annotated[str, typer.Argument(help="as in: prunescope list --figures", metavar="ID")],
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="run directories, or folders of them; of layers-… a run or a file or folder of masks; a few figures need none",
            metavar="[RUN]...",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder to draw into")] = Path("figures"),
    levels: Annotated[str | None, typer.Option(help="levels to show, as in 9,13,16")] = None,
    nodes: Annotated[str | None, typer.Option(help="first-layer nodes to show, as in 3,77,120")] = None,
    layers: Annotated[str | None, typer.Option(help="of layers-…: the layers to show, as in 1,4")] = None,
    shape: options.Shape = None,
    zeros: options.ZerosCount = "auto",
    order: options.AxisOrder = "auto",
    heads: options.Heads = None,
    patch: options.Patch = None,
    tokens: options.Tokens = None,
    pixels: options.PixelOrder = "chw",
) -> None:
    """Draw a figure from stored runs, or of the layers of masks from elsewhere (layers-…), as PDF and PNG with its data."""
    from prunescope.cli.elsewhere import OfElsewhere
    from prunescope.cli.named_runs import is_elsewhere, runs_at, without_damaged
    from prunescope.figures import draw
    from prunescope.figures.layers import LAYER_FIGURES

    said = OfElsewhere(shape, zeros, order, heads, patch, tokens, pixels)
    if figure in LAYER_FIGURES:
        chosen = _numbers(levels, "--levels"), _numbers(layers, "--layers")
        return _draw_layers(figure, runs or [], out, said, chosen)
    for source in runs or ():
        if is_elsewhere(source):
            raise InputError(
                f"{source}: not a run directory; figures of masks from elsewhere are {', '.join(LAYER_FIGURES)}"
            )
    if layers is not None or said != OfElsewhere():
        raise InputError(f"--layers, --shape, … are for the figures {', '.join(LAYER_FIGURES)}")
    wanted = {"levels": _numbers(levels, "--levels"), "nodes": _numbers(nodes, "--nodes")}
    paths, shown = without_damaged(runs_at(runs or ()), lambda chosen: draw(figure, chosen, out, **wanted))
    for path in paths:
        print(path)
    _say_notes(shown)


def _draw_layers(
    figure: str,
    sources: list[Path],
    out: Path,
    said: OfElsewhere,
    chosen: tuple[list[int] | None, list[int] | None],
) -> None:
    """Draw a figure of the layers of one source; ``chosen``: the level of a run, and the layers."""
    from prunescope.cli.elsewhere import observed_elsewhere
    from prunescope.cli.named_runs import is_elsewhere, one_run_at
    from prunescope.figures.figure_files import check_figure_place
    from prunescope.figures.layers import draw_layers
    from prunescope.layers.observing import observe

    levels, layers = chosen
    if len(sources) != 1:
        raise InputError(
            f"figure {figure} needs one run, or one file or folder of masks; {len(sources)} given"
        )
    check_figure_place(out, figure)  # before what takes its time
    if is_elsewhere(sources[0]):
        observed = observed_elsewhere(sources[0], said)
    else:
        said.check_of_run()
        if levels is not None and len(levels) > 1:
            raise InputError(f"figure {figure} shows one level, --levels names {len(levels)}")
        observed = observe(one_run_at(sources[0]), level=levels[0] if levels else None)
    for path in draw_layers(figure, observed, out, layers=layers):
        print(path)


def report_command(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="run directories, or folders of them; or one file or folder of masks or weights",
            metavar="SOURCE...",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="file to write; report.html in a folder, NAME-report.html beside a file"),
    ] = None,
    shape: options.Shape = None,
    zeros: options.ZerosCount = "auto",
    order: options.AxisOrder = "auto",
    heads: options.Heads = None,
    patch: options.Patch = None,
    tokens: options.Tokens = None,
    pixels: options.PixelOrder = "chw",
) -> None:
    """Write one HTML page to explore runs with, level by level, or the layers of masks from elsewhere."""
    from prunescope.cli.elsewhere import OfElsewhere, observed_elsewhere
    from prunescope.cli.named_runs import is_elsewhere, runs_at, without_damaged
    from prunescope.files import check_file
    from prunescope.report import write_report
    from prunescope.report.page_place import check_page_place

    said = OfElsewhere(shape, zeros, order, heads, patch, tokens, pixels)
    elsewhere = [source for source in sources if is_elsewhere(source)]
    if elsewhere and len(sources) > 1:
        raise InputError(
            f"{elsewhere[0]}: not a run directory; a page shows runs, or one file or folder of masks"
        )
    if elsewhere:
        [source] = elsewhere
        out = out or _own_page(source)
        check_page_place(out)
        check_file(out, "--out")  # before what takes its time
        print(observed_elsewhere(source, said).write_page(out))
        return
    said.check_of_run()
    path, shown = without_damaged(
        runs_at(sources), lambda chosen: write_report(chosen, out or sources[0] / "report.html")
    )
    print(path)
    _say_notes(shown)


def _own_page(source: Path) -> Path:
    """Return where the page of masks from elsewhere is written: in their folder, or beside their file, named after it.

    Where other files have the file's name with another ending, its page has the ending in its name, so that it replaces
    none of another file.
    """
    if source.is_dir():
        return source / "report.html"
    beside = source.absolute().parent.iterdir()
    alike = [path for path in beside if path.stem == source.stem and path.name != source.name]
    return source.with_name(f"{source.name if alike else source.stem}-report.html")


def _say_notes(runs: list[Run]) -> None:
    """Print to stderr what a reader of the numbers must know: what was noted of the data, seeds that are there twice, …"""
    from prunescope.analysis.groups import groups
    from prunescope.analysis.nulls import earlier_nulls

    if note := earlier_nulls(runs):
        print(f"prunescope: {note}", file=sys.stderr)
    for note in dict.fromkeys(note for group in groups(runs) for note in group.notes):
        print(f"prunescope: {note}", file=sys.stderr)


def _numbers(text: str | None, option: str) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(map(is_whole, parts)):
        raise InputError(f"{option} is {text!r}: give whole numbers separated by commas, as in 3,7,9")
    return [int(part) for part in parts]
