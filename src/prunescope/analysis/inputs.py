"""These functions name a run's inputs in words: images of pixels, series of samples, or tables of features."""

from __future__ import annotations

from prunescope.runs.directory import Run

UNITS = {"image": "pixels", "series": "samples", "none": "features"}
INPUTS = {"image": "images", "series": "series", "none": "rows"}


def unit(run: Run) -> str:
    """Return what an input of a run consists of, and lengths are counted in: pixels, samples or features."""
    return UNITS[run.experiment.data.geometry]


def inputs(run: Run) -> str:
    """Return what a run's inputs are called, in the plural: images, series, or rows of a table."""
    return INPUTS[run.experiment.data.geometry]


def size(run: Run) -> str:
    """Return the size of an input: ``32×32 pixels, colour``, ``128 samples, 1 channel`` or ``20 features``."""
    channels, height, width = run.data["shape"]
    geometry = run.experiment.data.geometry
    if geometry == "none":
        return f"{width:,} features"
    several = f"{channels} channel{'s' if channels > 1 else ''}"
    if geometry == "series":
        return f"{width:,} samples, {several}"
    return f"{width}×{height} pixels, {({1: 'grey', 3: 'colour'}).get(channels, several)}"
