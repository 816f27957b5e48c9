"""This package defines experiments: their fields, presets, overrides, identity and scale."""

from __future__ import annotations

from prunescope.experiment.dotted import field_names
from prunescope.experiment.experiment import Experiment
from prunescope.experiment.fields import Data, Network, Place, Prune, Source, Train
from prunescope.experiment.loading import build, load, preset_names, preset_text

__all__ = [
    "Data",
    "Experiment",
    "Network",
    "Place",
    "Prune",
    "Source",
    "Train",
    "build",
    "field_names",
    "load",
    "preset_names",
    "preset_text",
]
