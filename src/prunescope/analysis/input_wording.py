"""This module says in words what a run's inputs are, and on how many of them accuracies were measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from prunescope.data.input_wording import INPUTS, UNITS, size_in_words

if TYPE_CHECKING:
    from prunescope.runs.directory import Run

ImageKind = Literal["validation", "heldout"]
KINDS: dict[ImageKind, str] = {"validation": "validation", "heldout": "held-out"}


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
    """Return the size of an input of a run, as ``data.input_wording.size_in_words`` writes it."""
    channels, height, width = run.data["shape"]
    return size_in_words((channels, height, width), run.experiment.data.geometry)


def images_text(counts: Iterable[int | None], kind: ImageKind, inputs: str = "images") -> str:
    """Return numbers of images as text: ``4,000 validation images``, ``60 to 4,000 validation images``.

    ``counts``: one for each run, None where it is not stored. ``inputs``: what the images are called, which may be series
    or rows of tables. It is ``no held-out images`` where all are 0, and
    ``validation images, number not stored`` where none is known.
    """
    given, name = list(counts), f"{KINDS[kind]} {inputs}"
    known = sorted({count for count in given if count is not None})
    if not known:
        return f"{name}, number not stored"
    numbers = " to ".join(f"{count:,}" for count in dict.fromkeys((known[0], known[-1])))
    text = "no" if known == [0] else numbers
    rest = ", number not stored in every run" if None in given else ""
    return f"{text} {name}{rest}"


def images_of(runs: Iterable[Run], kind: ImageKind) -> str:
    """Return in words how many images of a kind runs have."""
    found = list(runs)
    return images_text((stored_images(run, kind) for run in found), kind, inputs_of(found))


def stored_images(run: Run, kind: ImageKind) -> int | None:
    """Return how many images of a kind a run has, None where it did not store it.

    It stands in run.json; levels.parquet has the number of held-out images too, where an earlier version wrote it.
    """
    count = run.data.get(f"{kind}_images")
    if count is None and kind == "heldout" and run.levels and "heldout_images" in run.table.columns:
        count = run.table["heldout_images"][0]
    return None if count is None else int(count)
