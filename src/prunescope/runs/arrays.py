"""Arrays are written to and read from safetensors files, whole and with a digest that reveals damage."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prunescope.errors import InputError, damaged, first_line
from prunescope.files import open_regular, replacing
from prunescope.memory import check_memory
from prunescope.model import Arrays

DIGEST = "sha256"
HEADER_LIMIT = 10_000_000  # bytes; that of a network of a hundred layers has 100,000
LARGE = 10_000_000  # bytes; whether smaller files fit into memory is not asked


def write_arrays(path: Path, arrays: Arrays, metadata: Mapping[str, str] | None = None) -> None:
    """Write named arrays and string metadata to a safetensors file, with a digest over both.

    The file appears whole or not at all, and its bytes are a function of what it holds.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    notes = dict(metadata or {})
    parts = serialized(whole, {**notes, DIGEST: _digest(whole, notes)})
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


def serialized(arrays: Arrays, metadata: Mapping[str, str]) -> tuple[bytes, memoryview]:
    """Return the header and the values of a safetensors file; its bytes are a function of what it holds."""
    from safetensors.numpy import save

    data = memoryview(save(arrays, metadata=dict(metadata)))
    # The library writes the metadata in an order that differs from process to process.
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(bytes(data[8:end]))
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays stay aligned
    return len(text).to_bytes(8, "little") + text, data[end:]


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Read the arrays and the metadata that write_arrays wrote.

    Raises InputError for a missing or damaged file, and for one that does not fit into memory.
    """
    from safetensors import safe_open

    try:
        check_header(path)
        with safe_open(path, "numpy") as file:
            notes = dict(file.metadata() or {})
            names = list(file.keys())
            arrays = {name: file.get_tensor(name) for name in names}
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # Types that NumPy lacks raise other errors than damage does.
        raise damaged(path, first_line(error)) from None
    expected = notes.pop(DIGEST, None)
    if expected != _digest(arrays, notes):
        raise damaged(path, "its contents do not match their checksum")
    return arrays, notes


def check_header(path: Path) -> None:
    """Raise InputError for what is no regular file, for an absurd header, and for more than the memory holds."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        header = int.from_bytes(file.read(8), "little")
    if header > min(size, HEADER_LIMIT):
        raise damaged(path, f"its header would have {header:,} bytes")
    if size > LARGE:
        check_memory(size, f"{path}")


def _digest(arrays: Arrays, notes: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(dict(notes), sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}:{array.dtype}:{array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
