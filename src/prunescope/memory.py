"""The memory that is there, which what a file or a command asks for must fit into."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from prunescope.errors import InputError

MEMORY_FACTS = Path("/proc/meminfo")
TAKEN = Path("/proc/self/statm")
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


@contextlib.contextmanager
def limited_memory(mapped: int = 0) -> Iterator[None]:
    """Let the process take no more memory in the block than is available, and ``mapped`` bytes for a file it maps.

    For reading by other libraries, which take what a file claims: they fail with MemoryError or an error of their own,
    where the operating system would end the process.
    """
    try:
        import resource
    except ImportError:  # Windows lacks it
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = _taken() + available_memory() + mapped
    ceilings = [one for one in before if one != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([limit, *ceilings]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _taken() -> int:
    """Return the bytes of addresses that this process has taken, touched or not."""
    try:
        return int(TAKEN.read_text("ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


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
