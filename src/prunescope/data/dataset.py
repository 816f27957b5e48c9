"""This module defines the data set that a run trains on, and draws its batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import whole
from prunescope.data.raw_images import Labels
from prunescope.data.transforms import flip_each, roll_each
from prunescope.errors import InputError
from prunescope.mask import ImageShape
from prunescope.randomness import generator

SAMPLINGS = ("replacement", "epochs")


@dataclass(frozen=True, eq=False)
class Batch:
    """The images and labels of one step.

    ``pixels``: uint8 [M, n0], M >= B, which may be the whole memory-mapped training set, or float32 [B, n0], which
    is network input already. ``indices``: int64 [B], the rows of ``pixels`` in the batch. ``labels``: int64 [B],
    the labels of those rows.
    """

    pixels: NDArray[Any]
    indices: Labels
    labels: Labels


@dataclass(frozen=True, eq=False)
class Images:
    """A fixed set of images, with ``pixels`` uint8 or float32 (network input) [N, n0] and ``labels`` int64 [N]."""

    pixels: NDArray[Any]
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Images:
        """Return the first ``count`` images, or all; raise InputError for what is no whole number."""
        count = whole("count", count)
        return replace(self, pixels=self.pixels[:count], labels=self.labels[:count])


class Sampler(Protocol):
    """The interface of what draws batches."""

    def draw(self, seed: int, level: int, step: int, size: int, sampling: str) -> Batch:
        """Return the batch of ``size`` images of one step; it depends on nothing but the arguments."""
        ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """The data set that a run trains on: training batches, and fixed validation and held-out images.

    ``shape``: (C, H, W) of an image, or (C, 1, L) of a series, or (1, 1, n0) of a table.
    ``mean``: float32 [n0], the mean image of the whole training set in pixel units; the network's input is
    (pixel - mean)/255 for uint8 and the value itself for float32.
    ``live_pixels``: bool [n0], False where the pixel has the same value in every training image.
    ``train_size``: the number of training images, None for unlimited streams.
    ``fingerprint``: a SHA-256 of the images and of the task.
    ``geometry``: "image", "series", or "none" for tables, whose inputs have no neighbours.
    ``split_rule``: how validation images were chosen from the source's validation part: "source order", the first
    ones, or "stratified", drawn by class.
    ``notes``: lines about what was left out or is uncertain, which whoever runs on the data should read.
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
    split_rule: str = "source order"
    notes: tuple[str, ...] = ()

    def draw(self, seed: int, level: int, step: int, size: int, sampling: str = "replacement") -> Batch:
        """Return the batch of ``size`` training images of one step; the same arguments give the same batch.

        ``sampling``: "replacement" draws each image independently; "epochs" goes through the whole set in a new
        random order each epoch, and a batch may span two epochs. ``level`` -1 is for batches that weights are scored
        on before the first level. Raises InputError for another sampling, and for negative or no whole numbers.
        """
        if not isinstance(sampling, str) or sampling not in SAMPLINGS:
            raise InputError(f"train.sampling is {sampling!r}: use {' or '.join(SAMPLINGS)}")
        seed, level, step = whole("seed", seed), whole("level", level, -1), whole("step", step)
        return self.sampler.draw(seed, level, step, whole("size", size, 1), sampling)


@dataclass(frozen=True, eq=False)
class ArraySampler:
    """Draws batches of a memory-mapped training set ``pixels``, uint8 or float32 [M, n0].

    ``labels``: int64 [M], those of its rows. ``rows``: int64 [size], the rows used, or None for the first ``size``.
    ``translate`` and ``flip``: whether images are shifted and mirrored at random each time they are drawn.
    A batch of uint8 images without transforms refers to the whole array and copies no image.
    """

    pixels: NDArray[Any]
    labels: Labels
    size: int
    rows: Labels | None
    shape: ImageShape
    translate: bool
    flip: bool

    def draw(self, seed: int, level: int, step: int, size: int, sampling: str) -> Batch:
        """Return the batch of one step, as ``Dataset.draw`` says."""
        if sampling == "replacement":
            chosen = generator(seed, "batch", level, step).integers(0, self.size, size)
        else:
            chosen = epoch_indices(seed, level, step * size, size, self.size)
        indices = chosen if self.rows is None else self.rows[chosen]
        labels = self.labels[indices]
        if self.pixels.dtype == np.uint8 and not (self.translate or self.flip):
            return Batch(self.pixels, indices, labels)
        rng = generator(seed, "transform", level, step)
        # ``take`` gathers whole rows in two thirds of the time of indexing with an array.
        images = np.asarray(self.pixels).take(indices, axis=0).reshape(size, *self.shape)
        if self.translate:
            images = roll_each(images, rng)
        if self.flip:
            images = flip_each(images, rng)
        return Batch(images.reshape(size, -1), np.arange(size), labels)


def with_noise(labels: Labels, classes: int, share: float, rng: np.random.Generator) -> Labels:
    """Return labels [N] of which each is replaced, with probability ``share``, by one of all ``classes`` at random.

    With the same state of ``rng``, the labels replaced at a smaller share are also replaced, by the same labels,
    at a larger one. A share of 0 draws no random number.
    """
    if share == 0:
        return labels
    chosen = rng.random(len(labels)) < share
    return np.where(chosen, rng.integers(0, classes, len(labels)), labels)


def epoch_indices(seed: int, level: int, start: int, count: int, total: int) -> Labels:
    """Return entries ``start`` to ``start + count`` of the permutations of all epochs, one after the other.

    Each epoch has its own permutation of the rows 0 … total - 1, from ``seed`` and ``level``.
    """
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
