"""This module locks files: one process at a time, of all machines that share the folder, holds a lock.

A lock ends with its process.
"""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path


class Locked(Exception):
    """The error that another process holds a lock."""


@contextlib.contextmanager
def held(path: Path, wait: float | None = 0, *, remove: bool = False) -> Iterator[None]:
    """Hold the lock of file ``path`` while the block runs.

    The file is made where there is none, and the block may end in another thread than it began. ``wait``: seconds to
    wait for a process that holds the lock, None to wait without end. ``remove``: delete the file at the end. Raises
    Locked when the lock is still held after the wait, OSError where the file cannot be made.
    """
    from filelock import FileLock, Timeout  # It is imported only where it is needed, since that takes 50 ms.

    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, "not a file that can be locked", str(path))
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=-1 if wait is None else wait)
    except Timeout:
        raise Locked(f"{path}: another process holds this lock") from None
    try:
        yield
    finally:
        if remove:
            # The file goes while it is held: processes that wait for it notice that (filelock 3.21) and make another.
            path.unlink(missing_ok=True)
        lock.release()


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of file ``path``; False where there is no such file.

    A file that may only be read can be asked too: another user, or another machine, may hold its lock.
    """
    if not path.is_file():
        return False
    try:
        with held(path):
            return False
    except Locked:
        return True
    except OSError:
        return _is_held_by_others(path)


def _is_held_by_others(path: Path) -> bool:
    """Return whether a lock is held whose file may not be written here; False where that cannot be told."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
