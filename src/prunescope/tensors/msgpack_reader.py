"""Checkpoints of flax in msgpack: which arrays they hold, and where.

The file is read once from its start, past the numbers of the arrays, which are read when they are wanted. Nothing but
maps, lists, texts, numbers and the three extensions of flax is accepted, and nothing is made of them that could run.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from prunescope.tensors.stored_arrays import StoredArray, number_type

# Maps and lists are read up to this depth, and up to so many entries in all.
DEEPEST = 100
MOST_ENTRIES = 1_000_000
# Names of parameters and types are shorter, and arrays have fewer axes.
LONGEST_NAME = 1 << 16
MOST_AXES = 64
# The extensions of flax: an array, a complex number, a number as an array without axes.
ARRAY, COMPLEX, SCALAR = 1, 2, 3
# A map with this key is an array in several pieces, under "chunks", since one must have fewer than 2^31 bytes.
CHUNKED = "__msgpack_chunked_array__"

Keys = tuple[str, ...]
Numbered = dict[Keys, dict[str, "Leaf"]]


@dataclass(frozen=True)
class Piece:
    """Numbers in a file: the name of their type, their shape, and the place of their bytes."""

    type: str
    shape: tuple[int, ...]
    offset: int
    length: int


# What a map or a list ends in; None for what holds no whole number and no array.
Leaf = Piece | int | None


def read_msgpack(file: BinaryIO) -> dict[Keys, StoredArray]:
    """Return the arrays of an open file by the keys that lead to them.

    Raises ValueError, in one line, for what is damaged or no checkpoint.
    """
    leaves: dict[Keys, Leaf] = {}
    for keys, leaf in _leaves(_Reader(file)):
        if keys in leaves:
            raise ValueError(f"{'.'.join(keys)} is there twice")
        leaves[keys] = leaf
    arrays = {}
    for keys, pieces, shape in _arrays(leaves):
        kind = number_type(pieces[0].type)
        if any(piece.type != kind.name for piece in pieces):
            raise ValueError(f"{'.'.join(keys)} has pieces of several types")
        if kind.stored and math.prod(shape) * kind.stored.itemsize != sum(piece.length for piece in pieces):
            raise ValueError(f"{'.'.join(keys)} has not as many bytes as its shape")
        places = tuple((piece.offset, piece.length) for piece in pieces)
        arrays[keys] = StoredArray(file, shape, kind, places)
    return arrays


def _arrays(leaves: dict[Keys, Leaf]) -> Iterator[tuple[Keys, list[Piece], tuple[int, ...]]]:
    """Yield the arrays among the leaves: their keys, pieces and shape."""
    numbered: Numbered = {}
    for keys, leaf in leaves.items():
        numbered.setdefault(keys[:-1], {})[keys[-1] if keys else ""] = leaf
    for keys, leaf in leaves.items():
        if keys[-1:] == (CHUNKED,):
            shape = [one for one in _in_order(numbered, (*keys[:-1], "shape")) if isinstance(one, int)]
            found = _in_order(numbered, (*keys[:-1], "chunks"))
            pieces = [one for one in found if isinstance(one, Piece)]
            if not pieces or min(shape, default=0) < 0:
                raise ValueError(f"{'.'.join(keys[:-1])} has no pieces")
            yield keys[:-1], pieces, tuple(shape)
        elif isinstance(leaf, Piece) and not _is_of_pieces(keys, leaves):
            yield keys, [leaf], leaf.shape


def _is_of_pieces(keys: Keys, leaves: dict[Keys, Leaf]) -> bool:
    return keys[-2:-1] == ("chunks",) and (*keys[:-2], CHUNKED) in leaves


def _in_order(numbered: Numbered, keys: Keys) -> list[Leaf]:
    """Return the leaves under ``keys`` that are numbered from "0", in order."""
    found = numbered.get(keys, {})
    if set(found) != {str(number) for number in range(len(found))}:
        raise ValueError(f"{'.'.join(keys)} is not numbered from 0")
    return [found[str(number)] for number in range(len(found))]


def _leaves(reader: _Reader) -> Iterator[tuple[Keys, Leaf]]:
    """Yield what maps and lists, nested in each other, end in, with the keys that lead there."""
    # A stack of what is open, since functions cannot be nested as deeply as a file can.
    stack: list[tuple[Keys, bool, int, int]] = []  # keys, whether it is a map, its length, its next entry
    count = 0
    keys: Keys = ()
    while True:
        found = reader.value()
        if isinstance(found, _Open):
            stack.append((keys, found.is_map, found.length, 0))
        else:
            yield keys, found
        while stack and stack[-1][2] == stack[-1][3]:
            stack.pop()
        if not stack:
            break
        around, is_map, length, place = stack.pop()
        stack.append((around, is_map, length, place + 1))
        keys = (*around, reader.key() if is_map else str(place))
        count += 1
        if len(stack) > DEEPEST or count > MOST_ENTRIES:
            raise ValueError("its maps and lists are nested without end")
    if not reader.ended:
        raise ValueError("it goes on after its end")


@dataclass(frozen=True)
class _Open:
    """A map or a list of which the entries follow."""

    is_map: bool
    length: int


# The first bytes of values with a size that follows them, of so many bytes.
TEXTS = {0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC4: 1, 0xC5: 2, 0xC6: 4}
EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
LISTS = {0xDC: 2, 0xDD: 4}
MAPS = {0xDE: 2, 0xDF: 4}
WHOLE = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
FLOATS = {0xCA: 4, 0xCB: 8}
NOTHING = 0xC0
FALSE, TRUE = 0xC2, 0xC3


class _Reader:
    """Reads values of msgpack from an open file, one after the other, and passes over the numbers of arrays."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self._place = 0
        file.seek(0)

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return self._place == self._size

    def value(self) -> _Open | Leaf:
        """Return the next value: a map or list of which the entries follow, an array, a whole number, or None."""
        first = self._byte()
        if (length := self._length(first, LISTS, 0x90, 16)) is not None:
            return _Open(False, length)
        if (length := self._length(first, MAPS, 0x80, 16)) is not None:
            return _Open(True, length)
        if (length := self._length(first, TEXTS, 0xA0, 32)) is not None:
            return self._pass(length)
        if first in FIXED_EXTENSIONS or first in EXTENSIONS:
            return self._extension(FIXED_EXTENSIONS.get(first) or self._number(EXTENSIONS[first]))
        if first in FLOATS:
            return self._pass(FLOATS[first])
        return self._whole(first)

    def key(self) -> str:
        """Return the next value, which must be a text or a whole number, as the key of a map."""
        first = self._byte()
        length = self._length(first, TEXTS, 0xA0, 32)
        return str(self._whole(first)) if length is None else self._text(length)

    def _whole(self, first: int) -> int | None:
        """Return the whole number, or the truth, that begins with this byte; None for nothing."""
        if first < 0x80 or first >= 0xE0:
            return first if first < 0x80 else first - 256
        if first in WHOLE:
            return int(struct.unpack(WHOLE[first], self._bytes(struct.calcsize(WHOLE[first])))[0])
        if first in (NOTHING, FALSE, TRUE):
            return None if first == NOTHING else int(first == TRUE)
        raise ValueError(f"a value begins with byte 0x{first:02x}, which nothing begins with")

    def _extension(self, length: int) -> Leaf:
        kind = int.from_bytes(self._bytes(1), "big", signed=True)
        end = self._place + length
        if kind not in (ARRAY, COMPLEX, SCALAR):
            raise ValueError(f"extension {kind} is none of flax")
        if kind == COMPLEX:
            return self._pass(length)
        if self.value() != _Open(False, 3):
            raise ValueError("an array is not of shape, type and numbers")
        axes = self.value()
        if not isinstance(axes, _Open) or axes.is_map or axes.length > MOST_AXES:
            raise ValueError("the shape of an array is no list")
        shape = [self._whole(self._byte()) for _ in range(axes.length)]
        name = self.key()
        size = self._length(self._byte(), TEXTS, 0xA0, 32)
        if (
            size is None
            or self._place + size != end
            or not all(one is not None and one >= 0 for one in shape)
        ):
            raise ValueError("an array has a shape or a length that is none")
        piece = Piece(name, tuple(one for one in shape if one is not None), self._place, size)
        self._pass(size)
        return piece

    def _length(self, first: int, sizes: dict[int, int], least: int, count: int) -> int | None:
        """Return the length that this byte, and those after it, say of one kind of value; None for other kinds."""
        if least <= first < least + count:
            return first - least
        return self._number(sizes[first]) if first in sizes else None

    def _number(self, size: int) -> int:
        return int.from_bytes(self._bytes(size), "big")

    def _text(self, length: int) -> str:
        if length > LONGEST_NAME:
            raise ValueError(f"a name of {length} bytes is none")
        return self._bytes(length).decode("utf-8", "replace")

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        found = self._file.read(count) if self._place + count <= self._size else b""
        if len(found) != count:
            raise ValueError("it ends before its last value")
        self._place += count
        return found

    def _pass(self, count: int) -> Leaf:
        """Pass over so many bytes, and return None, which stands for what they hold."""
        self._place += count
        if self._place > self._size:
            raise ValueError("it ends before its last value")
        self._file.seek(self._place)
        return None
