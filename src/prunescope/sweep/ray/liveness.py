"""The liveness lock of a sweep: a locked file in the folder of its runs that tells other machines that the sweep goes on.

It also shows that they see the same folder and that locks there hold from machine to machine, which is what keeps two of
them from writing one run.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from prunescope.locks import held, is_held

PREFIX = ".sweep-"


class LivenessLock:
    """A lock that is held until this process releases it or ends; those of killed sweeps in ``folder`` are removed."""

    def __init__(self, folder: Path) -> None:
        for left in folder.glob(f"{PREFIX}*"):
            if not is_held(left):
                left.unlink(missing_ok=True)
        self.path = folder / f"{PREFIX}{uuid.uuid4().hex}"
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(held(self.path, remove=True))

    def release(self) -> None:
        """Release the lock, which says that the sweep ends. Doing it again changes nothing."""
        self._lock.close()
        self.path.unlink(missing_ok=True)  # whoever tested the lock in between may have made the file again

    def __enter__(self) -> LivenessLock:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def storage_problem(path: Path) -> str:
    """Return why runs cannot be written beside other machines, for a liveness lock that is held; empty when they can."""
    folder = path.parent
    if not folder.is_dir():
        return f"{folder}: no such folder there; --out must be on storage that all nodes see"
    if not path.is_file():
        return f"{folder}: is another folder there; --out must be on storage that all nodes see"
    if not os.access(folder, os.W_OK):
        return f"{folder}: cannot be written there"
    if not is_held(path):
        return f"{folder}: locks do not hold between nodes; mount it so that flock does (NFS 4, Lustre with -o flock)"
    return ""
