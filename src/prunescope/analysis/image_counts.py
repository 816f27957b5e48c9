"""This module says in words on how many images accuracies were measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prunescope.analysis.groups import Group

ImageKind = Literal["validation", "heldout"]
KINDS: dict[ImageKind, str] = {"validation": "validation images", "heldout": "held-out images"}


def images_text(counts: Iterable[int | None], kind: ImageKind) -> str:
    """Return numbers of images as text: ``4,000 validation images``, ``60 to 4,000 validation images``.

    ``counts``: one for each run, None where it is not stored. It is ``no held-out images`` where all are 0, and
    ``validation images, number not stored`` where none is known.
    """
    given = list(counts)
    known = sorted({count for count in given if count is not None})
    if not known:
        return f"{KINDS[kind]}, number not stored"
    numbers = " to ".join(f"{count:,}" for count in dict.fromkeys((known[0], known[-1])))
    text = "no" if known == [0] else numbers
    rest = ", number not stored in every run" if None in given else ""
    return f"{text} {KINDS[kind]}{rest}"


def images_of(found: Iterable[Group], kind: ImageKind) -> str:
    """Return in words how many images of a kind the runs of groups have."""
    return images_text((run.data.get(f"{kind}_images") for group in found for run in group.runs), kind)
