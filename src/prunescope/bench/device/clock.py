"""Measure how long work takes on a device, beside how long the host waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Measured:
    """The seconds of some work: ``device`` by the device's own events, ``wall`` by the host's clock."""

    device: float
    wall: float


@dataclass(frozen=True)
class DeviceClock:
    """Measures work on a device: by CUDA events where it is CUDA, and by the host's clock elsewhere."""

    device: torch.device

    def measure(self, work: Callable[[], object]) -> Measured:
        """Do the work, wait for the device, and return what it took."""
        import torch

        if self.device.type != "cuda":
            wall = self._wall(work)
            return Measured(wall, wall)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.wait()
        began = time.perf_counter()
        begin.record()
        work()
        end.record()
        self.wait()
        return Measured(begin.elapsed_time(end) / 1000, time.perf_counter() - began)

    def median(self, work: Callable[[], object], rounds: int) -> float:
        """Return the median of the device's seconds over ``rounds``, after one that does not count."""
        work()
        return median(self.measure(work).device for _ in range(rounds))

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _wall(self, work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


@dataclass(frozen=True)
class Deadline:
    """The time at which measuring ends, by time.monotonic."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline so many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """The seconds that are left; negative once it has passed."""
        return self.at - time.monotonic()
