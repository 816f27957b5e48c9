"""Live uploads feed trackers during a run, each from its own thread, so that slow ones do not delay it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError, first_line
from prunescope.runs.directory import Run
from prunescope.runs.reporting import Reporter
from prunescope.track.sink import Sink
from prunescope.track.upload import Destination, upload

if TYPE_CHECKING:
    from prunescope.experiment import Experiment
    from prunescope.mask import ImageShape
    from prunescope.training.levels import Level
    from prunescope.training.loop import Evaluation

EVERY = 1.0  # seconds between two readings of a run's files
PATIENCE = 60.0  # seconds that a run waits at its end until a tracker has received the rest
Warn = Callable[[str], None]


def tracked(reporter: Reporter, trackers: Sequence[str], warn: Warn | None = None) -> Reporter:
    """Return a reporter that does what ``reporter`` does and feeds ``trackers`` from the run's files.

    ``trackers`` are written NAME or NAME=FOLDER. A tracker that fails gets nothing more in this run, and ``warn`` gets
    one line (it prints to stderr unless given). ``close`` waits for the trackers. Raises InputError, before anything
    runs, for an unknown or repeated tracker and for a missing package.
    """
    try:
        destinations = [Destination.read(text) for text in trackers]
        names = [destination.name for destination in destinations]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"--track names {twice[0]} twice")
        sinks = {destination: destination.sink() for destination in destinations}
    except InputError:
        reporter.close()
        raise
    return TrackingReporter(reporter, sinks, warn or _to_stderr) if sinks else reporter


class TrackingReporter(Reporter):
    """Passes on every event, and lets the upload threads read the run's files; ``tracked`` makes it."""

    def __init__(self, inner: Reporter, sinks: dict[Destination, Sink], warn: Warn) -> None:
        self._inner = inner
        self._sinks = sinks
        self._warn = warn
        self._path: Path | None = None
        self._feeders: list[_UploadThread] = []

    def preparing(self, done: int, total: int, what: str) -> None:
        self._inner.preparing(done, total, what)

    def started(
        self, path: Path, experiment: Experiment, rows: list[dict[str, Any]], engine: str = ""
    ) -> None:
        self._path = path
        self._inner.started(path, experiment, rows, engine)

    def level_started(self, level: Level, step: int, shape: ImageShape) -> None:
        # This is not done sooner because a resumed level first deletes the evaluations that it makes again.
        self._notify()
        self._inner.level_started(level, step, shape)

    def stepped(self, level: Level, step: int) -> None:
        self._inner.stepped(level, step)

    def evaluated(self, evaluation: Evaluation) -> None:
        self._notify()
        self._inner.evaluated(evaluation)

    def level_finished(self, rows: list[dict[str, Any]]) -> None:
        self._notify()
        self._inner.level_finished(rows)

    def note(self, text: str) -> None:
        self._inner.note(text)

    def finished(self, path: Path, rows: list[dict[str, Any]]) -> None:
        self._path = path
        self._notify()
        self._inner.finished(path, rows)

    def close(self) -> None:
        try:
            for feeder in self._feeders:
                feeder.stop()
            for feeder in self._feeders:
                feeder.wait()
        finally:  # The inner reporter is closed even if waiting was interrupted.
            self._inner.close()

    def _notify(self) -> None:
        if not self._feeders and self._path is not None:
            run = Run(self._path)
            self._feeders = [_UploadThread(run, to, sink, self._warn) for to, sink in self._sinks.items()]
        for feeder in self._feeders:
            feeder.notify()


class _UploadThread:
    """A thread that feeds one tracker from a run's files."""

    def __init__(self, run: Run, destination: Destination, sink: Sink, warn: Warn) -> None:
        self._run = run
        self._destination = destination
        self._sink = sink
        self._warn = warn
        self._new = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"track {destination.name}", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Tell the thread that the run's files may hold something new."""
        self._new.set()

    def stop(self) -> None:
        """Tell the thread to send the rest and end."""
        self._stop.set()
        self._new.set()

    def wait(self) -> None:
        """Wait until the thread has ended, at most PATIENCE seconds."""
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            self._say(f"has not taken everything in {PATIENCE:.0f} s")

    def _work(self) -> None:
        try:
            # The process that had the run before may still be sending its last numbers.
            with upload(self._run, self._destination.name, self._sink, PATIENCE) as feeding:
                while not self._stop.is_set():
                    self._new.wait()
                    self._new.clear()
                    feeding.update()
                    self._stop.wait(EVERY)
                feeding.finish()
        except Exception as error:  # No failure of a tracker may stop a run.
            self._say(f"failed ({first_line(error)}); the run goes on without it")

    def _say(self, what: str) -> None:
        to = self._destination
        again = f"prunescope track {self._run.path} --to {to.name}" + (f" --out {to.out}" if to.out else "")
        self._warn(f"{to.name} {what}; to send the run afterwards: {again}")


def _to_stderr(text: str) -> None:
    print(f"prunescope: {text}", file=sys.stderr, flush=True)
