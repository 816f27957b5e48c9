"""How the runs of a sweep are executed."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.errors import InputError
from prunescope.experiment.fields import MOST_THREADS

LOCAL_RAY = "local"  # the address of a Ray instance that is started for a sweep, on this machine


@dataclass(frozen=True)
class ExecutionOptions:
    """How the runs of a sweep are executed; nothing here changes a result.

    at_once: at most so many runs at a time, None for as many as cores, memory and CUDA devices have space for. threads:
    threads of each run, None for run.threads, else one. ray: HOST:PORT of a Ray cluster, ``auto`` on a node of one,
    ``local`` for one that is started on this machine, None for processes of this machine. trackers: NAME or NAME=FOLDER of
    each tracker that a run's process feeds from the run's files.
    """

    at_once: int | None = None
    threads: int | None = None
    ray: str | None = None
    trackers: tuple[str, ...] = ()

    @property
    def cluster_address(self) -> str | None:
        """The address of a Ray cluster beyond this machine; None where all runs go to this machine."""
        return None if self.ray == LOCAL_RAY else self.ray

    def check(self) -> None:
        """Raise InputError for a limit of runs at once below 1, and for more threads than a run may have."""
        if self.at_once is not None and self.at_once < 1:
            raise InputError(f"--jobs is {self.at_once}; it must be 1 or more")
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise InputError(f"--threads is {self.threads}; it must be 1 or more, and at most {MOST_THREADS}")
