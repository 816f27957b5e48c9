"""This module reads series and tables in one .npz file: inputs with one dimension of space, or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope import experiment
from prunescope.data.raw_images import Chunk, Raw, Split
from prunescope.data.sources.npz_keys import chosen_keys
from prunescope.data.sources.npz_parts import NpzSplit, read_splits
from prunescope.errors import InputError
from prunescope.mask import ImageShape

_FORMS = {"series": "[N, L] or [N, C, L]", "none": "[N, n]"}
_PIECE = 10_000
_LEAST = 1e-140  # a standard deviation whose squares are exact


def read(root: Path, data: experiment.Data) -> Raw:
    """Open a .npz file with series or tables under the keys that ``npz.read`` knows.

    ``data.geometry``: "series" for [N, L] or [N, C, L], "none" for tables [N, n]; the shapes of the source are (C, 1, L)
    and (1, 1, n). Values uint8 are not changed. Other numbers become float32: the mean of each feature over the
    training set is subtracted, and the result is divided by one number, the standard deviation of all features.
    Raises InputError for other keys, shapes and types, training values that never vary, and a damaged file.
    """
    path, train, validation = read_splits(root, data)
    geometry = data.geometry
    shape = _shape(train, geometry)
    for part in (train, validation):
        if _shape(part, geometry) != shape or part.dtype != train.dtype:
            raise InputError(f"{part.where} is {_text(part)}, but {train.where} is {_text(train)}")
        if part.dtype.kind not in "iuf":
            raise InputError(f"{part.where} is {part.dtype}, expected real numbers")
    rows = _Rows(train)
    return Raw(
        source="npz",
        shape=shape,
        classes=train.classes,
        train=Split(lambda: rows.chunks(train), len(train.labels), train.labels),
        validation=Split(lambda: rows.chunks(validation), len(validation.labels), validation.labels),
        files=(path,),
        parameters={"geometry": geometry, **chosen_keys(data)},
        dtype=rows.dtype,
        notes=lambda: (*train.notes, *_axes(train, shape)),
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of both parts, standardised by the statistics of the training part, which are computed when needed."""

    train: NpzSplit

    @property
    def dtype(self) -> str:
        """The NumPy type of the rows, "|u1" or "<f4"."""
        return "|u1" if self.train.dtype == np.uint8 else "<f4"

    @cached_property
    def offset(self) -> NDArray[np.float64]:
        """The mean [n0] of each feature over the training part."""
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # a sum that is too large is refused with the scale
            return _flat(self.train.values).mean(axis=0, dtype=np.float64)

    @cached_property
    def scale(self) -> float:
        """The standard deviation of all features about their means; InputError if it is 0, or cannot be exact."""
        rows = _flat(self.train.values)
        pieces = (rows[start : start + _PIECE] - self.offset for start in range(0, len(rows), _PIECE))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            scale = float(np.sqrt(sum(np.square(piece).sum() for piece in pieces) / rows.size))
        if not np.isfinite(scale):
            raise InputError(f"{self.train.where} has values that are too large to be squared: rescale them")
        if scale < _LEAST and rows.max() > rows.min():
            raise InputError(f"{self.train.where} varies by too little to be squared ({scale:g}): rescale it")
        if not scale > 0:
            raise InputError(f"{self.train.where} never varies: there is nothing to learn from")
        return scale

    def chunks(self, part: NpzSplit) -> Iterator[Chunk]:
        """Yield the standardised rows and the labels of a part, in pieces."""
        rows = _flat(part.values)
        for start in range(0, len(rows), _PIECE):
            piece: NDArray[Any] = rows[start : start + _PIECE]
            if self.dtype != "|u1":
                with np.errstate(over="ignore"):
                    piece = ((piece - self.offset) / self.scale).astype(np.float32)
                if not np.isfinite(piece).all():
                    raise InputError(
                        f"{part.where} has values beyond float32 once standardised: rescale them"
                    )
            yield piece, part.labels[start : start + _PIECE]


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(len(values), -1)


def _shape(part: NpzSplit, geometry: str) -> ImageShape:
    lengths = part.shape[1:]
    if len(lengths) not in ((1, 2) if geometry == "series" else (1,)) or 0 in lengths:
        expected = f"data.geometry={geometry} expects {_FORMS[geometry]}"
        raise InputError(f"{part.where} has shape {list(part.shape)}, {expected}")
    return (lengths[0] if len(lengths) == 2 else 1), 1, lengths[-1]


def _axes(part: NpzSplit, shape: ImageShape) -> tuple[str, ...]:
    """Return a note where there are more channels than samples, as in arrays whose channels come last."""
    channels, _, length = shape
    if channels <= length:
        return ()
    name = part.where.rpartition(": ")[2]
    return (
        f"{name} is read as {channels} channels of {length} samples, [N, C, L]: if its channels come last, exchange "
        "the last two axes",
    )


def _text(part: NpzSplit) -> str:
    return f"{part.dtype} {list(part.shape)}"
