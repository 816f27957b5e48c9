"""This module writes files so that a crash at any moment leaves the whole old file or the whole new one, and opens
files that others made so that nothing but a regular file is read."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from prunescope.errors import InputError

TEMPORARY = ".tmp"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and replace ``path`` by what was written there when the block ends.

    The temporary file is synced to the disk first. It is removed, and ``path`` left as it was, when the block raises.
    A symbolic link is followed, so that the file it leads to is replaced and the link stays. Raises InputError where
    ``path`` is something else than a regular file, such as a device or a directory, and OSError with the name of
    ``path`` where the disk is full.
    """
    target, path = path, Path(os.path.realpath(path))
    _check_regular(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, name):
            raise OSError(error.errno, error.strerror, str(target)) from error
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


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read its bytes, following links.

    Raises InputError, at once, for what would wait or never end: a pipe, a device, a socket; and for a directory. Raises
    OSError, with the path, where the file is missing or may not be read.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_mode(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _check_regular(path: Path) -> None:
    """Raise InputError where there is something at ``path`` that is not a regular file."""
    with contextlib.suppress(FileNotFoundError):
        _check_mode(path, path.stat().st_mode)


def _check_mode(path: Path, mode: int) -> None:
    kinds = {
        stat.S_ISDIR: "directory",
        stat.S_ISFIFO: "pipe",
        stat.S_ISCHR: "device",
        stat.S_ISBLK: "device",
        stat.S_ISSOCK: "socket",
    }
    for is_kind, kind in kinds.items():
        if is_kind(mode):
            raise InputError(f"{path}: is a {kind}, not a file")


def read_limited(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file; raise InputError where it has more than ``limit`` of them."""
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{path}: damaged (more than {limit / 1e6:g} MB)")
    return data
