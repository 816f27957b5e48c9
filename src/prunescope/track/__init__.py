"""Trackers as optional sinks: TensorBoard, W&B, MLflow and trackio, fed from a run's files, which stay the truth."""

from prunescope.track.entries import Entry, entries
from prunescope.track.feeding import SINKS, Destination, TrackerFailed, send
from prunescope.track.live import tracked
from prunescope.track.sink import About, Sink

__all__ = ["SINKS", "About", "Destination", "Entry", "Sink", "TrackerFailed", "entries", "send", "tracked"]
