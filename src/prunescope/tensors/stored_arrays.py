"""Arrays in files as bytes at known places, of any type of numbers, read a part at a time.

A mapped file would count as memory of the process, page after page, so the parts are read into buffers in place of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.tensors.named_tensor import Rows
from prunescope.tensors.printable import shown

Numbers = NDArray[Any]


@dataclass(frozen=True)
class NumberType:
    """A type of numbers in a file.

    ``name``: as NumPy, JAX and ml_dtypes write it, such as "float32" or "bfloat16". ``stored``: the type of NumPy with the
    same bytes, little-endian; None where the numbers are not read. ``decoded``: returns the numbers of an array of
    ``stored``, where NumPy lacks their type.
    """

    name: str
    stored: np.dtype[Any] | None
    decoded: Callable[[Numbers], Numbers] | None = None


@dataclass(frozen=True)
class StoredArray:
    """An array in an open file: numbers of one type in row-major order, in one piece or several.

    ``pieces``: the offset and the number of bytes of each. Together they have as many bytes as the array.
    """

    file: BinaryIO
    shape: tuple[int, ...]
    type: NumberType
    pieces: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)

    def read(self, first: int, count: int) -> Numbers:
        """Return ``count`` numbers, beginning with number ``first`` of the array in row-major order, [count].

        Raises EOFError where the file ends before them, and InputError for numbers of a type that is not read.
        """
        if self.type.stored is None:
            raise InputError(f"numbers of the type {shown(self.type.name)} are not read")
        width = self.type.stored.itemsize
        start, wanted = first * width, count * width
        found: list[bytes] = []
        for offset, length in self.pieces:
            if start < length and wanted > 0:
                part = min(length - start, wanted)
                self.file.seek(offset + start)
                found.append(self.file.read(part))
                if len(found[-1]) != part:
                    raise EOFError("it ends before the last number of a tensor")
                wanted -= part
            start = max(start - length, 0)
        if wanted > 0:
            raise EOFError("a tensor has fewer numbers than its shape")
        buffer = found[0] if len(found) == 1 else b"".join(found)
        stored = np.frombuffer(buffer, self.type.stored)
        return stored if self.type.decoded is None else self.type.decoded(stored)


def stored_rows(stored: StoredArray) -> Rows:
    """Return what gives the rows of an array in a file; raise InputError where it cannot be read as numbers."""
    stored.read(0, 0)
    width = math.prod(stored.shape[1:])
    return lambda start, stop: stored.read(start * width, (stop - start) * width).reshape(stop - start, width)


def number_type(name: str) -> NumberType:
    """Return the type of this name; one that is not read for a name that is not known."""
    if name in SHORT_FLOATS:
        return NumberType(name, np.dtype(np.uint8), lambda stored: _short_floats(name)[stored])
    if name == "bfloat16":
        return NumberType(name, np.dtype("<u2"), _from_bfloat16)
    if name == "bool":
        return NumberType(name, np.dtype(np.uint8), lambda stored: stored != 0)
    return NumberType(name, np.dtype(name).newbyteorder("<") if name in PLAIN else None)


PLAIN = frozenset(
    [
        "uint8",
        "int8",
        "uint16",
        "int16",
        "uint32",
        "int32",
        "uint64",
        "int64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ]
)
# Floating-point numbers of eight bits: bits of the fraction, bias of the exponent, and what are no finite numbers:
# "ieee", the largest exponent; "fn", only all ones after the sign; "fnuz", only the byte 0x80; "exponent", 0xff.
SHORT_FLOATS = {
    "float8_e4m3": (3, 7, "ieee"),
    "float8_e4m3fn": (3, 7, "fn"),
    "float8_e4m3fnuz": (3, 8, "fnuz"),
    "float8_e5m2": (2, 15, "ieee"),
    "float8_e5m2fnuz": (2, 16, "fnuz"),
    "float8_e8m0fnu": (0, 127, "exponent"),
}


def _from_bfloat16(stored: Numbers) -> NDArray[np.float32]:
    return (stored.astype(np.uint32) << 16).view(np.float32)


@cache
def _short_floats(name: str) -> NDArray[np.float32]:
    """Return the number of every byte as a type of eight bits, float32 [256]."""
    fraction_bits, bias, special = SHORT_FLOATS[name]
    byte = np.arange(256)
    if special == "exponent":
        with np.errstate(over="ignore"):
            values = np.ldexp(1.0, byte - bias).astype(np.float32)
        values[0xFF] = np.nan
        return values
    exponent, fraction = (byte & 0x7F) >> fraction_bits, byte & ((1 << fraction_bits) - 1)
    scaled = np.where(exponent > 0, fraction + (1 << fraction_bits), fraction)
    values = np.ldexp(scaled.astype(np.float64), np.maximum(exponent, 1) - bias - fraction_bits)
    values = np.where(byte & 0x80, -values, values).astype(np.float32)
    if special == "ieee":
        largest = exponent == 0x7F >> fraction_bits
        values[largest] = np.where(fraction[largest] > 0, np.nan, np.copysign(np.inf, values[largest]))
    elif special == "fn":
        values[(byte & 0x7F) == 0x7F] = np.nan
    else:
        values[0x80] = np.nan
    return values
