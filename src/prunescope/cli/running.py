"""Verbs that run experiments: run, sweep, reproduce."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli.options import ExperimentName, Overrides, Trackers


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
        from prunescope.cli.printing import print_plan

        print_plan(resolved, seed, out)
        return
    from prunescope.cli.progress import Lines, Live
    from prunescope.pruning.running import run
    from prunescope.runs.directory import is_done
    from prunescope.runs.writer import run_path
    from prunescope.track import tracked

    path = run_path(resolved, seed, out)
    reporter = tracked(Live() if sys.stderr.isatty() else Lines(), track or ())
    if is_done(path):
        print(f"{path}: done before; nothing to do", file=sys.stderr)
        reporter.finished(path, [])  # trackers may not have it yet
    try:
        finished = run(resolved, seed=seed, out=out, reporter=reporter)
    finally:
        reporter.close()
    print(finished.path)


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
    track: Trackers = None,
    dry_run: Annotated[bool, typer.Option(help="print the plan and an estimate; run nothing")] = False,
) -> None:
    """Run a grid of experiments and seeds, many at once; resume what was begun. Prints the run directories."""
    from prunescope.cli.sweeping import sweep

    code = sweep(
        source,
        overrides or [],
        seeds,
        out,
        at_once=jobs,
        threads=threads,
        dry_run=dry_run,
        ray=ray,
        track=track or (),
    )
    raise typer.Exit(code)


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
    from prunescope.cli.reproduction import print_reproduction

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
