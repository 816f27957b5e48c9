"""Trackers as optional sinks: TensorBoard, W&B, MLflow and trackio, fed from a run's files, which stay the truth."""

from prunescope.track.entries import Entry, entries
from prunescope.track.live_upload import tracked
from prunescope.track.sink import About, Sink
from prunescope.track.upload import SINKS, Destination, TrackerFailed, send

__all__ = ["SINKS", "About", "Destination", "Entry", "Sink", "TrackerFailed", "entries", "send", "tracked"]
