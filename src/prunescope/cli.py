"""Verbs. Each is one call into the library; progress goes to stderr, results to stdout."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from prunescope.errors import InputError

ADDRESS = r"auto|local|\w+://.*|[^=\s/]+:\d+"  # of a Ray cluster
_UsageError: Any = typer.BadParameter.__mro__[1]  # typer does not export it

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

ExperimentName = Annotated[str, typer.Argument(help="a preset's name or a TOML file", metavar="EXPERIMENT")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="fields to set, as in train.steps=2000", metavar="[KEY=VALUE]...")
]
Runs = Annotated[list[Path], typer.Argument(help="run directories", metavar="RUN...")]
Trackers = Annotated[
    list[str] | None,
    typer.Option(help="feed tensorboard, wandb, mlflow or trackio; NAME=FOLDER; several are allowed"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("run")
def run_command(
    experiment: ExperimentName,
    overrides: Overrides = None,
    seed: Annotated[int, typer.Option(help="0, 1, 2 …; each is a run of its own")] = 0,
    out: Annotated[Path, typer.Option(help="folder of run directories")] = Path("runs"),
    track: Trackers = None,
    dry_run: Annotated[bool, typer.Option(help="print the plan and an estimate; run nothing")] = False,
) -> None:
    """Run an experiment with one seed; resume it, or say that it is done. Prints the run directory."""
    from prunescope.experiment import load

    resolved = load(experiment, overrides or ())
    if dry_run:
        from prunescope.verbs import print_plan

        print_plan(resolved, seed, out)
        return
    from prunescope.driver import run
    from prunescope.progress import Lines, Live
    from prunescope.run_writer import run_path
    from prunescope.store import Run
    from prunescope.track import tracked

    path = run_path(resolved, seed, out)
    reporter = tracked(Live() if sys.stderr.isatty() else Lines(), track or ())
    if (path / "run.json").is_file() and Run(path).status == "done":
        print(f"{path}: done before; nothing to do", file=sys.stderr)
        reporter.finished(path, [])  # trackers may not have it yet
    try:
        finished = run(resolved, seed=seed, out=out, reporter=reporter)
    finally:
        reporter.close()
    print(finished.path)


@app.command("sweep")
def sweep_command(
    source: Annotated[
        str, typer.Argument(help="a preset's name, a TOML file or a SWEEP.toml", metavar="EXPERIMENT")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="fields; lists span a grid, as in train.lr=[0.1,0.05]", metavar="[KEY=VALUE]..."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="N: seeds 0 to N-1 of each experiment")] = None,
    out: Annotated[Path, typer.Option(help="folder of run directories")] = Path("runs"),
    jobs: Annotated[
        int | None, typer.Option(help="runs at once; as many as there is room for unless told")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="threads of a run; run.threads, else 1")] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:PORT]", help="as tasks of a Ray cluster, or of one started for it on this machine"
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="print the plan and an estimate; run nothing")] = False,
) -> None:
    """Run a grid of experiments and seeds, many at once; resume what was begun. Prints the run directories."""
    from prunescope.sweep.show import sweep

    code = sweep(source, overrides or [], seeds, out, at_once=jobs, threads=threads, dry_run=dry_run, ray=ray)
    raise typer.Exit(code)


@app.command("table")
def table_command(
    folder: Annotated[Path, typer.Argument(help="a folder of run directories", metavar="OUT")],
    out: Annotated[Path | None, typer.Option(help="file to write; OUT/runs.parquet unless told")] = None,
) -> None:
    """Write every run below a folder as one tidy Parquet: fields, seed, level, layer, observables."""
    from prunescope.tables.show import print_table

    print_table(folder, out)


@app.command("compare")
def compare_command(
    places: Annotated[
        list[Path], typer.Argument(help="run directories, or folders of them", metavar="RUN...")
    ],
    by: Annotated[
        list[str] | None, typer.Option(help="group by this field, as train.lr; several are allowed")
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="group that the others are held against")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="print CSV")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print a Markdown table")] = False,
    json: AsJson = False,
) -> None:
    """Compare runs over seeds: accuracy, sparsity, locality, fan-in, each with n, spread and 95 % interval."""
    from prunescope.tables.show import print_comparison

    forms = [name for name, wanted in (("csv", csv), ("markdown", markdown), ("json", json)) if wanted]
    if len(forms) > 1:
        raise InputError(f"--{forms[0]} and --{forms[1]}: give one of them")
    print_comparison(places, by or [], baseline, forms[0] if forms else "text")


@app.command("list")
def list_command(
    figures: Annotated[bool, typer.Option("--figures", help="list the figures instead")] = False,
    methods: Annotated[bool, typer.Option("--methods", help="list the pruning methods instead")] = False,
) -> None:
    """List the presets with what they are, the figures, or the pruning methods."""
    from prunescope.verbs import print_figures, print_methods, print_presets

    if figures and methods:
        raise InputError("--figures and --methods: give one of them")
    (print_figures if figures else print_methods if methods else print_presets)()


@app.command("show")
def show_command(run: Annotated[Path, typer.Argument(help="a run directory")], json: AsJson = False) -> None:
    """Print a run's levels: densities, accuracies, locality against its null."""
    from prunescope.verbs import print_run

    print_run(run, as_json=json)


