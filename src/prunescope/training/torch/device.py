"""The device that torch computes on: whether it is there, its name and memory, and what its errors mean.

The messages of CUDA are those of torch and of NVIDIA's runtime, "CUDA Runtime API, Error handling".
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import torch

from prunescope.errors import InputError, first_line
from prunescope.experiment.device import read_device
from prunescope.experiment.wording import shown
from prunescope.memory import available_memory

Fault = Literal["memory", "device", "other"]

AMPERE = (8, 0)  # the compute capability from which cards multiply in tf32 and bf16
# What messages of torch hold when memory is short, in lower case.
SHORT_OF_MEMORY = ("out of memory", "_alloc_failed", "can't allocate memory", "cannot allocate memory")
# What they begin with, or hold, when the device has reported an error.
OF_DEVICE = re.compile(
    r"\b(cuda|hip|xpu|mps)( driver| runtime)? error\b|triton error \[|cublas_status_|cudnn_status_|cusparse_status_"
    r"|gpu is lost|fallen off the bus"
)
# Errors that a device survives: of recording, of compiling, and of a call that was refused.
SURVIVED = (
    "captur",
    "operation not permitted",
    "operation not supported",
    "no kernel image",
    "kernel image is invalid",
    "ptx",
    "named symbol not found",
    "invalid argument",
    "invalid value",
    "invalid configuration argument",
    "invalid device ordinal",
    "invalid resource handle",
    "invalid device function",
    "too many resources requested",
    "graph update",
    "cublas_status_not_supported",
    "cublas_status_invalid_value",
    "cudnn_status_not_supported",
    "cudnn_status_bad_param",
)


class DeviceMemoryError(InputError):
    """Raised when what a run needs does not fit into the memory of its device."""


class DeviceLostError(RuntimeError):
    """Raised when a device has failed: this process can compute nothing more on it."""


def open_device(name: str) -> torch.device:
    """Return the device of a value of ``run.device``; raise InputError, in one line, where it is not there.

    A first number is computed on it, which starts its driver and takes some of its memory for this process.
    """
    device = find_device(name)
    if device.type == "cpu":
        return device
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        raise InputError(f"run.device is {shown(name)}: {_unusable(name, error)}") from None
    device_name(name)  # while the device can tell it
    return device


def on_device(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Return a context in which a CUDA device is the current one, on which Triton's kernels and recordings run."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


def find_device(name: str) -> torch.device:
    """Return the device of a value of ``run.device`` without using it; raise InputError, in one line, where none is found."""
    wanted, refused = read_device(name), f"run.device is {shown(name)}"
    if wanted.kind == "cpu":
        return torch.device("cpu")
    if wanted.kind == "cuda":
        if reason := why_no_cuda():
            raise InputError(f"{refused}: {reason}; use cpu")
        if wanted.index is not None and wanted.index >= torch.cuda.device_count():
            raise InputError(f"{refused}: {_cards()}")
    elif wanted.kind in ("mps", "xpu") and not _is_available(wanted.kind):
        raise InputError(f"{refused}: torch {torch.__version__} has no such device here; use cpu")
    try:
        return torch.device(name)
    except RuntimeError:
        raise InputError(f"{refused}: torch has no such device here; use cpu") from None


def check_device(name: str, precision: str, *, use: bool = True) -> None:
    """Raise InputError, in one line, for a device that is not there or that has no products in ``precision``.

    With ``use`` a number is computed on it, as ``open_device`` does.
    """
    device = open_device(name) if use else find_device(name)
    if precision == "float32" or (precision == "bf16" and device.type != "cuda"):
        return
    refused = f"train.precision={precision}"
    if device.type != "cuda":
        raise InputError(f"{refused} needs an NVIDIA card; run.device is {name!r}: use float32 or bf16")
    capability = torch.cuda.get_device_capability(device)
    if capability < AMPERE:
        raise InputError(
            f"{refused} needs compute capability 8.0 (Ampere); {device_name(name)} has {capability[0]}.{capability[1]}: "
            "use float32"
        )


def why_no_cuda() -> str:
    """Return why torch can use no CUDA card here, as a clause; empty where it can."""
    if not torch.backends.cuda.is_built():
        return f"torch {torch.__version__} was built without CUDA"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The reason is said below.
        if torch.cuda.is_available() and torch.cuda.device_count():
            return ""
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            said = first_line(error)
            number = re.search(
                r"Error \d+: .*", said
            )  # what NVIDIA's runtime itself says, after advice of torch
            reason = (number[0] if number else re.split(r"\.\s", said)[0]).rstrip(".")
        else:
            reason = "no CUDA card is here"
    return reason if named is None else f"{reason} (CUDA_VISIBLE_DEVICES is {named[:100]!r})"


@functools.cache
def device_name(name: str) -> str:
    """Return what a device is called: the card's own name, such as "NVIDIA H100 80GB HBM3", else its kind, such as "cpu".

    The name is asked for once, when the device is opened, so that it is known of a card that has failed since.
    """
    kind = read_device(name).kind
    if kind == "cuda":
        return torch.cuda.get_device_name(torch.device(name))
    if kind == "xpu":
        return str(torch.xpu.get_device_name(torch.device(name)))
    return kind


def driver_versions(name: str) -> dict[str, str]:
    """Return the versions beside torch's own that decide what a device computes; empty for a CPU."""
    if read_device(name).kind != "cuda":
        return {}
    runtime = {"cuda": torch.version.cuda, "hip": torch.version.hip, "triton": None}
    with contextlib.suppress(PackageNotFoundError):
        runtime["triton"] = version("triton")
    return {package: number for package, number in runtime.items() if number}


