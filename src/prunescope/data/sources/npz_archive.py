"""Arrays of .npz files: what their headers state, and their values, read without unpickling anything."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.source_checks import check_pointer
from prunescope.errors import InputError, shortened
from prunescope.files import open_regular
from prunescope.memory import check_memory
from prunescope.npy import read_header

_MOST_PARTS = 10_000
_HEADER_START = 12  # bytes: the magic word, the version, and the length of the header in 2 or 4 bytes
_HEADER_BYTES = 1 << 16
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of both a piece is read in memory of its size

Keys = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]  # the shape and the type of each array


def load_arrays(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return the arrays ``keys`` of a .npz file, without unpickling any object.

    Raises InputError for a missing key, an array of Python objects, a damaged file, and what the memory cannot hold.
    """
    with _opened(path) as archive:
        found = _headers(path, archive)
        missing = [key for key in keys if key not in found]
        if missing:
            raise InputError(f"{path}: no {missing[0]!r} in it; it has {shortened(', '.join(found))}")
        needed = sum(math.prod(found[key][0]) * found[key][1].itemsize for key in keys)
        check_memory(needed, f"{path}: {', '.join(keys)}")
        arrays = {}
        for key in keys:
            with archive.open(f"{key}.npy") as stream:
                arrays[key] = np.lib.format.read_array(stream, allow_pickle=False)
                if stream.read(1):
                    raise InputError(f"{path}: {key}: more bytes than its header says: write the file anew")
        return arrays


def headers(path: Path) -> Keys:
    """Return the shape and the type of every array of a .npz file, from the headers alone.

    Raises InputError for a damaged file, and for arrays that are larger than what the file holds of them.
    """
    with _opened(path) as archive:
        return _headers(path, archive)


def _headers(path: Path, archive: zipfile.ZipFile) -> Keys:
    found: Keys = {}
    parts = archive.infolist()
    if len(parts) > _MOST_PARTS:
        raise InputError(f"{path}: {len(parts):,} files in it, at most {_MOST_PARTS:,} are read")
    for part in parts:
        if not part.filename.endswith(".npy"):
            continue
        key = part.filename.removesuffix(".npy")
        if key in found:
            raise InputError(f"{path}: two arrays are called {key!r}: write the file anew")
        if part.compress_type not in _COMPRESSIONS:
            raise InputError(
                f"{path}: {key}: compressed in a way that NumPy does not use: write the file anew with "
                "numpy.savez_compressed"
            )
        found[key] = _header(path, archive, part)
    return found


def _header(
    path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of one array; only the file's first bytes are read, however long a header says it is."""
    with archive.open(part) as file:
        start = file.read(_HEADER_START)
        stated = int.from_bytes(start[8:10] if start[6:7] == b"\1" else start[8:], "little")
        stream = io.BytesIO(start + file.read(min(stated, _HEADER_BYTES)))
    shape, _, dtype = read_header(stream)
    bytes_there = part.file_size - stream.tell()
    damaged = any(isinstance(length, bool) or length < 0 for length in shape)
    if damaged or (math.prod(shape) * dtype.itemsize > bytes_there and not dtype.hasobject):
        raise InputError(
            f"{path}: {part.filename}: says that it has shape {shortened(str(list(shape)))}, but there are "
            f"{bytes_there:,} bytes of it: truncated or damaged"
        )
    return shape, dtype


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a .npz file for a ``with`` block; errors in reading it become InputError."""
    try:
        with open_regular(path) as stream:
            if not zipfile.is_zipfile(stream):
                check_pointer(path)
                raise InputError(f"{path}: truncated, damaged or not a .npz file")
            with zipfile.ZipFile(stream) as archive:
                yield archive
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'truncated or damaged'}") from None
    except Exception as error:  # zip, zlib and the header's parser raise errors of different classes
        if "allow_pickle" in str(error):
            raise InputError(f"{path}: refused: it holds Python objects, not numbers") from None
        raise InputError(f"{path}: truncated or damaged: {type(error).__name__}") from None
