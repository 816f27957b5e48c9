"""The verb ``track``: it sends stored runs to a tracker and prints where each one is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from prunescope.cli.plain_output import own_streams
from prunescope.errors import InputError
from prunescope.files import check_folder
from prunescope.runs.directory import Run
from prunescope.track.upload import Destination, send


def print_tracked(places: Sequence[Path], name: str, out: Path | None) -> None:
    """Send the runs at and below ``places`` to a tracker and print where each is.

    A run that cannot be sent is named on stderr and the others go on; at the end InputError says how many there were.
    """
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"--out is {out}: it is a file; give a folder")
    if out is not None:
        check_folder(out, "--out")
    destination = Destination(Destination.read(name, "--to").name, out)
    destination.sink()  # a missing package is said before anything is read
    paths = _runs(places)
    left_out = 0
    for path in paths:
        try:
            with own_streams():
                place = send(Run(path), destination)
            print(place, flush=True)
        except InputError as error:
            if len(paths) == 1:
                raise
            left_out += 1
            print(f"prunescope: {error}; left out", file=sys.stderr)
    if left_out:
        raise InputError(f"{left_out} of {len(paths)} runs were not sent to {name}")


def _runs(places: Sequence[Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for place in places:
        paths = sorted(about.parent for about in place.rglob("run.json"))
        if not paths:
            raise InputError(f"{place}: no run directory there or below (none has a run.json)")
        for path in paths:
            found.setdefault(path.resolve(), path)
    return list(found.values())
