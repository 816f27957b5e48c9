"""This module opens one parquet file: its columns, which of them are images and labels, and what they hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.data.source_checks import check_pointer
from prunescope.data.sources.labels import check_names
from prunescope.data.sources.parquet_footer import ParquetFooter
from prunescope.errors import InputError, first_line, shortened
from prunescope.experiment.paths import has_surrogates
from prunescope.files import open_regular
from prunescope.memory import check_memory
from prunescope.panics import without_panics

if TYPE_CHECKING:
    import polars as pl

_IMAGES = (
    "image",
    "img",
    "images",
    "jpg",
    "jpeg",
    "png",
    "webp",
    "picture",
    "photo",
    "pixel_values",
    "pixels",
)
_LABELS = (
    "label",
    "labels",
    "fine_label",
    "fine_labels",
    "class",
    "cls",
    "target",
    "targets",
    "y",
    "category",
)
_OTHER_LABELS = ("coarse_label", "coarse_labels", "superclass")
_UNPACKED = 2  # times that values are held which are unpacked


class ParquetTable:
    """A parquet file that is whole, with ``path``, ``schema`` and ``rows``; InputError for a damaged or empty one."""

    def __init__(self, path: Path) -> None:
        import polars as pl

        self.path = path
        if has_surrogates(str(path)):  # polars opens no such path
            raise InputError(
                f"{path}: parquet files are read from paths in UTF-8 only: rename the file or folder"
            )
        open_regular(path).close()  # polars would wait for a pipe
        try:
            with without_panics(str(path)):
                self.schema = pl.read_parquet_schema(path)
                self.rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError, OverflowError) as error:
            check_pointer(path)
            raise InputError(f"{path}: not a whole parquet file: {first_line(error)}") from None
        if not self.rows:
            raise InputError(f"{path}: no rows in it")
        self._footer = ParquetFooter(path)

    @cached_property
    def features(self) -> dict[str, Any]:
        """What the schema's metadata of Hugging Face say about the columns, empty where there are none."""
        import polars as pl

        try:
            with without_panics(str(self.path)):
                metadata = pl.read_parquet_metadata(self.path)
            found = json.loads(metadata["huggingface"])["info"]["features"]
        except (KeyError, TypeError, ValueError, RecursionError, pl.exceptions.PolarsError):
            return {}
        return found if isinstance(found, dict) else {}

    def class_names(self, column: str) -> tuple[str, ...]:
        """Return the names of the classes of a column of labels, empty where the metadata have none."""
        feature = self.features.get(column)
        names = feature.get("names") if isinstance(feature, dict) else None
        if not isinstance(names, list):
            return ()
        if not all(isinstance(name, str | int) for name in names):
            raise InputError(
                f"{self.path}: column {column!r}: its metadata have names of classes that are no text"
            )
        texts = tuple(map(str, names))
        check_names(texts, f"{self.path}: the metadata of column {column!r}")
        return texts

    def check(self, image: str, label: str, first: ParquetTable) -> None:
        """Raise InputError unless the columns ``image`` and ``label`` are there, with types that can be read.

        ``first``: the first file, whose labels those of this one must resemble.
        """
        for column in (image, label):
            if column not in self.schema:
                raise InputError(
                    f"{self.path}: no column {column!r}; it has {shortened(', '.join(self.schema))}"
                )
        if not holds_images(self.schema[image]):
            raise InputError(
                f"{self.path}: column {image!r} is {self.schema[image]}, it must be a struct with bytes, or binary: "
                "images encoded as PNG, JPEG or WebP"
            )
        kind = label_kind(self.schema[label])
        if not kind:
            raise InputError(
                f"{self.path}: column {label!r} is {self.schema[label]}, one class an image is read, as a whole "
                "number or a name: data.label_column chooses another column"
            )
        if kind != label_kind(first.schema[label]):
            raise InputError(
                f"{self.path}: column {label!r} is {self.schema[label]}, in {first.path} it is {first.schema[label]}"
            )

    def images(self, column: str, start: int, count: int, head: int | None = None) -> pl.Series:
        """Return the encoded images of ``count`` rows from ``start``, null where there are no bytes.

        ``head``: only so many of their first bytes, or None for all. Rows of equal images share them in the series,
        and would be as many copies in a list.
        """
        import polars as pl

        binary = isinstance(self.schema[column], pl.Binary)
        own = _exactly(column)
        values = own if binary else own.struct.field("bytes")
        values = values if head is None else values.bin.slice(0, head)
        return self._column(values.alias("bytes"), column, start, count)

    def labels(self, column: str) -> pl.Series:
        """Return all labels of a column; raise InputError if one is missing."""
        values = self._column(_exactly(column).alias("labels"), column, 0, self.rows)
        if len(values) != self.rows:
            raise InputError(f"{self.path}: damaged: {len(values)} labels for {self.rows} rows")
        if values.null_count():
            row = values.is_null().arg_max()
            raise InputError(
                f"{self.path}: image {row} has no label: {values.null_count()} of {self.rows} in column {column!r} "
                "are null; leave these rows out"
            )
        return values

    def _column(self, values: pl.Expr, column: str, start: int, count: int) -> pl.Series:
        """Return ``values``, which come of one column, of ``count`` rows from ``start``."""
        import polars as pl

        unpacked = self._footer.unpacked(column, start, count)
        check_memory(_UNPACKED * unpacked, f"{self.path}: column {column!r}")
        try:
            with without_panics(str(self.path)):
                return pl.scan_parquet(self.path).slice(start, count).select(values).collect().to_series()
        except (pl.exceptions.PolarsError, OSError, OverflowError) as error:
            raise InputError(f"{self.path}: damaged parquet file: {first_line(error)}") from None


