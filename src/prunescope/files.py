"""This module writes files so that a crash at any moment leaves the whole old file or the whole new one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".tmp"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and replace ``path`` by what was written there when the block ends.

    The temporary file is synced to the disk first. It is removed, and ``path`` left as it was, when the block raises.
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


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that killed writers left below a folder, into which nobody may be writing."""
    for left in folder.rglob(f".*{TEMPORARY}"):
        left.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file of bytes whole; on an error the file that was there stays."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 whole; on an error the file that was there stays."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
