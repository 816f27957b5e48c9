"""The levels that a run is expected to train, as its method states them. Cheap to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """The levels that a run is expected to train: the nominal density of each.

    ``assumed`` says what had to be assumed, and ``ends`` what may end the run before them.
    """

    densities: tuple[float, ...]
    assumed: tuple[str, ...] = ()
    ends: str = ""