def _exactly(column: str) -> pl.Expr:
    """Return the column of this name, which polars would take as a pattern where it begins with ^ or is *."""
    import polars.selectors as cs

    return cs.by_name(column).as_expr()


def holds_images(kind: pl.DataType) -> bool:
    """Return whether a column of this type can hold encoded images: bytes, or a struct with bytes."""
    import polars as pl

    if isinstance(kind, pl.Struct):
        return any(part.name == "bytes" and part.dtype == pl.Binary for part in kind.fields)
    return isinstance(kind, pl.Binary)


def label_kind(kind: pl.DataType) -> str:
    """Return "text" or "numbers" for the type of a column of labels, empty for one that is not read."""
    import polars as pl

    if isinstance(kind, pl.String | pl.Categorical | pl.Enum):
        return "text"
    whole = kind.is_integer() and not isinstance(kind, pl.Int128 | pl.UInt128)  # these NumPy lacks
    return "numbers" if whole or kind.is_float() or isinstance(kind, pl.Boolean) else ""


def image_column(table: ParquetTable, asked: str) -> tuple[str, list[str]]:
    """Return the column of images, ``asked`` where that is given, and others that could be meant.

    It is found by its name, or is the only one whose type can hold images.
    """
    fit = [name for name, kind in table.schema.items() if holds_images(kind)]
    named = [name for name in _IMAGES if name in fit]
    return _chosen(table, asked, named or fit, [name for name in _IMAGES if name in table.schema], "image")


def label_column(table: ParquetTable, asked: str) -> tuple[str, list[str]]:
    """Return the column of labels, ``asked`` where that is given, and others that could be meant.

    It is found by its name, or is the only one that the metadata call one of class labels.
    """
    classes = [name for name in table.schema if table.class_names(name)]
    named = [name for name in _LABELS if name in table.schema]
    others = [name for name in (*_OTHER_LABELS, *classes) if name in table.schema]
    return _chosen(table, asked, list(dict.fromkeys([*named, *others])), [], "label")


def _chosen(
    table: ParquetTable, asked: str, fit: list[str], unfit: Iterable[str], what: str
) -> tuple[str, list[str]]:
    if asked:
        return asked, []
    found = [*fit, *unfit]
    if not found:
        raise InputError(
            f"{table.path}: no column {what!r}; it has {shortened(', '.join(table.schema))}: data.{what}_column names another"
        )
    return found[0], fit[1:]
