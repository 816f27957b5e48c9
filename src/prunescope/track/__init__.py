"""Trackers (TensorBoard, W&B, MLflow and trackio) are optional and receive copies of what a run's files hold."""

from prunescope.track.entries import Entry, entries
from prunescope.track.live_upload import tracked
from prunescope.track.sink import About, Sink
from prunescope.track.upload import SINKS, Destination, TrackerFailed, send

__all__ = ["SINKS", "About", "Destination", "Entry", "Sink", "TrackerFailed", "entries", "send", "tracked"]
