"""These functions name a run's inputs in words: images of pixels, series of samples, or rows of features."""

from __future__ import annotations

from collections.abc import Iterable

from prunescope.data.words import INPUTS, UNITS, size_in_words
from prunescope.runs.directory import Run


def unit(run: Run) -> str:
    """Return what an input of a run consists of, and lengths are counted in: pixels, samples or features."""
    return UNITS[run.experiment.data.geometry]


def inputs(run: Run) -> str:
    """Return what a run's inputs are called, in the plural: images, series, or rows of a table."""
    return INPUTS[run.experiment.data.geometry]


def inputs_of(runs: Iterable[Run]) -> str:
    """Return what the inputs of all runs are called, in the plural; ``inputs`` where they are of several kinds."""
    found = {inputs(run) for run in runs}
    return found.pop() if len(found) == 1 else "inputs"


def size(run: Run) -> str:
    """Return the size of an input of a run, as ``data.words.size_in_words`` writes it."""
    channels, height, width = run.data["shape"]
    return size_in_words((channels, height, width), run.experiment.data.geometry)
