"""The header of a `.safetensors` file: which tensors it holds, of which type and shape, and where.

The file is untrusted: the header is read by rules as strict as those of the library, and no tensor before it is wanted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from prunescope.tensors.stored_arrays import StoredArray, number_type
from prunescope.tensors.untrusted_json import parsed_object

# A header names tensors; that of a model of 10,000 tensors has 1 MB.
LARGEST_HEADER = 1 << 25
MOST_AXES = 64

# The types of the format with their names in NumPy and ml_dtypes.
TYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip
# Types of which several numbers share a byte, with their bits; they are not read as numbers.
PACKED_BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}


@dataclass(frozen=True)
class SafetensorsHeader:
    """What the header of a file says: the tensors by name, in their order in the file, and the notes."""

    tensors: Mapping[str, StoredArray]
    notes: Mapping[str, str]


def read_safetensors_header(file: BinaryIO) -> SafetensorsHeader:
    """Return what the header of an open file says.

    Raises ValueError, in one line, where the header is damaged, or does not fit the length of the file.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise ValueError(f"its header would have {length} bytes, the file has {size}")
    if length > LARGEST_HEADER:
        raise ValueError(f"its header of {length / 1e6:,.0f} MB is larger than any model's")
    text = file.read(length)
    try:
        found = parsed_object(text)
    except ValueError as error:
        raise ValueError(f"its header is damaged: {error}") from None
    notes = found.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise ValueError("its metadata are no texts")
    entries = [_entry(name, entry) for name, entry in found.items()]
    entries.sort(key=lambda entry: (entry.start, entry.end))
    place = 0
    for entry in entries:
        if entry.start != place:
            raise ValueError(
                f"{entry.name} begins at byte {entry.start}, the tensor before it ends at {place}"
            )
        place = entry.end
    if 8 + length + place != size:
        raise ValueError(f"its tensors end at byte {8 + length + place}, the file has {size}")
    tensors = {entry.name: _stored(file, 8 + length, entry) for entry in entries}
    return SafetensorsHeader(tensors, notes)


@dataclass(frozen=True)
class _Entry:
    """A tensor in a header: ``start`` and ``end`` count from the end of the header."""

    name: str
    type: str
    shape: tuple[int, ...]
    start: int
    end: int


def _entry(name: str, entry: object) -> _Entry:
    """Return one tensor of a header; raise ValueError where its facts do not fit each other."""
    if not isinstance(entry, dict):
        raise ValueError(f"{name} has no facts")
    kind = entry.get("dtype")
    if not isinstance(kind, str) or kind not in {**TYPES, **PACKED_BITS}:
        raise ValueError(f"{name} has a type that is not known, {kind}")
    shape, offsets = _counts(entry.get("shape")), _counts(entry.get("data_offsets"))
    if shape is None or len(shape) > MOST_AXES:
        raise ValueError(f"the shape of {name} is no list of numbers")
    if offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"the offsets of {name} are not where a tensor begins and ends")
    bits = PACKED_BITS.get(kind) or 8 * _width(kind)
    if math.prod(shape) * bits != 8 * (offsets[1] - offsets[0]):
        raise ValueError(f"{name} of {'x'.join(map(str, shape))} {kind} has {offsets[1] - offsets[0]} bytes")
    return _Entry(name, kind, shape, offsets[0], offsets[1])


def _counts(value: object) -> tuple[int, ...] | None:
    """Return a list of whole numbers, from 0 to what a file can hold; None for anything else."""
    if isinstance(value, list) and all(type(one) is int and 0 <= one < 1 << 63 for one in value):
        return tuple(value)
    return None


def _width(kind: str) -> int:
    """Return how many bytes a number of a type of the format has."""
    stored = number_type(TYPES[kind]).stored
    return 0 if stored is None else stored.itemsize


def _stored(file: BinaryIO, start: int, entry: _Entry) -> StoredArray:
    piece = (start + entry.start, entry.end - entry.start)
    return StoredArray(file, entry.shape, number_type(TYPES.get(entry.type, entry.type)), (piece,))