def free_memory(name: str) -> int:
    """Return the bytes that this process can still take on a device, those that torch keeps for itself included."""
    kind = read_device(name).kind
    if kind != "cuda":
        return available_memory()
    device = torch.device(name)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def fault(error: BaseException) -> Fault:
    """Return what an error of torch means: "memory", too little of it; "device", one that has failed; or "other".

    "other" includes failed captures and compilations, after which the device computes on.
    """
    if isinstance(error, getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)):
        return "memory"
    if not isinstance(error, RuntimeError):
        return "other"
    said = str(error).lower()
    if any(text in said for text in SHORT_OF_MEMORY):
        return "memory"
    kinds = (getattr(torch, "AcceleratorError", torch.cuda.CudaError), torch.cuda.CudaError)
    of_device = isinstance(error, kinds) or OF_DEVICE.search(said)
    return "device" if of_device and not any(text in said for text in SURVIVED) else "other"


@contextlib.contextmanager
def device_errors(name: str) -> Iterator[None]:
    """Let errors of torch in the block say in one line what happened on the device and what to do.

    Too little memory becomes DeviceMemoryError, a device that has failed DeviceLostError; others are raised as they are.
    Nothing is asked of a device that has failed.
    """
    try:
        yield
    except RuntimeError as error:
        kind = fault(error)
        if kind == "memory":
            raise DeviceMemoryError(_too_little(name, error)) from error
        if kind == "device":
            raise DeviceLostError(
                f"{_called(name)} failed: {_plainly(error)}; what was saved is kept: the same command goes on from there"
            ) from error
        raise


def _too_little(name: str, error: RuntimeError) -> str:
    """Return what did not fit, how much memory there is, and what to do."""
    asked = _asked(str(error))
    needed = f"{_gigabytes(asked)} more were needed" if asked else _plainly(error)
    with contextlib.suppress(RuntimeError, AssertionError):
        needed = f"{needed}, {_gigabytes(free_memory(name))} are free"
    if read_device(name).kind == "cpu":
        return f"there is too little memory: {needed}; use a smaller train.batch or a smaller network"
    return (
        f"there is too little memory on {_called(name)}: {needed}; free some and run the same command to go on from what was "
        "saved, or use another card, run.device=cpu or a smaller train.batch"
    )


def _asked(text: str) -> int:
    """Return the bytes that a message about memory says were asked for, 0 where it does not say."""
    units = {"": 1, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "k": 1e3, "m": 1e6, "g": 1e9}
    if found := re.search(r"ried to allocate ([\d.]+) ?([kmgt]i?)?(?:b|bytes)\b", text, re.IGNORECASE):
        return int(float(found[1].rstrip(".")) * units.get((found[2] or "").lower(), 1))
    return 0


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e9:.3f} GB"


def _called(name: str) -> str:
    """Return a device's name as far as it is known: a card that has failed may not tell it any more."""
    try:
        return f"{device_name(name)} ({name})" if read_device(name).kind != "cpu" else "the CPU"
    except (RuntimeError, AssertionError):
        return name


def _plainly(error: BaseException) -> str:
    """Return the first line of an error of torch, without advice for those who write kernels."""
    return first_line(error).removesuffix(".")


def _cards() -> str:
    names = [f"cuda:{index} ({device_name(f'cuda:{index}')})" for index in range(torch.cuda.device_count())]
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}"


def _is_available(kind: str) -> bool:
    backend = getattr(torch, kind, None) if kind == "xpu" else getattr(torch.backends, kind, None)
    return backend is not None and bool(backend.is_available())


def _unusable(name: str, error: BaseException) -> str:
    """Return why a device that is there cannot be used."""
    said = str(error).lower()
    if isinstance(error, RuntimeError) and fault(error) == "memory":
        return f"{_called(name)} has no memory left, other programs have it; use another card, or cpu"
    if "no kernel image" in said:
        major, minor = torch.cuda.get_device_capability(torch.device(name))
        return (
            f"torch {torch.__version__} was not built for {_called(name)}, of compute capability {major}.{minor}; "
            "install one that was, or use cpu"
        )
    if read_device(name).kind == "cuda":
        return f"{_called(name)} cannot be used ({_plainly(error)}); use another card, or cpu"
    return "torch has no such device here; use cpu"
