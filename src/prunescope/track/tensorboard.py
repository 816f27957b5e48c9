"""The TensorBoard sink writes one event file per run below a log folder, anew at each start: nothing repeats."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.track.entries import Entry
from prunescope.track.sink import About, Sink, needed

FOLDER = Path("tensorboard")
SUFFIX = ".prunescope"


class TensorBoard(Sink):
    """Writes event files with TensorBoard's own writer, which stores numbers as float32."""

    def __init__(self, out: Path | None) -> None:
        self._writers = needed("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self._events = needed("tensorboard.compat.proto.event_pb2", "tensorboard")
        self._summaries = needed("tensorboard.compat.proto.summary_pb2", "tensorboard")
        self._hparams = needed("tensorboard.plugins.hparams.summary_v2", "tensorboard")
        self._logs = out or FOLDER
        self._folder = self._logs
        self._earlier: list[Path] = []
        self._writer: Any = None

    def start(self, about: About) -> None:
        self._folder = self._logs / about.title
        self._earlier = list(self._folder.glob(f"events.out.tfevents.*{SUFFIX}"))
        self._writer = self._writers.EventFileWriter(str(self._folder), filename_suffix=SUFFIX)
        # At this entry TensorBoard drops what it has read from an earlier file of the run.
        begin = self._events.SessionLog(status=self._events.SessionLog.START)
        self._add(0, session_log=begin)
        self._add(0, summary=self._hparams.hparams_pb(about.known, trial_id=about.group))

    def send(self, entries: Sequence[Entry]) -> None:
        value = self._summaries.Summary.Value
        for entry in entries:
            values = [value(tag=name, simple_value=number) for name, number in entry.values.items()]
            self._add(entry.step, summary=self._summaries.Summary(value=values))
        self._writer.flush()
        for path in self._earlier:
            path.unlink(missing_ok=True)
        self._earlier = []

    def finish(self, status: str) -> str:
        self._writer.close()
        return str(self._folder)

    def abandon(self) -> None:
        if self._writer is not None:  # Its thread would go on writing.
            self._writer.close()

    def _add(self, step: int, **content: Any) -> None:
        self._writer.add_event(self._events.Event(wall_time=time.time(), step=step, **content))
