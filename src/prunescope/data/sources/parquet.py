"""This module reads image sets of Hugging Face.

They are parquet files with a column of images, encoded as PNG, JPEG or WebP, and a column of labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunescope import experiment
from prunescope.data.raw_images import Chunk, Labels, Raw, Split, rows_at_once, to_planes
from prunescope.data.source_checks import check_class_name
from prunescope.data.sources import parquet_files
from prunescope.data.sources.held_out import held_out
from prunescope.data.sources.npz_keys import chosen_keys
from prunescope.data.sources.parquet_labels import class_numbers
from prunescope.data.sources.parquet_table import ParquetTable, image_column, label_column
from prunescope.data.sources.pictures import Tally, eight_bits, is_grey, open_image, without_warnings
from prunescope.errors import InputError
from prunescope.memory import check_memory

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_ROWS = 10_000  # images decoded at a time
_SAMPLE = 64
_BYTES_A_LABEL = 64  # taken at most while labels are read and numbered
READER = 2  # the first gave other pixels for 16 bits, transparency, EXIF orientations and late colour
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD = 26  # the colour type is the last of these bytes
_PNG_COLOURS = (2, 3, 6)  # the colour types of RGB, palettes and RGBA


def read(root: Path, data: experiment.Data) -> Raw:
    """Open an image set in Hugging Face's parquet form: a folder, or one file, of which a tenth is held out.

    Files, columns and labels are all checked before the first image is decoded. Columns and splits are found by
    their names unless ``data`` names them. Class names come from the schema's metadata, or are the different texts
    of the labels. Raises InputError for missing or truncated files, columns of other types, images of different
    sizes, and labels that are not one known class an image.
    """
    paths, unused = _files(root, data)
    # One file that is given as the root is meant to be a part of its split.
    incomplete = [note for part in paths if root.is_dir() for note in parquet_files.check_shards(part)]
    train, held = ([ParquetTable(path) for path in part] for part in paths)
    image, more_images = image_column(train[0], data.image_column)
    label, more_labels = label_column(train[0], data.label_column)
    for table in (*train, *held):
        table.check(image, label, train[0])
    count = sum(table.rows for table in (*train, *held))
    check_memory(count * _BYTES_A_LABEL, f"{root}: the labels of its {count:,} rows")
    own, others, classes = class_numbers(train, held, label, gaps=data.task != "classes")
    for name in classes:
        check_class_name(name, f"{train[0].path}: the class name {name!a}", "write the labels anew")
    if not held:
        held, others, chosen = train, own, held_out(own[0])
        if not chosen.any():
            raise InputError(f"{root}: one image a class, so that none can be held out for validation")
        rows: tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None] = (~chosen, chosen)
    else:
        rows = None, None
    grey = _all_grey(train, image)
    mode, tally = "L" if grey else "RGB", Tally()
    size = _upright_size(train[0], image, mode)
    shape = (1 if grey else 3, size[1], size[0])
    decoder = _Decoder(image, mode, size, rows_at_once(shape, _ROWS, f"{train[0].path}"), tally)
    decoder.check(held[0], 0, held[0].images(image, 0, 1)[0])
    return Raw(
        source="parquet",
        shape=shape,
        classes=classes,
        train=_split(decoder, train, own, rows[0]),
        validation=_split(decoder, held, others, rows[1]),
        files=tuple(dict.fromkeys(table.path for table in (*train, *held))),
        parameters=chosen_keys(data),
        reader=READER,
        notes=lambda: (
            *incomplete,
            *unused,
            *_note("images", image, more_images),
            *_note("labels", label, more_labels),
            *tally.notes(),
        ),
    )


def _files(root: Path, data: experiment.Data) -> tuple[tuple[list[Path], list[Path]], tuple[str, ...]]:
    """Return the training and the validation files, and a note on splits that are not read.

    There are no validation files where ``root`` is one file.
    """
    if root.is_file():
        if data.train_split or data.validation_split:
            raise InputError(
                f"data.root={root} is one file: data.train_split and data.validation_split need a folder"
            )
        return ([root], []), ()
    splits = parquet_files.splits_of(root)
    train = parquet_files.choose(splits, data.train_split, parquet_files.TRAIN, str(root))
    held = parquet_files.choose(splits, data.validation_split, parquet_files.VALIDATION, str(root))
    there = ", ".join(sorted(splits))
    if not train:
        raise InputError(
            f"{root}: no train-*.parquet in it; it has {there}: data.train_split=NAME takes another"
        )
    if not held or held == train:
        raise InputError(
            f"{root}: no validation file: expected validation-*.parquet; it has {there}: data.validation_split=NAME "
            f"takes another, and data.root={train[0]} holds a tenth of that file out"
        )
    others = [name for name in sorted(splits) if splits[name] not in (train, held)]
    if not others or data.validation_split:
        return (train, held), ()
    own, part = (next(name for name in splits if splits[name] == paths) for paths in (train, held))
    note = (
        f"{own} and {part} are read, and not {', '.join(others)}: data.train_split and data.validation_split choose "
        "others"
    )
    return (train, held), (note,)


def _note(what: str, column: str, others: Sequence[str]) -> tuple[str, ...]:
    """Return a note that says which of several columns was taken, none where there is one."""
    if not others:
        return ()
    field = "image_column" if what == "images" else "label_column"
    return (f"{what} are column {column!r}; data.{field} chooses another ({', '.join(others)})",)


def _all_grey(tables: Sequence[ParquetTable], column: str) -> bool:
    """Return whether all images of the tables are grey; most sets in colour show it in their first images.

    Of PNG images one byte is read, of others the header.
    """
    if not _grey_rows(tables[0], column, 0, _SAMPLE):
        return False
    return all(
        _grey_rows(table, column, start, _ROWS) for table in tables for start in range(0, table.rows, _ROWS)
    )


def _grey_rows(table: ParquetTable, column: str, start: int, count: int) -> bool:
    unsure = []
    for row, head in enumerate(table.images(column, start, count, _PNG_HEAD), start):
        if head is None or head[:8] != _PNG or len(head) < _PNG_HEAD:
            unsure.append(row)
        elif head[-1] in _PNG_COLOURS:
            return False
    if not unsure:
        return True
    data = table.images(column, start, count)
    return all(_is_grey(data[row - start], table.path, row) for row in unsure)


@contextmanager
def _opened(data: bytes | None, path: Path, row: int) -> Iterator[PillowImage]:
    """Open an image for a ``with`` block; raise InputError for one that is missing, damaged or not read."""
    if data is None:
        raise InputError(
            f"{path}: image {row} has no bytes: the images themselves must be in the file, not paths"
        )
    with open_image(data, f"{path}: image {row}") as image:
        yield image


def _upright_size(table: ParquetTable, column: str, mode: str) -> tuple[int, int]:
    """Return the width and height of the first image of a table; raise InputError for a damaged one."""
    with without_warnings(), _opened(table.images(column, 0, 1)[0], table.path, 0) as image:
        # Before it is decoded: few bytes can be very many pixels.
        rows_at_once((len(mode), image.height, image.width), 1, f"{table.path}: image 0")
        return eight_bits(image, mode, f"{table.path}: image 0", Tally()).size


def _is_grey(data: bytes | None, path: Path, row: int) -> bool:
    with _opened(data, path, row) as image:
        return is_grey(image)


@dataclass(frozen=True)
class _Decoder:
    """Decodes images of one column into pixels of one mode, "L" or "RGB", and one size (width, height).

    ``at_once``: how many are decoded at a time. ``tally`` counts what is simplified.
    """

    column: str
    mode: str
    size: tuple[int, int]
    at_once: int
    tally: Tally

    def check(self, table: ParquetTable, row: int, data: bytes | None) -> None:
        """Raise InputError for an image that ``open`` would refuse; it is not counted."""
        with without_warnings():
            replace(self, tally=Tally()).open(table, row, data)

    def open(self, table: ParquetTable, row: int, data: bytes | None) -> PillowImage:
        """Return an image in the mode of the set; raise InputError for a damaged one and for another size."""
        with _opened(data, table.path, row) as image:
            # It is not decoded before: a header may promise any number of pixels.
            if sorted(image.size) != sorted(self.size):
                raise self._other_size(table, row, image)
            upright = eight_bits(image, self.mode, f"{table.path}: image {row}", self.tally)
            if upright.size != self.size:
                raise self._other_size(table, row, upright)
            return upright

    def _other_size(self, table: ParquetTable, row: int, image: PillowImage) -> InputError:
        return InputError(
            f"{table.path}: image {row} is {image.width}x{image.height}, the first image is "
            f"{self.size[0]}x{self.size[1]}: all must have one size"
        )

    def chunks(
        self, tables: Sequence[ParquetTable], labels: Sequence[Labels], rows: NDArray[np.bool_] | None
    ) -> Iterator[Chunk]:
        """Yield the images and labels of the tables in pieces, of a single table those of ``rows`` only."""
        for table, numbers in zip(tables, labels, strict=True):
            for start in range(0, table.rows, _ROWS):
                data = table.images(self.column, start, _ROWS)
                every = np.arange(len(data))
                kept = every if rows is None else np.flatnonzero(rows[start : start + _ROWS])
                for piece in (kept[i : i + self.at_once] for i in range(0, len(kept), self.at_once)):
                    with without_warnings():
                        pixels = [np.asarray(self.open(table, start + i, data[i])) for i in piece.tolist()]
                    yield to_planes(np.stack(pixels)), numbers[start : start + _ROWS][piece]


def _split(
    decoder: _Decoder,
    tables: Sequence[ParquetTable],
    labels: Sequence[Labels],
    rows: NDArray[np.bool_] | None,
) -> Split:
    total = sum(table.rows for table in tables) if rows is None else int(rows.sum())
    own = np.concatenate(labels)
    return Split(partial(decoder.chunks, tables, labels, rows), total, own if rows is None else own[rows])
