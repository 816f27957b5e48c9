"""Run an experiment with the method that it names, or say what that will cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError
from prunescope.experiment import Experiment, load
from prunescope.pruning import check_method, find_method, find_traits
from prunescope.runs.reporting import Reporter, silent

if TYPE_CHECKING:
    from prunescope.runs.directory import Run
    from prunescope.runs.estimate import Estimate
    from prunescope.training.levels import Procedure, Setting


def run(
    experiment: str | Path | Experiment,
    *overrides: str,
    seed: int = 0,
    out: str | Path = "runs",
    reporter: Reporter = silent,
) -> Run:
    """Run an experiment (a preset's name, a TOML file or an Experiment) with one seed.

    ``overrides`` are ``key=value``. Idempotent: a finished run is returned as it is, an
    interrupted one goes on from its last step. Raises InputError for wrong input and for a
    directory in use, Interrupted after Ctrl-C or SIGTERM, when all is saved.
    """
    from prunescope.runs.directory import is_done
    from prunescope.runs.driver import Method, drive
    from prunescope.runs.writer import run_path

    if not isinstance(experiment, Experiment):
        experiment = load(experiment, overrides)
    elif overrides:
        raise InputError("overrides apply to a preset's name or a TOML file, not to an Experiment")
    name = experiment.prune.method
    if not is_done(run_path(experiment, seed, out)):  # what is done needs no method any more
        check_method(name)
    traits = find_traits(name)
    about = {"label": traits.label, "sentence": traits.sentence}

    def procedure(setting: Setting) -> Procedure:
        return find_method(name)(setting)

    return drive(experiment, Method(procedure, traits.update_rule, about), seed, out, reporter)


def estimate(experiment: Experiment) -> Estimate:
    """What a run will cost (runs.estimate), with the levels that its method expects to train."""
    from prunescope.runs.estimate import estimate as cost

    check_method(experiment.prune.method)
    traits = find_traits(experiment.prune.method)
    return cost(experiment, lambda sizes: traits.expected(experiment.prune, sizes), traits.update_rule)
