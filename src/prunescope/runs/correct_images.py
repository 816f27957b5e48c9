"""Correct images are those that a level classifies right, of the validation and held-out sets, stored as bits."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from prunescope.data import Dataset
from prunescope.model import Arrays
from prunescope.training.engine import Engine
from prunescope.training.loop import Trained

HASHED_ROWS = 4096


def right_at_end(engine: Engine, trained: Trained, dataset: Dataset) -> Arrays:
    """Return which images the model at the level's end classifies right, packed, eight images to a byte.

    The arrays are ``validation_right_end`` and ``heldout_right_end``. The engine must hold ``trained.ticket``.
    """
    return {
        "validation_right_end": np.packbits(engine.right(dataset.validation, trained.model)),
        "heldout_right_end": np.packbits(engine.right(dataset.heldout, trained.model)),
    }


def right_at_best(engine: Engine, trained: Trained, dataset: Dataset, at_end: Arrays) -> Arrays:
    """Return which images the model at the best step classifies right, packed like those ``at_end``.

    The arrays are ``validation_right_best`` and ``heldout_right_best``; where the best step is the last one they are
    those of ``at_end``. The engine must hold ``trained.ticket``; where masks have moved since the best step, it
    holds the masks of that step afterwards.
    """
    moved = trained.best_ticket != trained.ticket
    if trained.best_step == trained.last.step and not moved:
        return {name.replace("_end", "_best"): packed for name, packed in at_end.items()}
    if moved:  # The level is over, so that the engine may hold other masks.
        engine.start(trained.best_model, trained.best_ticket)
    return {
        "validation_right_best": np.packbits(engine.right(dataset.validation, trained.best_model)),
        "heldout_right_best": np.packbits(engine.right(dataset.heldout, trained.best_model)),
    }


def share_right(packed: NDArray[np.uint8], images: int) -> float:
    """Return the accuracy, 0 to 1, of the first ``images`` packed bits; nan without images."""
    return int(np.unpackbits(packed, count=images).sum()) / images if images else float("nan")


def split_digest(dataset: Dataset) -> str:
    """Return the SHA-256 of the validation and held-out sets in their order, in hexadecimal digits.

    It is taken over each set's name, type and shape (a line of text), labels (int64, little-endian) and pixels.
    """
    digest = hashlib.sha256()
    for name, images in (("validation", dataset.validation), ("heldout", dataset.heldout)):
        pixels = images.pixels
        digest.update(f"{name} {pixels.dtype.str} {'x'.join(map(str, pixels.shape))}\n".encode())
        digest.update(np.ascontiguousarray(images.labels, "<i8").tobytes())
        for start in range(0, len(pixels), HASHED_ROWS):
            rows = np.ascontiguousarray(pixels[start : start + HASHED_ROWS])
            digest.update(rows.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
