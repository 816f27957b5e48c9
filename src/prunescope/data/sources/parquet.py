"""This module reads image sets of Hugging Face.

They are parquet files with a column ``image``, a struct of bytes and path, and a column ``label``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunescope.data.raw import Chunk, Raw, Split, checked_labels, to_planes
from prunescope.errors import InputError, first_line

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_ROWS = 10_000  # images decoded at a time
_SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "val", "valid", "test")}


def files(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the training and the validation files of ``root`` or ``root/data``, each in the order of their names.

    Raises InputError when there are none.
    """
    folders = [folder for folder in (root, root / "data") if folder.is_dir()]
    for folder in folders:
        found = sorted(folder.glob("*.parquet"))
        train = _named(found, "train")
        if train:
            validation = _named(found, "validation")
            if not validation:
                raise InputError(f"{folder}: no validation file: expected validation-*.parquet")
            return train, validation
    raise InputError(f"{root}: no train-*.parquet in it or in its folder data")


def read(root: Path) -> Raw:
    """Open an image set in Hugging Face's parquet form, in ``root`` or ``root/data``.

    Class names come from the schema's metadata when it has them. Raises InputError for missing
    or truncated files, images of different sizes and labels out of range.
    """
    train, validation = files(root)
    rows = {path: _rows(path) for path in (*train, *validation)}
    classes = _class_names(train[0]) or _counted_classes(train)
    mode, size = _first_images(train[0])
    shape = (1 if mode == "L" else 3, size[1], size[0])

    def split(paths: list[Path]) -> Split:
        return Split(
            lambda: (
                piece for path in paths for piece in _chunks(path, rows[path], mode, size, len(classes))
            ),
            sum(rows[path] for path in paths),
        )

    return Raw("parquet", shape, classes, split(train), split(validation), (*train, *validation))


def _named(paths: list[Path], split: str) -> list[Path]:
    for name in _SPLIT_NAMES[split]:
        chosen = [path for path in paths if path.stem.split("-")[0] == name]
        if chosen:
            return chosen
    return []


def _rows(path: Path) -> int:
    """Return the number of rows of a file after checking its columns."""
    import polars as pl

    try:
        schema = pl.read_parquet_schema(path)
        rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: not a whole parquet file: {first_line(error)}") from None
    for column in ("image", "label"):
        if column not in schema:
            raise InputError(f"{path}: no column {column!r}; it has {', '.join(schema)}")
    image = schema["image"]
    if not (isinstance(image, pl.Struct) and any(f.name == "bytes" for f in image.fields)):
        raise InputError(f"{path}: column 'image' is {image}, it must be a struct with bytes")
    if rows == 0:
        raise InputError(f"{path}: no rows in it")
    return rows


def _class_names(path: Path) -> tuple[str, ...]:
    import polars as pl

    try:
        features = json.loads(pl.read_parquet_metadata(path)["huggingface"])["info"]["features"]
        return tuple(str(name) for name in features["label"]["names"])
    except (KeyError, TypeError, ValueError):
        return ()


def _counted_classes(paths: list[Path]) -> tuple[str, ...]:
    import polars as pl

    highest = max(int(pl.scan_parquet(path).select(pl.col("label").max()).collect().item()) for path in paths)
    return tuple(str(label) for label in range(highest + 1))


def _first_images(path: Path) -> tuple[str, tuple[int, int]]:
    """Return the mode and the size (width, height) of a set's images.

    The mode is L only if the first 64 images are all grey, since some colour sets hold a few grey images.
    """
    images = [_open(data, path, row) for row, data in enumerate(_slice(path, 0, 64)[0])]
    return ("L" if all(image.mode == "L" for image in images) else "RGB"), images[0].size


def _slice(path: Path, start: int, count: int) -> tuple[list[bytes | None], list[int | None]]:
    import polars as pl

    try:
        rows = pl.scan_parquet(path).select("image", "label").slice(start, count).collect()
        return rows["image"].struct.field("bytes").to_list(), rows["label"].to_list()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: damaged parquet file: {first_line(error)}") from None


def _chunks(path: Path, rows: int, mode: str, size: tuple[int, int], classes: int) -> Iterator[Chunk]:
    for start in range(0, rows, _ROWS):
        data, labels = _slice(path, start, min(_ROWS, rows - start))
        if None in labels:
            raise InputError(f"{path}: image {start + labels.index(None)} has no label")
        pixels = np.stack([_decode(item, path, start + i, mode, size) for i, item in enumerate(data)])
        yield to_planes(pixels), checked_labels(labels, classes, str(path))


def _open(data: bytes | None, path: Path, row: int) -> PillowImage:
    from PIL import Image, UnidentifiedImageError

    if data is None:
        raise InputError(f"{path}: image {row} has no bytes")
    try:
        return Image.open(io.BytesIO(data))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise InputError(f"{path}: image {row} is not a PNG, JPEG or WebP image") from None


def _decode(data: bytes | None, path: Path, row: int, mode: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    image = _open(data, path, row)
    if image.size != size:
        raise InputError(
            f"{path}: image {row} is {image.width}x{image.height}, the first image is {size[0]}x{size[1]}: "
            "all must have one size"
        )
    try:
        return np.asarray(image if image.mode == mode else image.convert(mode))
    except (OSError, ValueError, SyntaxError):
        raise InputError(f"{path}: image {row} is truncated or damaged") from None