@app.command("observe")
def observe_command(
    source: Annotated[Path, typer.Argument(help="a run directory, or a mask: .npy .npz .safetensors .pt")],
    level: Annotated[int | None, typer.Option(help="level of a run; the last one unless told")] = None,
    layer: Annotated[int | None, typer.Option(help="hidden layer, 1 = first")] = None,
    shape: Annotated[str | None, typer.Option(help="CxHxW of the inputs, for a mask file")] = None,
    json: AsJson = False,
) -> None:
    """Measure a mask: fan-in, locality and its companions, each against shuffled masks."""
    from prunescope.verbs import print_observables

    print_observables(source, level, layer, shape, as_json=json)


@app.command("figure")
def figure_command(
    figure: Annotated[str, typer.Argument(help="as in: prunescope list --figures", metavar="ID")],
    runs: Annotated[
        list[Path] | None, typer.Argument(help="run directories; a few figures need none", metavar="[RUN]...")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder to draw into")] = Path("figures"),
    levels: Annotated[str | None, typer.Option(help="levels to show, as in 9,13,16")] = None,
    nodes: Annotated[str | None, typer.Option(help="first-layer nodes to show, as in 3,77,120")] = None,
) -> None:
    """Draw a figure of the paper from stored runs, as PDF and PNG with its data beside it."""
    from prunescope.figures import draw
    from prunescope.store import Run

    wanted = {"levels": _numbers(levels, "--levels"), "nodes": _numbers(nodes, "--nodes")}
    for path in draw(figure, [Run(path) for path in runs or ()], out, **wanted):
        print(path)


@app.command("reproduce")
def reproduce_command(
    figures: Annotated[
        list[str], typer.Argument(help="figures, or all; fields to set", metavar="FIGURE... [KEY=VALUE]...")
    ],
    scale: Annotated[str, typer.Option(help="mini, laptop, small or paper")] = "laptop",
    data: Annotated[
        list[str] | None,
        typer.Option(help="images: FOLDER, SOURCE=FOLDER or photographs; again for imagenet64=FOLDER"),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder of run directories")] = Path("runs"),
    drawn: Annotated[Path, typer.Option("--figures", help="folder to draw into")] = Path("figures"),
    seeds: Annotated[
        int | None, typer.Option(help="N: seeds 0 to N-1 of each experiment; as the scale has it unless told")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="runs at once; as many as there is room for unless told")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="print the plan and an estimate; run nothing")] = False,
) -> None:
    """Run what figures of the paper need and is missing, and draw them; all --scale mini is one page."""
    from prunescope.reproduce.show import print_reproduction

    print_reproduction(
        figures,
        scale=scale,
        data=data or [],
        out=out,
        figures=drawn,
        seeds=seeds,
        at_once=jobs,
        dry_run=dry_run,
    )


@app.command("report")
def report_command(
    runs: Runs, out: Annotated[Path | None, typer.Option(help="file to write")] = None
) -> None:
    """Write one HTML page to explore runs with: accuracy, masks, locality, level by level."""
    from prunescope.report import write_report
    from prunescope.store import Run

    print(write_report([Run(path) for path in runs], out or runs[0] / "report.html"))


