"""Named arrays in one file: safetensors, checked by a digest, written whole then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from prunescope.errors import InputError
from prunescope.model import Arrays

DIGEST = "sha256"
TEMPORARY = ".tmp"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``; moved over it, synced, when the block ends well, else removed.

    A crash at any moment leaves the old file or the new one, whole.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; only for one who knows that nobody writes."""
    for left in folder.rglob(f".*{TEMPORARY}"):
        left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_arrays(path: Path, arrays: Arrays, metadata: Mapping[str, str] | None = None) -> None:
    """Write named arrays and string metadata as safetensors, with a digest over both."""
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    notes = dict(metadata or {})
    data = save(whole, metadata={**notes, DIGEST: _digest(whole, notes)})
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Read what write_arrays wrote.

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
        raise InputError(f"{path}: damaged ({str(error).splitlines()[0]})") from None
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
