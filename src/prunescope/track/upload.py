"""Uploads send each entry of a run's files to a tracker once, from one process at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from prunescope.errors import InputError, first_line
from prunescope.locks import Locked, held
from prunescope.runs.directory import Run
from prunescope.track.entries import entries
from prunescope.track.sink import About, Sink

SINKS = {
    "tensorboard": ("prunescope.track.tensorboard", "TensorBoard"),
    "wandb": ("prunescope.track.wandb", "WeightsAndBiases"),
    "mlflow": ("prunescope.track.mlflow", "MLflow"),
    "trackio": ("prunescope.track.trackio", "Trackio"),
}


class TrackerFailed(RuntimeError):
    """Raised when a tracker does not accept a run, whose files are unchanged."""


@dataclass(frozen=True)
class Destination:
    """A tracker by name, and the folder that it writes to (None for its default)."""

    name: str
    out: Path | None = None

    @classmethod
    def read(cls, text: str, option: str = "--track") -> Destination:
        """Read NAME or NAME=FOLDER, given by ``option``; raise InputError for unknown trackers and unusable folders."""
        name, equals, folder = text.partition("=")
        if name not in SINKS:
            raise InputError(f"{option} is {name!r}: give one of {', '.join(SINKS)}")
        if equals and not folder:
            raise InputError(f"{option} is {text!r}: give a folder behind the =, or leave it out")
        out = Path(folder) if folder else None
        if out is not None and out.exists() and not out.is_dir():
            raise InputError(f"{option} is {text!r}: {out} is a file; give a folder")
        return cls(name, out)

    def sink(self) -> Sink:
        """Return a new sink for it; raise InputError when its package is not installed."""
        module, name = SINKS[self.name]
        made: Sink = getattr(import_module(module), name)(self.out)
        return made


class Upload:
    """An upload of one run to one sink, which sends each entry once. The function ``upload`` makes it."""

    def __init__(self, run: Run, sink: Sink) -> None:
        self._run = run
        self._sink = sink
        self._sent: int | None = None

    def update(self) -> None:
        """Send what the run's files hold and the sink did not receive yet."""
        found = entries(self._run)
        if self._sent is None or len(found) > self._sent:
            self._sink.send(found[self._sent or 0 :])
            self._sent = len(found)

    def finish(self) -> str:
        """Send the rest and return where to find the run."""
        self.update()
        return self._sink.finish(self._run.status)


@contextlib.contextmanager
def upload(run: Run, name: str, sink: Sink, wait: float = 0) -> Iterator[Upload]:
    """Open the upload of a run to the tracker ``name`` inside the ``with`` block.

    Raises InputError when another process is still sending this run to the tracker after ``wait`` seconds.
    """
    with _alone(run, name, wait):
        try:
            sink.start(About.of(run))
            yield Upload(run, sink)
        except BaseException:
            with contextlib.suppress(Exception):
                sink.abandon()
            raise


def send(run: Run, destination: Destination) -> str:
    """Send all that a run's files hold to a tracker and return where to find it; sending again changes nothing.

    Raises InputError for a missing package or a run that cannot be read, TrackerFailed for what the tracker raises.
    """
    sink = destination.sink()
    try:
        with upload(run, destination.name, sink) as feeding:
            return feeding.finish()
    except InputError:
        raise
    except Exception as error:
        raise TrackerFailed(f"{run.path}: {destination.name} failed: {first_line(error)}") from error


@contextlib.contextmanager
def _alone(run: Run, name: str, wait: float) -> Iterator[None]:
    with contextlib.ExitStack() as lock:
        try:
            lock.enter_context(held(run.path / f".track-{name}.lock", wait))
        except Locked:
            raise InputError(f"{run.path}: another process is sending it to {name}") from None
        except OSError:  # No lock is possible in a folder that cannot be written.
            pass
        yield