@app.command("track")
def track_command(
    runs: Annotated[list[Path], typer.Argument(help="run directories, or folders of them", metavar="RUN...")],
    to: Annotated[str, typer.Option(help="tensorboard, wandb, mlflow or trackio")],
    out: Annotated[
        Path | None, typer.Option(help="folder to write to; ./tensorboard, or the tracker's own choice")
    ] = None,
) -> None:
    """Send runs to a tracker, from their files; again and again, it never holds anything twice."""
    from prunescope.track.show import print_tracked

    print_tracked(runs, to, out)


@app.command("bench")
def bench_command(
    quick: Annotated[
        bool, typer.Option("--quick", help="fewer rounds: under two minutes on two cores")
    ] = False,
    json: AsJson = False,
    plot: Annotated[
        Path | None, typer.Option(help="draw step times: .png, .pdf or .svg; data beside it")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="parts, as in step,imp: step, layer, imp, observables, threads")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="threads to use; all cores unless told")] = None,
) -> None:
    """Time the engines against plain PyTorch on this machine, and say which one to use."""
    from prunescope.bench.show import print_bench

    print_bench(quick=quick, only=only, threads=threads, plot=plot, as_json=json)


@data_app.command("prepare")
def prepare_command(
    experiment: ExperimentName,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="folder to prepare into, instead of the cache")] = None,
) -> None:
    """Convert an experiment's images once into a memory-mapped array; prints the folder."""
    from prunescope.data import prepare
    from prunescope.experiment import load
    from prunescope.progress import Lines

    print(prepare(load(experiment, overrides or ()).data, out=out, progress=Lines().preparing))


@data_app.command("info")
def info_command(
    folder: Annotated[Path, typer.Argument(help="a prepared folder")],
    sheet: Annotated[Path | None, typer.Option(help="also draw a sheet of samples, a PNG")] = None,
    json: AsJson = False,
) -> None:
    """Show a prepared folder: images, classes, where they come from."""
    from prunescope.verbs import print_data

    print_data(folder, sheet, as_json=json)


@data_app.command("verify")
def verify_command(folder: Annotated[Path, typer.Argument(help="a prepared folder")]) -> None:
    """Check a prepared folder against its checksums."""
    from prunescope.data import verify

    problems = verify(folder)
    if problems:
        raise InputError(
            f"{folder}: {problems[0]}" + (f" (and {len(problems) - 1} more)" * (len(problems) > 1))
        )
    print(f"{folder}: as prepared")


def _numbers(text: str | None, option: str) -> list[int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise InputError(f"{option} is {text!r}: give whole numbers separated by commas, as in 3,7,9")
    return [int(part) for part in parts]


def main(arguments: list[str] | None = None) -> Any:
    """Entry point: 0 done, 2 wrong usage or input, 130 interrupted with everything saved, 1 anything else."""
    arguments = ray_alone(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(
            arguments, prog_name="prunescope", standalone_mode=False
        )  # an interrupt comes back as the code 130
        if code == 130:
            _say("interrupted; run the same command to go on")
        sys.exit(code or 0)
    except InputError as error:
        _say(str(error))
        sys.exit(2)
    except _UsageError as error:
        message = error.format_message().rstrip(".")
        if "\n" in message:  # no arguments: the message is the whole help
            print(message, file=sys.stderr)
        else:
            _say(f"{message}; see prunescope {_verb(error)}--help")
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        _say(f"{what}{error.strerror or error}; what was finished is kept: run the same command to go on")
        sys.exit(1)
    except RuntimeError as error:
        _say(str(error))
        sys.exit(1)


def ray_alone(arguments: list[str]) -> list[str]:
    """``--ray`` without an address is ``--ray=local``: typer has no options whose value may be left out."""
    following = [*arguments[1:], ""]
    return [
        "--ray=local" if here == "--ray" and not re.fullmatch(ADDRESS, after) else here
        for here, after in zip(arguments, following, strict=True)
    ]


def _verb(error: Any) -> str:
    """The verb that was used wrongly, with a space behind it."""
    path = error.ctx.command_path.split()[1:] if error.ctx else []
    return "".join(f"{part} " for part in path)


def _say(message: str) -> None:
    print(f"prunescope: {' '.join(message.split())}", file=sys.stderr)
