"""``ps.run``: run an experiment, and in a notebook show its progress."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.arguments import flag, instance, path_of
from prunescope.errors import InputError
from prunescope.runs.reporting import Reporter, silent

if TYPE_CHECKING:
    from prunescope.experiment import Experiment
    from prunescope.runs.directory import Run


def run(
    experiment: str | Path | Experiment,
    *overrides: str,
    seed: int = 0,
    out: str | Path = "runs",
    progress: bool | None = None,
    reporter: Reporter | None = None,
) -> Run:
    """Run an experiment (a preset's name, a TOML file or an Experiment) with one seed.

    ``overrides`` are ``key=value``; ``out`` is the directory under which that of the run is made. A finished run is
    returned as it is, and an interrupted one continues from its last saved step; both only where the data are those that it
    was begun with. ``progress``: whether it is shown, below the cell in a notebook and on stderr elsewhere; None shows it
    in a notebook alone. ``reporter`` is told of it in place of that. Raises InputError for wrong input, for other data and
    for a run directory in use by another process, and Interrupted, after everything is saved, on Ctrl-C, SIGTERM or SIGHUP.
    """
    from prunescope.pruning import running

    progress = None if progress is None else flag("progress", progress)
    if reporter is not None:
        instance("reporter", reporter, Reporter, "a Reporter")
    if isinstance(seed, bool):
        raise InputError(f"seed is {seed}: give a whole number")
    path_of("out", out)

    if reporter is not None:
        return running.run(experiment, *overrides, seed=seed, out=out, reporter=reporter)
    shown = _progress(progress)
    try:
        return running.run(experiment, *overrides, seed=seed, out=out, reporter=shown)
    finally:
        shown.close()


def _progress(asked: bool | None) -> Reporter:
    """Return the reporter that shows progress here, or the one that is silent."""
    if asked is False:
        return silent
    from prunescope.notebook.progress import NotebookProgress, in_notebook

    if in_notebook():
        return NotebookProgress()
    if not asked:
        return silent
    from prunescope.cli.progress import Lines, Live

    return Live() if sys.stderr.isatty() else Lines()
