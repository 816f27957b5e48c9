"""Files of safetensors, read tensor by tensor."""

from __future__ import annotations

import math
import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from prunescope.errors import InputError
from prunescope.mask import Mask, to_numpy
from prunescope.tensors.named_tensor import NamedTensor, Rows, TensorSource, array_rows, check_axes
from prunescope.tensors.names import natural

# The types of safetensors that NumPy has.
PLAIN = {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"}
# What the types of safetensors are called elsewhere; a type that is not here keeps its name.
TYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
}


@contextmanager
def safetensors_source(path: Path, file: BinaryIO) -> Generator[TensorSource]:
    """Open the tensors of a file of safetensors, in the order of layers."""
    from safetensors import safe_open

    # NumPy lacks bfloat16, in which whole models are stored, and the types of eight bits.
    with safe_open(path, "numpy") as opened:
        kinds = {opened.get_slice(name).get_dtype() for name in opened.keys()}  # noqa: SIM118  (no dict)
    framework = "numpy" if kinds <= PLAIN else "pt"
    with safe_open(path, framework) as opened:
        notes = opened.metadata() or {}
        tensors = []
        for name in sorted(opened.keys(), key=natural):
            part = opened.get_slice(name)
            shape, kind = tuple(part.get_shape()), str(part.get_dtype())
            size = re.fullmatch(r"([0-9]{1,18})x([0-9]{1,18})", notes.get(name, ""))
            if size and len(shape) == 1 and kind == "U8":
                stored, shape = shape[0], (int(size[1]), int(size[2]))
                if stored != -(-shape[0] * shape[1] // 8):
                    raise InputError(f"{path}: {stored} bytes do not hold a packed {size[0]} mask")
                tensors.append(NamedTensor(name, shape, "bool", partial(_unpacked_rows, opened, name, shape)))
            else:
                begin = partial(_slice_rows, opened, name, shape)
                tensors.append(NamedTensor(name, shape, TYPES.get(kind, kind), begin))
        yield TensorSource(str(path), tensors)


def _unpacked_rows(opened: Any, name: str, shape: tuple[int, int]) -> Rows:
    """Unpack a packed mask, whose shape "n_outxn_in" is in its note."""
    return array_rows(Mask.unpack(np.asarray(opened.get_tensor(name)), *shape).array)


def _slice_rows(opened: Any, name: str, shape: tuple[int, ...]) -> Rows:
    check_axes(shape)
    part = opened.get_slice(name)
    width = math.prod(shape[1:])

    def rows(start: int, stop: int) -> Any:
        found = part[start:stop]
        array = found if isinstance(found, np.ndarray) else to_numpy(found)
        return array.reshape(stop - start, width)

    return rows
