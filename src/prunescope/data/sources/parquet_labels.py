"""This module reads the labels of parquet files as class numbers, all of them before the first image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunescope.data.raw_images import Labels
from prunescope.data.source_checks import checked_labels
from prunescope.data.sources.labels import check_all_trained, counted, named, whole_numbers
from prunescope.data.sources.parquet_table import ParquetTable, label_kind
from prunescope.errors import InputError

Numbers = list[Labels]


def class_numbers(
    train: Sequence[ParquetTable], held: Sequence[ParquetTable], column: str, gaps: bool
) -> tuple[Numbers, Numbers, tuple[str, ...]]:
    """Return the class numbers of each training and validation file, and the names of the classes.

    The classes of text are its different values, sorted. Those of numbers have the names that the metadata state, or
    their numbers. ``gaps``: whether some may have no training image. Raises InputError for labels that are missing,
    negative or of no class, and for metadata that name the classes differently from file to file.
    """
    if label_kind(train[0].schema[column]) == "text":
        return _from_text(train, held, column)
    names = _agreed_names([*train, *held], column)
    own, others = ([_whole(table, column) for table in tables] for tables in (train, held))
    where = _where(train[0], column)
    if names:
        for table, labels in zip((*train, *held), (*own, *others), strict=True):
            checked_labels(labels, len(names), _where(table, column))
        if not gaps:
            check_all_trained(np.concatenate(own), names, where)
        return own, others, names
    classes = counted(np.concatenate(own), where, gaps)
    for table, labels in zip(held, others, strict=True):
        checked_labels(labels, classes, _where(table, column))
    return own, others, tuple(str(number) for number in range(classes))


def _where(table: ParquetTable, column: str) -> str:
    return f"{table.path}: column {column!r}"


def _whole(table: ParquetTable, column: str) -> Labels:
    return whole_numbers(table.labels(column).to_numpy(), _where(table, column))


def _agreed_names(tables: Sequence[ParquetTable], column: str) -> tuple[str, ...]:
    """Return the class names of the metadata; raise InputError where two files have different ones."""
    first: ParquetTable | None = None
    for table in tables:
        names = table.class_names(column)
        if names and first is None:
            first = table
        if names and first is not None and names != first.class_names(column):
            raise InputError(
                f"{_where(table, column)}: its metadata name the classes differently from those of {first.path}"
            )
    return first.class_names(column) if first is not None else ()


def _from_text(
    train: Sequence[ParquetTable], held: Sequence[ParquetTable], column: str
) -> tuple[Numbers, Numbers, tuple[str, ...]]:
    import polars as pl

    own, others = ([table.labels(column).cast(pl.String) for table in tables] for tables in (train, held))
    different = [pl.concat(parts).unique().to_list() if parts else [] for parts in (own, others)]
    places = _where(train[0], column), _where((held or train)[0], column)
    names = named(different[0], different[1], *places)
    kind = pl.Enum(names)

    def numbers(labels: pl.Series) -> Labels:
        return labels.cast(kind).to_physical().to_numpy().astype(np.int64)

    return [numbers(part) for part in own], [numbers(part) for part in others], names
