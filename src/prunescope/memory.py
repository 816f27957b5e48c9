"""The memory that is there, which what a file or a command asks for must fit into."""

from __future__ import annotations

import os
from pathlib import Path

from prunescope.errors import InputError

MEMORY_FACTS = Path("/proc/meminfo")
CONTROL_GROUP = Path("/sys/fs/cgroup")


def check_memory(needed: int, what: str) -> None:
    """Raise InputError when ``needed`` bytes are more than is available; ``what`` begins the sentence.

    It is meant to be called before the bytes are taken: what is too large for the memory is refused in one line, where
    the operating system would end the process.
    """
    available = available_memory()
    if needed > available:
        raise InputError(
            f"{what} would take {needed / 1e9:,.1f} GB of memory; {available / 1e9:,.1f} GB are available"
        )


def available_memory() -> int:
    """Return the bytes that processes may take without swapping: what is free, or the container's limit."""
    free = _free_memory()
    limit, used = (_number(CONTROL_GROUP / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else min(free, max(limit - used, 0))


def _free_memory() -> int:
    if MEMORY_FACTS.is_file():
        for line in MEMORY_FACTS.read_text("ascii", "replace").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _number(path: Path) -> int | None:
    """Return the number in a file; None when there is no such file or it says ``max``."""
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
