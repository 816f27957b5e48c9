"""Jobs: experiments with one seed each, of which a sweep consists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.experiment.mask_place import MaskPlace
from prunescope.experiment.paths import decoded
from prunescope.runs.same_data import Fingerprints, same_place
from prunescope.runs.writer import as_stored, run_path


@dataclass(frozen=True)
class Job:
    """An experiment with one seed, which becomes one run directory."""

    experiment: Experiment
    seed: int

    def __hash__(self) -> int:
        return hash((self.experiment.name, self.experiment.identity, self.seed))

    @property
    def experiment_key(self) -> tuple[str, str]:
        """What the seeds of one experiment on one data set share: identity and the name of the data set."""
        return self.experiment.identity, self.experiment.data.set_name

    @property
    def key(self) -> tuple[str, int, str]:
        """What two jobs that are the same run share, whatever their names: identity, seed and data set."""
        return self.experiment.identity, self.seed, self.experiment.data.set_name

    def path(self, out: str | Path) -> Path:
        """Return the run directory of the job in the folder ``out``; raise InputError for a negative seed."""
        return run_path(as_stored(self.experiment, self.seed, out), self.seed, out)

    def located(self, out: str | Path, fingerprints: Fingerprints | None = None) -> Job:
        """Return the job under the name of its run directory in ``out`` (``runs.writer.as_stored``)."""
        return replace(self, experiment=as_stored(self.experiment, self.seed, out, fingerprints))

    def needs(self) -> Path | None:
        """Return the run directory that ``prune.like`` or ``prune.masks`` names, which must be done before this job.

        It is None without one.
        """
        prune = self.experiment.prune
        if prune.like:
            return Path(decoded(prune.like).replace("{seed}", str(self.seed)))
        place = MaskPlace.of(prune.masks).at(self.seed)
        return None if place.level is None else place.path


def check_distinct(jobs: Sequence[Job]) -> None:
    """Raise InputError when two of ``jobs`` are the same run, whatever their names, or have two data sets of one name."""
    seen: dict[tuple[str, int, str], Job] = {}
    sets: dict[tuple[str, str], Job] = {}
    for job in jobs:
        first, data = sets.setdefault(job.experiment_key, job), job.experiment.data
        if first.experiment.data.root != data.root and not same_place(first.experiment.data, data):
            raise InputError(
                f"{_names(first, job)}: {first.experiment.data.root} and {data.root} are two data sets of one name, "
                f"{data.set_name}: give each its own data.name"
            )
        if (twin := seen.setdefault(job.key, job)) is not job:
            raise InputError(
                f"{_names(twin, job)}: two entries are the same experiment (identity {job.key[0]}, seed {job.seed}); "
                "leave one"
            )


def _names(one: Job, other: Job) -> str:
    return " and ".join(dict.fromkeys((one.experiment.name, other.experiment.name)))
