"""The interface of sinks, each of which sends copies of what a run's files hold to one tracker."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from prunescope.errors import InputError
from prunescope.runs.directory import Run
from prunescope.track.entries import Entry

PROJECT = "prunescope"  # W&B and trackio call this a project, MLflow an experiment.


@dataclass(frozen=True)
class About:
    """The name and configuration of a run, the same in every tracker.

    ``title`` is name-identity/seed-N, ``group`` the same without the seed. A name that does not end in that of the data set
    gets it, so that trackers do not take runs of one name on two data sets for one; those of earlier versions keep
    theirs. ``config`` has each field of the
    experiment by its dotted name, and name, identity and seed.
    """

    group: str
    title: str
    config: dict[str, Any]

    @classmethod
    def of(cls, run: Run) -> About:
        """Return the name and configuration of a run, read from its files."""
        from prunescope.analysis.tables import field_values

        about = run.about
        name = run.experiment.named_after_data().name if run.data.get("split") else about["name"]
        group = f"{name}-{about['identity']}"
        config = {key: about[key] for key in ("name", "identity", "seed")} | field_values(run.experiment)
        return cls(group, f"{group}/seed-{run.seed}", config)

    @property
    def known(self) -> dict[str, Any]:
        """The config without fields that are not set, for trackers that cannot store None."""
        return {name: value for name, value in self.config.items() if value is not None}


class Sink(abc.ABC):
    """A sink sends one run at a time to a tracker: ``start``, any number of ``send``, then ``finish``.

    The first ``send`` gets all that the run's files hold, later ones what is new. A tracker that has the run from an
    earlier time receives only what it lacks, or the run is replaced, so that nothing is stored twice.
    """

    @abc.abstractmethod
    def __init__(self, out: Path | None) -> None:
        """Prepare to write to ``out``, None for the tracker's default; raise InputError without its package."""

    @abc.abstractmethod
    def start(self, about: About) -> None:
        """Begin a run, or go on with it where the tracker has it already."""

    @abc.abstractmethod
    def send(self, entries: Sequence[Entry]) -> None:
        """Send entries, which come in order and once each; the first call gets all that the files hold."""

    @abc.abstractmethod
    def finish(self, status: str) -> str:
        """End the run with this status (that of run.json) and return where to find it."""

    def abandon(self) -> None:  # noqa: B027  (most sinks hold nothing open)
        """Release what the sink holds open, after sending has failed; errors raised here are ignored."""


def needed(module: str, name: str) -> Any:
    """Import a tracker's ``module`` and return it; raise InputError when the package of ``name`` is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"{name}: its package is not installed ({error}): pip install 'prunescope[{name}]'"
        ) from None
