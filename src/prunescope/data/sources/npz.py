"""This module reads image sets in one .npz file, with the keys of Keras, of MedMNIST, or plain ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope import experiment
from prunescope.data.raw_images import Chunk, Raw, Split, to_planes
from prunescope.data.sources.npz_keys import chosen_keys
from prunescope.data.sources.npz_parts import PIECE, NpzSplit, read_splits
from prunescope.errors import InputError
from prunescope.mask import ImageShape

_DARK = 64  # less than this of 255 as the brightest pixel deserves a note


def read(root: Path, data: experiment.Data) -> Raw:
    """Open a .npz file (or the only one in a folder) with images and labels.

    Keys are those that ``npz_keys.keys_of`` finds; of a file without a split, a fixed tenth per class is the validation split.
    Images are numbers of shape [N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1 or 3: whole ones from 0 to 255 of
    any type, or floats in [0, 1], which become bytes. Shapes, types and labels are checked at once, and the values
    of images when they are read. Raises InputError for other keys, types and shapes, values that are not finite or
    out of range, wrong labels, and a damaged file.
    """
    path, train, validation = read_splits(root, data)
    shape, held_shape = _image_shape(train), _image_shape(validation)
    if held_shape != shape:
        raise InputError(f"{validation.where} holds images {held_shape}, {train.where} {shape}")
    for part in (train, validation):
        if part.dtype.kind not in "biuf":
            raise InputError(f"{part.where} is {part.dtype}, expected whole numbers or floats in [0, 1]")
    pixels = _Bytes(train, validation)
    return Raw(
        source="npz",
        shape=shape,
        classes=train.classes,
        train=Split(partial(pixels.chunks, train), len(train.labels), train.labels),
        validation=Split(partial(pixels.chunks, validation), len(validation.labels), validation.labels),
        files=(path,),
        parameters=chosen_keys(data),
        notes=lambda: (*train.notes, *pixels.notes()),
    )


def _image_shape(part: NpzSplit) -> ImageShape:
    """Return the shape (C, H, W) of a part's images; raise InputError for arrays that are no images."""
    shape = part.shape
    if len(shape) == 3 and 0 not in shape:
        return 1, shape[1], shape[2]
    if len(shape) == 4 and 0 not in shape and shape[3] in (1, 3):
        return shape[3], shape[1], shape[2]
    if len(shape) == 4 and 0 not in shape and shape[1] in (1, 3):
        return shape[1], shape[2], shape[3]
    advice = ""
    if len(shape) == 2:
        advice = f": rows of numbers are read with data.geometry=none, or reshape them ({_squares(shape[1])})"
    elif len(shape) == 4 and (shape[3] == 4 or shape[1] == 4 != shape[2]):
        advice = ": drop the fourth channel, if it is transparency"
    raise InputError(
        f"{part.where} has shape {list(shape)}, expected [N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1 or 3"
        f"{advice}"
    )


def _squares(values: int) -> str:
    """Return the shape of square images that have so many values, or that of any."""
    for channels in (1, 3):
        side = round((values / channels) ** 0.5)
        if side * side * channels == values:
            return (
                f"[N, {side}, {side}]"
                if channels == 1
                else f"[N, 3, {side}, {side}] where channels come first"
            )
    return "[N, H, W]"


def _unit(images: NDArray[Any], where: str) -> bool:
    """Return whether images are floats in [0, 1] (or booleans), False for whole numbers from 0 to 255.

    Raises InputError for values that are neither.
    """
    if images.dtype.kind == "b" or images.dtype == np.uint8:
        return images.dtype.kind == "b"
    low, high = images.min(), images.max()
    if images.dtype.kind == "f":
        if low >= 0 and high <= 1:
            return True
        pieces = (images[start : start + PIECE] for start in range(0, len(images), PIECE))
        if low >= 0 and high <= 255 and all((piece == np.floor(piece)).all() for piece in pieces):
            return False
        raise InputError(
            f"{where}: float pixels from {low:g} to {high:g}, they must lie in [0, 1], or be whole numbers from 0 to "
            "255: rescale them"
        )
    if low < 0 or high > 255:
        raise InputError(
            f"{where} is {images.dtype} with pixels from {low} to {high}, they must go from 0 to 255: rescale them "
            "to that, or to floats in [0, 1]"
        )
    return False


@dataclass(frozen=True, eq=False)
class _Bytes:
    """The images of both parts as bytes, which are read when they are asked for."""

    train: NpzSplit
    held: NpzSplit

    @cached_property
    def units(self) -> tuple[bool, bool]:
        """Whether the images of each part are floats in [0, 1]; InputError where two parts of floats differ."""
        own, held = (_unit(part.values, part.where) for part in (self.train, self.held))
        if own != held and self.train.dtype.kind == self.held.dtype.kind == "f":
            highest = [f"{part.values.max():g}" for part in (self.train, self.held)]
            raise InputError(
                f"{self.held.where} goes up to {highest[1]}, {self.train.where} to {highest[0]}: scale them alike"
            )
        return own, held

    def notes(self) -> tuple[str, ...]:
        """Return a line where the training images are dark, which they are where white is no 255."""
        brightest = 255 if self.units[0] else self.train.values.max()
        if brightest >= _DARK:
            return ()
        name = self.train.where.rpartition(": ")[2]
        return (
            f"{name}: the brightest training pixel is {brightest:g} of 255; if it is white, scale the images",
        )

    def chunks(self, part: NpzSplit) -> Iterator[Chunk]:
        """Yield the images of a part as rows, and its labels, in pieces."""
        images, unit = part.values, self.units[part is self.held]
        if images.ndim == 4 and images.shape[3] not in (1, 3):
            images = images.transpose(0, 2, 3, 1)
        for start in range(0, len(images), PIECE):
            piece = images[start : start + PIECE]
            if unit:
                piece = np.rint(255 * piece.astype(np.float64))
            yield to_planes(piece.astype(np.uint8, copy=False)), part.labels[start : start + PIECE]
