"""Job: one experiment with one seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prunescope.experiment import Experiment
from prunescope.runs.writer import run_path


@dataclass(frozen=True)
class Job:
    """One experiment with one seed: what becomes one run directory."""

    experiment: Experiment
    seed: int

    def __hash__(self) -> int:
        return hash((self.experiment.name, self.experiment.identity, self.seed))

    def path(self, out: str | Path) -> Path:
        """The run directory below ``out``."""
        return run_path(self.experiment, self.seed, out)

    def needs(self) -> Path | None:
        """The run directory that ``prune.like`` names, which has to be done before this one."""
        like = self.experiment.prune.like
        return Path(like.replace("{seed}", str(self.seed))) if like else None
