"""The device that torch computes on: whether it is there, its name and its memory."""

from __future__ import annotations

import torch

from prunescope.errors import InputError
from prunescope.memory import available_memory


def open_device(name: str) -> torch.device:
    """Return the device of a value of ``run.device``; raise InputError, in one line, where it is not there."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # This fails on "meta", whose tensors hold no values.
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(f"run.device is {name!r}: torch has no such device here; use cpu") from None
    return device


def device_name(name: str) -> str:
    """Return what a device is called: the card's own name, such as "NVIDIA H100 80GB HBM3", else its kind, such as "cpu"."""
    device = torch.device(name)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def free_memory(name: str) -> int:
    """Return the bytes that this process can still take on a device, those that torch keeps for itself included."""
    device = torch.device(name)
    if device.type != "cuda":
        return available_memory()
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept
