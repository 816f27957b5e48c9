"""What trackers a sweep may feed: looked at before any run starts."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.errors import InputError
from prunescope.runs.reporting import silent
from prunescope.track import Destination, tracked


def check_trackers(trackers: Sequence[str], ray: str | None) -> None:
    """Raise InputError for an unknown tracker, one whose package is missing, or a folder that nodes may read differently.

    ``trackers``: NAME or NAME=FOLDER each. ``ray``: the address of a cluster, None for processes of this machine.
    """
    tracked(silent, trackers)
    if ray is None or ray == "local":
        return
    for to in map(Destination.read, trackers):
        if not (to.out.is_absolute() if to.out else to.name != "tensorboard"):
            given = f"{to.name}={to.out}" if to.out else to.name
            raise InputError(
                f"--track {given}: with --ray {ray} give a whole path, as in --track {to.name}=/shared/{to.name}"
            )
