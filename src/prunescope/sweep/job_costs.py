"""What experiments of a sweep cost, estimated once each, or known from runs that are done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.pruning.running import estimate
from prunescope.runs.directory import Run
from prunescope.runs.estimate import Estimate
from prunescope.sweep.run_shares import pinned, threads_of
from prunescope.training import check_place


class Costs:
    """Estimates of experiments, each measured once, with the times of a finished run where there is one.

    ``threads`` is the number that a run may use, None for the experiment's own. ``here`` is False for runs of other
    machines: what their devices are not here to tell is measured on the CPU.
    """

    def __init__(self, threads: int | None = None, here: bool = True) -> None:
        self._threads, self._here = threads, here
        self._known: dict[tuple[str, str, int], Estimate] = {}
        self._taken: dict[tuple[str, str], tuple[float, ...]] = {}

    def of(self, experiment: Experiment) -> Estimate:
        """Return the estimate of a whole run."""
        which = (experiment.identity, experiment.data.set_name)
        key = (*which, threads_of(experiment, self._threads))
        if key not in self._known:
            known = experiment if self._here else _measurable(experiment)
            self._known[key] = estimate(pinned(known, self._threads))
        taken = self._taken.get(which)
        return replace(self._known[key], level_seconds=taken, learned=True) if taken else self._known[key]

    def learn(self, experiment: Experiment, path: Path) -> None:
        """Take the times of a finished run's levels as those of its experiment."""
        which = (experiment.identity, experiment.data.set_name)
        run = Run(path)
        # What a level takes on a CPU says nothing of a card.
        if which not in self._taken and _kind(run.experiment) == _kind(experiment):
            table = run.table.filter(layer=1).sort("level")
            if "seconds" in table.columns and not table["seconds"].has_nulls():
                self._taken[which] = tuple(table["seconds"].to_list())


def _measurable(experiment: Experiment) -> Experiment:
    """Return the experiment, with the CPU as its device where its own is not on this machine."""
    try:
        check_place(experiment, use=False)
    except InputError:
        place = experiment.run.model_copy(update={"device": "cpu"})
        train = experiment.train.model_copy(update={"precision": "float32"})
        return experiment.model_copy(update={"run": place, "train": train})
    return experiment


def _kind(experiment: Experiment) -> str:
    """Return the kind of device that an experiment runs on, as in ``cuda`` for ``cuda:1``."""
    return experiment.run.device.partition(":")[0]
