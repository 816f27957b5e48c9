"""This module says in words on how many images accuracies were measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from prunescope.analysis.inputs import inputs_of

if TYPE_CHECKING:
    from prunescope.runs.directory import Run

ImageKind = Literal["validation", "heldout"]
KINDS: dict[ImageKind, str] = {"validation": "validation", "heldout": "held-out"}


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
