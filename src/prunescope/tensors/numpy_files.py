"""Files of NumPy: ``.npy`` with one array, ``.npz`` with several."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from prunescope.errors import InputError
from prunescope.mask import LARGE_BYTES
from prunescope.memory import check_memory
from prunescope.npy import read_header
from prunescope.tensors.named_tensor import (
    NamedTensor,
    Rows,
    TensorSource,
    array_rows,
    check_axes,
    check_numbers,
)
from prunescope.tensors.printable import shown
from prunescope.tensors.scipy_file import is_of_scipy, scipy_tensor

PICKLED = "refused, it holds pickled objects; save plain arrays of 0 and 1"

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


@contextmanager
def npy_source(path: Path, file: BinaryIO) -> Generator[TensorSource]:
    """Open the array of a ``.npy`` file, mapped into memory."""
    header = read_header(file)
    if header[2].hasobject:
        raise InputError(f"{path}: {PICKLED}")
    begin = partial(_mapped_rows, path, header)
    yield TensorSource(str(path), [NamedTensor(path.stem, header[0], header[2].name, begin)])


def _mapped_rows(path: Path, header: Header) -> Rows:
    """Return what gives the rows of an array in a file, mapped into memory: a file that is too short is refused."""
    check_axes(header[0])
    check_numbers(header[2])
    return array_rows(np.load(path, mmap_mode="r", allow_pickle=False))


@contextmanager
def npz_source(path: Path, file: BinaryIO) -> Generator[TensorSource]:
    """Open the arrays of a ``.npz`` file, which are decompressed as their rows are asked for."""
    with zipfile.ZipFile(file) as archive:
        if is_of_scipy(archive):
            yield TensorSource(str(path), [scipy_tensor(path, archive)])
            return
        tensors = []
        for name in archive.namelist():
            with archive.open(name) as part:
                if part.read(6) != b"\x93NUMPY":
                    continue
            with archive.open(name) as part:
                header = read_header(part)
            if header[2].hasobject:
                raise InputError(f"{path}: {PICKLED}")
            begin = partial(_part_rows, archive, name, header)
            tensors.append(NamedTensor(name.removesuffix(".npy"), header[0], header[2].name, begin))
        yield TensorSource(str(path), tensors)


def _part_rows(archive: zipfile.ZipFile, name: str, header: Header) -> Rows:
    shape, by_columns, dtype = header
    check_axes(shape)
    check_numbers(dtype)
    stream = archive.open(name)
    read_header(stream)

    def read(count: int) -> Any:
        wanted = count * dtype.itemsize
        part = stream.read(wanted)
        if len(part) != wanted:
            raise EOFError(f"{shown(name)} ends before its last row")
        return np.frombuffer(part, dtype)

    if by_columns:
        size = math.prod(shape)
        if size * dtype.itemsize > LARGE_BYTES:
            check_memory(2 * size * dtype.itemsize, f"{shown(name)}, stored column after column,")
        return array_rows(read(size).reshape(shape, order="F"))
    width = math.prod(shape[1:])
    at = 0

    def rows(start: int, stop: int) -> Any:
        nonlocal at
        if start < at:
            raise ValueError(f"{name} is read in order")
        while at < start:  # rows that nobody wants, one after another
            read(width)
            at += 1
        at = stop
        return read((stop - start) * width).reshape(stop - start, width)

    return rows
