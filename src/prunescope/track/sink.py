"""Sink: what a tracker is asked to do. Files stay the truth; a sink gets copies of what they hold."""

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

PROJECT = "prunescope"  # what W&B and trackio call a project and MLflow an experiment


@dataclass(frozen=True)
class About:
    """What a run is called in every tracker: ``title`` is name-identity/seed-N, ``group`` that without the seed.

    ``config``: each field of the experiment by its dotted name, with name, identity and seed.
    """

    group: str
    title: str
    config: dict[str, Any]

    @classmethod
    def of(cls, run: Run) -> About:
        """What there is to say of a run."""
        from prunescope.analysis.tables import field_values

        about = run.about
        group = f"{about['name']}-{about['identity']}"
        config = {key: about[key] for key in ("name", "identity", "seed")} | field_values(run.experiment)
        return cls(group, f"{group}/seed-{run.seed}", config)

    @property
    def known(self) -> dict[str, Any]:
        """The config without fields that are not set, for trackers that cannot say so."""
        return {name: value for name, value in self.config.items() if value is not None}


class Sink(abc.ABC):
    """A tracker, for one run at a time: ``start``, ``send`` (all that the run's files hold, then what is new), ``finish``.

    A sink that was given the run before takes only what it has not, or begins anew: nothing is ever there twice.
    """

    @abc.abstractmethod
    def __init__(self, out: Path | None) -> None:
        """``out``: the folder to write to, None for the tracker's own choice. Raises InputError without its package."""

    @abc.abstractmethod
    def start(self, about: About) -> None:
        """Begin with a run, or go on with it."""

    @abc.abstractmethod
    def send(self, entries: Sequence[Entry]) -> None:
        """Take entries, each given once, in order; the first call gets all that the files hold."""

    @abc.abstractmethod
    def finish(self, status: str) -> str:
        """End with the run, of this status (run.json); says where to look for it."""

    def abandon(self) -> None:  # noqa: B027  (most have nothing to let go of)
        """Let go of what it holds open: sending has failed. What it raises is not heard."""


def needed(module: str, name: str) -> Any:
    """Import a tracker's module; raises InputError when its package is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"{name}: its package is not installed ({error}): pip install 'prunescope[{name}]'"
        ) from None
