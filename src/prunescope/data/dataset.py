"""Dataset: what a run trains on, and the batches it draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from prunescope.data.raw import Labels
from prunescope.data.transforms import flip_each, roll_each
from prunescope.errors import InputError
from prunescope.mask import ImageShape
from prunescope.randomness import generator

SAMPLINGS = ("replacement", "epochs")


@dataclass(frozen=True, eq=False)
class Batch:
    """The images of one step.

    ``pixels`` is uint8 [M, n0], M >= B, which may be the whole memory-mapped training set, or
    float32 [B, n0], already network input. ``indices`` int64 [B] are rows of it, ``labels``
    int64 [B] those rows' labels.
    """

    pixels: NDArray[Any]
    indices: Labels
    labels: Labels


@dataclass(frozen=True, eq=False)
class Images:
    """A fixed set: ``pixels`` uint8 [N, n0] or float32 [N, n0] (network input), ``labels`` int64 [N]."""

    pixels: NDArray[Any]
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


class Sampler(Protocol):
    """Draws batches; a pure function of its arguments."""

    def draw(self, seed: int, level: int, step: int, size: int, sampling: str) -> Batch: ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a run trains on.

    ``mean`` float32 [n0] is the mean image of the whole training set in pixel units; the network's
    input is (pixel - mean)/255 for uint8, the raw value for float. ``live_pixels`` bool [n0] is
    False where no draw ever changes the pixel's value. ``train_size`` is None for unlimited streams.
    ``fingerprint`` is a SHA-256 of the images and of the task. ``geometry`` is "image", "series"
    (shape (C, 1, L)) or "none" (shape (1, 1, n0), in which neighbours mean nothing).
    """

    shape: ImageShape
    classes: tuple[str, ...]
    mean: NDArray[np.float32]
    live_pixels: NDArray[np.bool_]
    train_size: int | None
    validation: Images
    heldout: Images
    fingerprint: str
    sampler: Sampler
    geometry: str = "image"

    def draw(self, seed: int, level: int, step: int, size: int, sampling: str = "replacement") -> Batch:
        """The batch of one step: the same arguments give the same batch.

        ``sampling`` "replacement" draws independently; "epochs" goes through shuffled passes,
        across whose borders batches run. Raises InputError for another sampling.
        """
        if sampling not in SAMPLINGS:
            raise InputError(f"train.sampling is {sampling!r}: use {' or '.join(SAMPLINGS)}")
        return self.sampler.draw(seed, level, step, size, sampling)


@dataclass(frozen=True, eq=False)
class ArraySampler:
    """Batches of a memory-mapped training set uint8 or float32 [M, n0].

    ``labels`` int64 [M] are those of its rows; ``rows`` int64 are the rows used, None for the
    first ``size``. Of bytes without transforms a batch carries the whole array and copies no image.
    """

    pixels: NDArray[Any]
    labels: Labels
    size: int
    rows: Labels | None
    shape: ImageShape
    translate: bool
    flip: bool

    def draw(self, seed: int, level: int, step: int, size: int, sampling: str) -> Batch:
        if sampling == "replacement":
            chosen = generator(seed, "batch", level, step).integers(0, self.size, size)
        else:
            chosen = epoch_indices(seed, level, step * size, size, self.size)
        indices = chosen if self.rows is None else self.rows[chosen]
        labels = self.labels[indices]
        if self.pixels.dtype == np.uint8 and not (self.translate or self.flip):
            return Batch(self.pixels, indices, labels)
        rng = generator(seed, "transform", level, step)
        images = np.asarray(self.pixels[indices]).reshape(size, *self.shape)
        if self.translate:
            images = roll_each(images, rng)
        if self.flip:
            images = flip_each(images, rng)
        return Batch(images.reshape(size, -1), np.arange(size), labels)


def with_noise(labels: Labels, classes: int, share: float, rng: np.random.Generator) -> Labels:
    """Labels of which each is replaced, with probability ``share``, by one of all ``classes`` at random.

    With the same ``rng`` those replaced at a smaller share are among those at a larger one, by the same
    labels. A share of 0 draws nothing.
    """
    if share == 0:
        return labels
    chosen = rng.random(len(labels)) < share
    return np.where(chosen, rng.integers(0, classes, len(labels)), labels)


def epoch_indices(seed: int, level: int, start: int, count: int, total: int) -> Labels:
    """Entries ``start`` to ``start + count`` of the permutations of all epochs, one after the other."""
    pieces = []
    while count:
        epoch, offset = divmod(start, total)
        piece = _permutation(seed, level, epoch, total)[offset : offset + count]
        pieces.append(piece)
        start, count = start + len(piece), count - len(piece)
    return np.concatenate(pieces)


@lru_cache(maxsize=2)
def _permutation(seed: int, level: int, epoch: int, total: int) -> Labels:
    order: Labels = generator(seed, "epoch", level, epoch).permutation(total)
    order.setflags(write=False)
    return order
