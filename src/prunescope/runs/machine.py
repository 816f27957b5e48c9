"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

PROCESSORS = Path("/proc/cpuinfo")


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor(listing: Path = PROCESSORS) -> str:
    """The processor's name."""
    if listing.is_file():
        for line in listing.read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def machine_facts(threads: int, quick: bool) -> dict[str, Any]:
    """Processor, cores, threads used, versions, and whether the measurement was the quick one."""
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
