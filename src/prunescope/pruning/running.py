"""Functions that run an experiment with the method that it names, or estimate the cost of doing so."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError
from prunescope.experiment import Experiment, load
from prunescope.experiment.overrides import parsed
from prunescope.pruning import check_method, find_method, find_traits
from prunescope.pruning.traits import check_requirements
from prunescope.runs.reporting import Reporter, silent

if TYPE_CHECKING:
    from prunescope.runs.directory import Run
    from prunescope.runs.estimate import Estimate
    from prunescope.training.levels import ExplainedProcedure, Setting


def run(
    experiment: str | Path | Experiment,
    *overrides: str,
    seed: int = 0,
    out: str | Path = "runs",
    reporter: Reporter = silent,
) -> Run:
    """Run an experiment (a preset's name, a TOML file or an Experiment) with one seed.

    ``overrides`` are ``key=value``; ``out`` is the directory under which that of the run is made. A finished run is
    returned as it is, and an interrupted one continues from its last saved step. Raises InputError for wrong
    input and for a run directory in use by another process, and Interrupted, after everything is saved, on Ctrl-C or
    SIGTERM.
    """
    from prunescope.runs.directory import is_done
    from prunescope.runs.driver import Method, drive
    from prunescope.runs.writer import run_path

    if not isinstance(experiment, Experiment):
        experiment = load(experiment, overrides)
    elif overrides:
        raise InputError("overrides apply to a preset's name or a TOML file, not to an Experiment")
    name = experiment.prune.method
    if not is_done(run_path(experiment, seed, out)):  # a finished run is only read, which needs no method
        check_method(name)
        check_requirements(experiment, find_traits(name))
    traits = find_traits(name)
    about = {"label": traits.label, "sentence": traits.sentence}

    def procedure(setting: Setting) -> ExplainedProcedure:
        return find_method(name)(setting)

    return drive(experiment, Method(procedure, traits.update_rule, about), seed, out, reporter)


def unread_fields(experiment: Experiment, overrides: Iterable[str]) -> list[str]:
    """Return a line for each field of ``prune`` among the overrides that the experiment's method does not read."""
    method = experiment.prune.method
    known = find_traits(method).fields
    if known is None:
        return []
    names = dict.fromkeys(parsed(override)[0] for override in overrides)
    return [
        f"{name} is not read by prune.method={method} (it is part of the experiment's identity all the same)"
        for name in names
        if name.startswith("prune.") and name.split(".")[1] not in {*known, "method", "options"}
    ]


def estimate(experiment: Experiment) -> Estimate:
    """Estimate the cost of a run (``runs.estimate``) from the levels that its method expects to train.

    Raises InputError for an unknown method.
    """
    from prunescope.runs.estimate import estimate as cost

    check_method(experiment.prune.method)
    traits = find_traits(experiment.prune.method)
    return cost(experiment, lambda sizes: traits.expected(experiment.prune, sizes), traits.update_rule)
