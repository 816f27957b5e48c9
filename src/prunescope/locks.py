"""Locks: files that one process at a time holds, on every machine that sees the folder; a lock ends with its process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


class Locked(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def held(path: Path, wait: float | None = 0, *, remove: bool = False) -> Iterator[None]:
    """Hold the lock of file ``path``, which is made, while the block runs, in whichever thread the block ends.

    ``wait``: seconds to wait for another that holds it, None without end. ``remove``: delete the file at the end. Raises
    Locked when the wait was in vain, OSError where the file cannot be made.
    """
    from filelock import FileLock, Timeout  # on demand: 50 ms

    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=-1 if wait is None else wait)
    except Timeout:
        raise Locked(f"{path}: another process holds this lock") from None
    try:
        yield
    finally:
        if remove:
            # while it is held: those that wait for this file notice that it is gone (filelock 3.21) and make another
            path.unlink(missing_ok=True)
        lock.release()


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of file ``path``; False where there is no such file."""
    if not path.is_file():
        return False
    try:
        with held(path):
            return False
    except Locked:
        return True
