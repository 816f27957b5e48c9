"""The verb ``run``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli.options import DryRun, ExperimentName, Overrides, RunsFolder, Trackers
from prunescope.cli.plain_output import own_streams, shown


def run_command(
    experiment: ExperimentName,
    overrides: Overrides = None,
    seed: Annotated[int, typer.Option(help="0, 1, 2 …; each is a run of its own")] = 0,
    out: RunsFolder = Path("runs"),
    track: Trackers = None,
    dry_run: DryRun = False,
) -> None:
    """Run an experiment with one seed; resume it, or say that it is done. Prints the run directory."""
    from prunescope.experiment import load
    from prunescope.pruning.running import unread_fields

    resolved = load(experiment, overrides or ())
    for note in unread_fields(resolved, overrides or ()):
        print(f"prunescope: {note}", file=sys.stderr)
    if dry_run:
        from prunescope.cli.printing import print_plan

        print_plan(resolved, seed, out)
        return
    from prunescope.cli.progress import Lines, Live
    from prunescope.pruning.running import located, run_as_named
    from prunescope.runs.directory import is_done
    from prunescope.runs.writer import run_path
    from prunescope.track import tracked

    # Trackers write in colours.
    with own_streams() if track else contextlib.nullcontext():
        reporter = tracked(Live() if sys.stderr.isatty() else Lines(), track or ())
        try:
            resolved = located(resolved, seed, out, reporter)
            path = run_path(resolved, seed, out)
            done = is_done(path)
            run_as_named(resolved, seed, out, reporter)
            if done:
                print(shown(f"{path}: done before; nothing to do"), file=sys.stderr)
                reporter.finished(path, [])  # trackers may not have it yet
        finally:
            reporter.close()
    print(path)
