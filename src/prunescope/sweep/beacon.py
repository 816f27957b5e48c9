"""Beacon: a locked file in the folder of a sweep's runs, by which other machines see that the sweep goes on.

It also shows that they see the same folder, and that locks there hold from machine to machine, which is what keeps
two of them from writing one run.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = ".sweep-"


class Beacon:
    """Lit as long as this process lives and does not put it out. Those of killed sweeps in ``folder`` are removed."""

    def __init__(self, folder: Path) -> None:
        for left in folder.glob(f"{PREFIX}*"):
            if not is_lit(left):
                left.unlink(missing_ok=True)
        self.path = folder / f"{PREFIX}{uuid.uuid4().hex}"
        self._lock = FileLock(self.path, thread_local=False)
        self._lock.acquire()

    def put_out(self) -> None:
        """Say that the sweep ends."""
        if self._lock.is_locked:
            self.path.unlink(missing_ok=True)
            self._lock.release()
            self.path.unlink(missing_ok=True)  # somebody looked in between

    def __enter__(self) -> Beacon:
        return self

    def __exit__(self, *error: object) -> None:
        self.put_out()


def is_lit(path: Path) -> bool:
    """Whether the sweep of this beacon goes on. May be asked on any machine."""
    if not path.is_file():
        return False
    with contextlib.suppress(Timeout), FileLock(path, timeout=0):
        return False
    return True


def unfit(path: Path) -> str:
    """Why runs cannot be written here beside other machines, for a beacon that is lit; empty when they can."""
    folder = path.parent
    if not folder.is_dir():
        return f"{folder}: no such folder there; --out must be on storage that all nodes see"
    if not path.is_file():
        return f"{folder}: is another folder there; --out must be on storage that all nodes see"
    if not os.access(folder, os.W_OK):
        return f"{folder}: cannot be written there"
    if not is_lit(path):
        return f"{folder}: locks do not hold between nodes; mount it so that flock does (NFS 4, Lustre with -o flock)"
    return ""
