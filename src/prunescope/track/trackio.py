"""The trackio sink writes a run of the local project prunescope, anew at each start, so that nothing is there twice."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.errors import InputError
from prunescope.track.entries import Entry
from prunescope.track.sink import PROJECT, About, Sink, needed


class Trackio(Sink):
    """Logs to trackio's local database; ``trackio sync`` copies a project to a Space."""

    def __init__(self, out: Path | None) -> None:
        for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
            if os.environ.get(name):
                raise InputError(f"trackio: {name} is set; unset it, track here and copy with `trackio sync`")
        if out is not None:
            if "trackio" in sys.modules and os.environ.get("TRACKIO_DIR") != str(out.resolve()):
                raise InputError(
                    f"trackio: was imported before, its folder cannot be {out} now: set TRACKIO_DIR at the start"
                )
            os.environ["TRACKIO_DIR"] = str(out.resolve())
        self._trackio = needed("trackio", "trackio")
        self._run: Any = None

    def start(self, about: About) -> None:
        with _quiet():
            for run in self._stored():
                if run.name == about.title:
                    run.delete()
            self._run = self._trackio.init(
                project=PROJECT,
                name=about.title,
                group=about.group,
                config=about.config,
                resume="never",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def send(self, entries: Sequence[Entry]) -> None:
        with _quiet():
            for entry in entries:
                axes = {"global_step": entry.global_step, "level": entry.level}
                self._run.log(axes | entry.values, step=entry.step)

    def finish(self, status: str) -> str:
        with _quiet():
            self._trackio.finish()  # After the run's own finish trackio would end it once more at exit.
        return f"trackio project {PROJECT}, run {self._run.name}"

    def _stored(self) -> list[Any]:
        try:
            return list(self._trackio.Api().runs(PROJECT))
        except ValueError:  # The project does not exist yet.
            return []


def _quiet() -> contextlib.redirect_stdout[io.StringIO]:
    """Suppress what trackio prints to stdout, which is for results."""
    return contextlib.redirect_stdout(io.StringIO())
