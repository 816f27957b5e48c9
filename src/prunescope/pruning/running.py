"""Functions that run an experiment with the method that it names, or estimate the cost of doing so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError, MissingInput
from prunescope.experiment import Experiment, load
from prunescope.experiment.overrides import parsed
from prunescope.pruning import check_method, find_method, find_traits
from prunescope.pruning.traits import check_requirements
from prunescope.runs.reporting import Reporter, silent

if TYPE_CHECKING:
    from prunescope.runs.directory import Run
    from prunescope.runs.estimate import Estimate, MethodFacts
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
    returned as it is, and an interrupted one continues from its last saved step; both only where the data are those that it
    was begun with. Raises InputError for wrong input, for other data and for a run directory in use by another process, and
    Interrupted, after everything is saved, on Ctrl-C, SIGTERM or SIGHUP.
    """
    with contextlib.suppress(TypeError):  # What is no whole number is refused where the directory is named.
        seed = index(seed)  # NumPy's whole numbers cannot be written as JSON
    if not isinstance(experiment, Experiment):
        experiment = load(experiment, overrides)
    elif overrides:
        raise InputError("overrides apply to a preset's name or a TOML file, not to an Experiment")
    return run_as_named(located(experiment, seed, out, reporter), seed, out, reporter)


def run_as_named(
    experiment: Experiment, seed: int, out: str | Path = "runs", reporter: Reporter = silent
) -> Run:
    """Run an experiment, as ``run`` does, in the directory of its own name, without a search for one of another version."""
    from prunescope.pruning.given_masks import given_notes
    from prunescope.pruning.like import like_notes
    from prunescope.runs.directory import is_done
    from prunescope.runs.driver import Method, drive
    from prunescope.runs.writer import run_path

    name = experiment.prune.method
    done = is_done(run_path(experiment, seed, out))
    if not done:  # a finished run is only read, which needs no method
        check_method(name)
        check_requirements(experiment, find_traits(name))
    traits = find_traits(name)
    about = {"label": traits.label, "sentence": traits.sentence}
    try:
        inputs = traits.inputs(experiment, seed)
    except MissingInput as error:
        if not done:
            raise
        inputs = {}
        reporter.note(f"{error}; the run is done, and was not compared with it")

    def procedure(setting: Setting) -> ExplainedProcedure:
        for note in (*like_notes(setting), *given_notes(setting)):
            reporter.note(note)
        return find_method(name)(setting)

    return drive(experiment, Method(procedure, traits.update_rule, about, inputs), seed, out, reporter)


def located(experiment: Experiment, seed: int, out: str | Path, reporter: Reporter = silent) -> Experiment:
    """Return the experiment under the name of its run directory in ``out`` (``runs.writer.as_stored``).

    Data are opened only where a directory of an earlier version may be of the same images at another place.
    """
    from prunescope.runs.same_data import Fingerprints
    from prunescope.runs.writer import as_stored

    return as_stored(experiment, seed, out, Fingerprints(reporter.preparing))


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

    Raises InputError for an unknown method, and for a device that is not here or whose memory is too small.
    """
    from prunescope.runs.estimate import estimate as cost
    from prunescope.training import check_place

    check_place(experiment)  # before any data are opened
    try:
        return cost(experiment, _facts(experiment))
    except RuntimeError as error:
        from prunescope.training.torch.device import (
            device_errors,
        )  # Wrong data are refused before torch is imported.

        with device_errors(experiment.run.device):
            raise error


def crowding(experiment: Experiment, at_once: int) -> float:
    """Return how many times longer a run takes while ``at_once`` like it go at a time on this machine, measured once.

    Raises InputError for an unknown method.
    """
    from prunescope.runs.estimate import crowded

    return crowded(experiment, _facts(experiment), at_once)


def _facts(experiment: Experiment) -> MethodFacts:
    from prunescope.runs.estimate import MethodFacts

    name, prune = experiment.prune.method, experiment.prune
    check_method(name)
    traits = find_traits(name)
    return MethodFacts(
        levels_for=lambda sizes: traits.expected(prune, sizes),
        update_rule=traits.update_rule,
        procedure=lambda setting: find_method(name)(setting),
        effort=traits.effort,
        # Parameters to rewind to are stored by methods that go on from a level of their own.
        dense_first=traits.dense_first or ("further" in (traits.fields or ()) and prune.further > 0),
    )
