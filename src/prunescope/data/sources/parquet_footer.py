"""This module reads from a parquet file how many bytes its columns take once they are unpacked.

Polars believes what a file says: a few kilobytes may unpack into more than the memory holds, at which the process ends.
The sizes stand in the footer and, for each page of values, before the page, in the compact protocol of Thrift.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

from prunescope.errors import InputError
from prunescope.files import open_regular

_MAGIC = b"PAR1"
_TAIL = 8  # bytes at the end: the footer's length and the magic word
_MOST_BYTES = 1 << 23  # of a footer, which takes a second a megabyte
_MOST_PAGES = 200_000  # of one column of one row group
_DEEPEST = 16  # structs in each other; there are six in a footer
_TEXT = 4096  # bytes of a name

_DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)

# The types of Thrift's values.
_TRUE, _FALSE, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = 1, 2, 3, (4, 5, 6), 7, 8, (9, 10), 12

# The numbers of the fields that are used.
_ROWS, _GROUPS = 3, 4
_CHUNKS, _GROUP_ROWS = 1, 3
_CHUNK = 3
_PATH, _PACKED, _FIRST_PAGE, _DICTIONARY = 3, 7, 9, 11
_UNPACKED_PAGE, _PACKED_PAGE = 2, 3

Struct = dict[int, object]


@dataclass(frozen=True)
class _Chunk:
    """A column of a row group: its name, and where its pages begin and end in the file."""

    column: str
    start: int
    stop: int


@dataclass(frozen=True)
class _Group:
    rows: int
    chunks: tuple[_Chunk, ...]


class ParquetFooter:
    """The footer of the parquet file ``path``; InputError for one that is damaged or contradicts the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[_Chunk, int] = {}

    def unpacked(self, column: str, start: int, count: int) -> int:
        """Return the bytes that a column takes in the row groups of ``count`` rows from ``start``."""
        total, row = 0, 0
        for group in self._groups:
            if row < start + count and row + group.rows > start:
                total += sum(self._pages(chunk) for chunk in group.chunks if chunk.column == column)
            row += group.rows
        return total

    @cached_property
    def _groups(self) -> list[_Group]:
        try:
            with open_regular(self.path) as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL))
                tail = file.read(_TAIL)
                length = int.from_bytes(tail[:4], "little")
                if tail[4:] != _MAGIC or length > size - _TAIL:
                    raise ValueError("no footer")
                if length > _MOST_BYTES:
                    raise InputError(
                        f"{self.path}: its footer has {length:,} bytes, too many for images and labels: write it "
                        "with fewer columns or row groups"
                    )
                file.seek(size - _TAIL - length)
                footer = _struct(io.BytesIO(file.read(length)))
            groups = [_group(found, size) for found in _structs(footer[_GROUPS])]
            if sum(group.rows for group in groups) != _number(footer[_ROWS]):
                raise ValueError("row groups that have other rows than the file")
        except InputError:
            raise
        except _DAMAGE:
            raise InputError(f"{self.path}: not a whole parquet file: its footer is damaged") from None
        return groups

    def _pages(self, chunk: _Chunk) -> int:
        """Return the bytes of all pages of a column once they are unpacked, from the pages' own headers."""
        if chunk not in self._known:
            try:
                with open_regular(self.path) as file:
                    self._known[chunk] = _sum_of_pages(file, chunk)
            except _DAMAGE:
                raise InputError(f"{self.path}: column {chunk.column!r} is truncated or damaged") from None
        return self._known[chunk]


def _sum_of_pages(file: BinaryIO, chunk: _Chunk) -> int:
    total, position = 0, chunk.start
    for _ in range(_MOST_PAGES):
        if position >= chunk.stop:
            return total
        file.seek(position)
        header = _struct(file)
        total += _number(header[_UNPACKED_PAGE])
        position = file.tell() + _number(header[_PACKED_PAGE])
    raise ValueError("too many pages")


def _group(found: Struct, size: int) -> _Group:
    chunks = []
    for entry in _structs(found[_CHUNKS]):
        chunk = cast(Struct, entry[_CHUNK])
        path = cast(list[bytes], chunk[_PATH])
        pages = _number(chunk[_FIRST_PAGE])
        start = min(pages, _number(chunk.get(_DICTIONARY, 0)) or pages)
        stop = start + _number(chunk[_PACKED])
        if stop > size:
            raise ValueError("pages beyond the end")
        chunks.append(_Chunk(path[0].decode("utf-8", "replace"), start, stop))
    return _Group(_number(found[_GROUP_ROWS]), tuple(chunks))


def _structs(value: object) -> list[Struct]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("no list of structs")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("no count")
    return value


def _struct(file: BinaryIO, depth: int = 0) -> Struct:
    """Return the fields of a struct of Thrift by number; long bytes, doubles and maps are passed over."""
    if depth > _DEEPEST:
        raise ValueError("too deep")
    fields: Struct = {}
    number = 0
    while head := file.read(1)[0]:
        number = number + (head >> 4) if head >> 4 else _signed(file)
        kind = head & 15
        fields[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else _value(file, kind, depth)
    return fields


def _value(file: BinaryIO, kind: int, depth: int) -> object:
    if kind in _INTEGERS:
        return _signed(file)
    if kind in (_TRUE, _FALSE, _BYTE):  # in a list a truth takes a byte
        return file.read(1)[0]
    if kind == _DOUBLE:
        return file.read(8)
    if kind == _BINARY:
        length = _varint(file)
        if length <= _TEXT:
            return file.read(length)
        return file.seek(length, os.SEEK_CUR)
    if kind == _STRUCT:
        return _struct(file, depth + 1)
    if kind in _LISTS and depth <= _DEEPEST:
        head = file.read(1)[0]
        length = head >> 4 if head >> 4 < 15 else _varint(file)
        return [_value(file, head & 15, depth + 1) for _ in range(length)]
    raise ValueError("an unknown type")


def _signed(file: BinaryIO) -> int:
    found = _varint(file)
    return (found >> 1) ^ -(found & 1)


def _varint(file: BinaryIO) -> int:
    found = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)[0]
        found |= (byte & 127) << shift
        if byte < 128:
            return found
    raise ValueError("a number without an end")
