"""The machine's processor, cores and versions, which are stored beside measured times."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

PROCESSORS = Path("/proc/cpuinfo")


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor(listing: Path = PROCESSORS) -> str:
    """Return the processor's name, as ``listing`` (Linux) or the platform gives it."""
    if listing.is_file():
        for line in listing.read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def machine_facts(threads: int, quick: bool) -> dict[str, Any]:
    """Return the processor, cores, threads used and versions, and whether the measurement was the ``quick`` one."""
    import numpy
    import torch

    return {
        "processor": processor(),
        "cores": cores(),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_instructions": torch.backends.cpu.get_cpu_capability(),
        "numpy": numpy.__version__,
        "quick": quick,
    }
