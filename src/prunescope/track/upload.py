"""From a run's files to a tracker: each entry once, by one process at a time."""

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
    """A tracker did not take a run. The run's files are as they were."""


@dataclass(frozen=True)
class Destination:
    """A tracker by name, and the folder that it writes to (None: its own choice)."""

    name: str
    out: Path | None = None

    @classmethod
    def read(cls, text: str, option: str = "--track") -> Destination:
        """NAME or NAME=FOLDER; raises InputError for a tracker that there is not."""
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
        """Its sink; raises InputError when its package is not installed."""
        module, name = SINKS[self.name]
        made: Sink = getattr(import_module(module), name)(self.out)
        return made


class Upload:
    """One run's way into one sink. Use ``feed``."""

    def __init__(self, run: Run, sink: Sink) -> None:
        self._run = run
        self._sink = sink
        self._sent: int | None = None

    def update(self) -> None:
        """Send what the run's files hold and the sink was not given yet."""
        found = entries(self._run)
        if self._sent is None or len(found) > self._sent:
            self._sink.send(found[self._sent or 0 :])
            self._sent = len(found)

    def finish(self) -> str:
        """Send the rest; says where to look for it."""
        self.update()
        return self._sink.finish(self._run.status)


@contextlib.contextmanager
def upload(run: Run, name: str, sink: Sink, wait: float = 0) -> Iterator[Upload]:
    """Begin to send a run to a tracker; raises InputError when another process does so for ``wait`` seconds more."""
    with _alone(run, name, wait):
        try:
            sink.start(About.of(run))
            yield Upload(run, sink)
        except BaseException:
            with contextlib.suppress(Exception):
                sink.abandon()
            raise


def send(run: Run, destination: Destination) -> str:
    """Send all that a run's files hold to a tracker; says where to look for it. Doing it again changes nothing.

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
        except OSError:  # a folder that nobody here can write to: there is nothing to lock with
            pass
        yield
