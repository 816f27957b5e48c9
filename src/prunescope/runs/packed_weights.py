"""Weights of which most are 0 are stored packed: those that are not 0, and a bit for each that says where they are.

A packed file of weights has, in place of an array ``layer1.weight`` of the whole matrix, ``layer1.weight.values``, a
float32 for each entry that is not 0, in the order of rows, and ``layer1.weight.nonzero``, a bit for each entry, eight
to a byte (numpy.packbits). Its metadata give the shape, as in ``"layer1.weight": "1024x3072"``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np

from prunescope.errors import damaged
from prunescope.memory import check_memory
from prunescope.model import Arrays

WHOLE_BELOW = (
    20_000_000  # bytes of all weights; the files of smaller networks stay readable without this module
)
VALUES, NONZERO = ".values", ".nonzero"
LARGEST_UNASKED = 100_000_000  # bytes; whether less fits into memory is not asked
Storage = Literal["auto", "whole", "packed"]  # the values of run.weights


def is_packed(storage: Storage, weights: int) -> bool:
    """Return whether a run with so many weights and this value of ``run.weights`` stores them packed."""
    return storage == "packed" or (storage == "auto" and 4 * weights >= WHOLE_BELOW)


def packed_bytes(entries: int, nonzero: float) -> float:
    """Return the bytes of a matrix of so many entries of which ``nonzero`` are not 0: packed, or whole if that is less."""
    return min(4 * nonzero + -(-entries // 8), 4 * entries)


def packed(arrays: Arrays) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays of a model with matrices packed where that is smaller, and the metadata with their shapes.

    The values are kept to the bit, except that -0 becomes 0.
    """
    found: Arrays = {}
    shapes: dict[str, str] = {}
    for name, array in arrays.items():
        nonzero = array != 0 if array.ndim == 2 else None
        count = 0 if nonzero is None else int(np.count_nonzero(nonzero))
        if nonzero is None or packed_bytes(array.size, count) == 4 * array.size:
            found[name] = array
            continue
        shapes[name] = f"{array.shape[0]}x{array.shape[1]}"
        found[name + VALUES] = array[nonzero]
        found[name + NONZERO] = np.packbits(nonzero)
    return found, shapes


def unpacked(path: Path, arrays: Arrays, notes: dict[str, str]) -> Arrays:
    """Return the arrays of a file of weights with all matrices whole; raise InputError when it is damaged."""
    names = {name.removesuffix(NONZERO) for name in arrays if name.endswith(NONZERO)}
    if not names:
        return arrays
    shapes = {name: _shape(path, name, notes.get(name, "")) for name in sorted(names)}
    for name, (n_out, n_in) in shapes.items():
        bits = arrays[name + NONZERO]
        if bits.dtype != np.uint8 or bits.shape != (-(-n_out * n_in // 8),):
            raise damaged(path, f"{name}{NONZERO} does not have a bit for each of {n_out}x{n_in} entries")
    # Bits, bytes and floats of the largest matrix are in memory together, beside the floats of all.
    whole = 4 * sum(n_out * n_in for n_out, n_in in shapes.values())
    if whole > LARGEST_UNASKED:
        check_memory(2 * whole, f"{path}: its weights")
    kept = {name: array for name, array in arrays.items() if name.removesuffix(NONZERO) not in names}
    return {
        **{name: array for name, array in kept.items() if name.removesuffix(VALUES) not in names},
        **{name: _whole(path, name, shape, arrays) for name, shape in shapes.items()},
    }


def _whole(path: Path, name: str, shape: tuple[int, int], arrays: Arrays) -> np.ndarray:
    nonzero = np.unpackbits(arrays[name + NONZERO], count=shape[0] * shape[1]).view(np.bool_).reshape(shape)
    values, count = arrays.get(name + VALUES), int(np.count_nonzero(nonzero))
    if values is None or values.dtype != np.float32 or values.shape != (count,):
        raise damaged(path, f"{name}{VALUES} does not have a number for each of {count:,} entries")
    array = np.zeros(shape, np.float32)
    array[nonzero] = values
    return array


def _shape(path: Path, name: str, note: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][0-9]{0,9})x([1-9][0-9]{0,9})", note)
    if found is None:
        raise damaged(path, f"the shape of {name} is {note[:40]!a}")
    return int(found[1]), int(found[2])
