"""Arrays are written to and read from safetensors files, whole and with a digest that reveals damage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prunescope.errors import InputError, first_line
from prunescope.files import write_bytes
from prunescope.model import Arrays

DIGEST = "sha256"


def write_arrays(path: Path, arrays: Arrays, metadata: Mapping[str, str] | None = None) -> None:
    """Write named arrays and string metadata to a safetensors file, with a digest over both.

    The file appears whole or not at all.
    """
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    notes = dict(metadata or {})
    data = save(whole, metadata={**notes, DIGEST: _digest(whole, notes)})
    write_bytes(path, data)


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Read the arrays and the metadata that write_arrays wrote.

    Raises InputError for a missing or damaged file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            notes = dict(file.metadata() or {})
            names = list(file.keys())
            arrays = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged ({first_line(error)})") from None
    expected = notes.pop(DIGEST, None)
    if expected != _digest(arrays, notes):
        raise InputError(f"{path}: damaged (its contents do not match their checksum)")
    return arrays, notes


def _digest(arrays: Arrays, notes: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(dict(notes), sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}:{array.dtype}:{array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
