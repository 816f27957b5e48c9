"""What this machine has to share among runs: cores, memory, disk, CUDA devices."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from prunescope.runs.machine import cores as cores

MEMORY_FACTS = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that new processes may take without swapping: what is free, or the container's limit."""
    free = _free_memory()
    limit, used = (_number(GROUP / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else min(free, max(limit - used, 0))


def _free_memory() -> int:
    if MEMORY_FACTS.is_file():
        for line in MEMORY_FACTS.read_text("ascii", "replace").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _number(path: Path) -> int | None:
    """The number in a file; None when there is no such file or it says ``max``."""
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def free_disk(folder: Path) -> int:
    """Bytes free where ``folder`` is, or will be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def cuda_devices() -> list[str]:
    """CUDA devices this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]
