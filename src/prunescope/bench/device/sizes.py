"""Define what ``bench --device`` measures on a device, on the paper's network, in full or quickly."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import get_args

from prunescope.experiment.fields import Train

# In order of worth: where time is short, the last are left out.
PLAIN_PRECISIONS = ("tf32", "bf16", "float32")


def engine_precisions() -> tuple[str, ...]:
    """Return the values that ``train.precision`` takes, in the order in which they are measured."""
    known = get_args(Train.model_fields["precision"].annotation)
    return tuple(sorted(known, key=lambda name: (*PLAIN_PRECISIONS, name).index(name)))


@dataclass(frozen=True)
class DevicePoint:
    """A network to measure: ``classes``, density ``u`` of the hidden layers, and the share of units that are ``alive``.

    Where ``alive`` is below 1, the kept weights lie among so many of each layer's units, as pruning leaves them.
    """

    classes: int
    u: float
    alive: float = 1.0


@dataclass(frozen=True)
class DeviceSizes:
    """The sizes of the benchmark of a device; ``points`` are in order of worth.

    ``rounds``: the number of alternations. ``block``: the steps of a turn. ``large``: the side of the square product
    by which the device's rate is measured, and ``copied``: the bytes of the copy. ``compiled``: whether plain PyTorch
    is also compiled. ``levels`` of ``level_steps`` steps with an evaluation every ``eval_every`` are a sequence, each
    pruned by ``rate``.
    """

    shape: tuple[int, int, int] = (3, 32, 32)
    hidden: tuple[int, ...] = (1024, 1024, 1024)
    batch: int = 1000
    images: int = 200_000
    validation: int = 10_000
    heldout: int = 40_000
    rounds: int = 7
    block: int = 100
    points: tuple[DevicePoint, ...] = (
        *(DevicePoint(1000, u) for u in (0.1, 1.0, 0.01)),
        DevicePoint(10, 0.1),
        DevicePoint(1000, 0.01, alive=0.3),
        *(DevicePoint(1000, u) for u in (0.34, 0.03)),
        *(DevicePoint(10, u) for u in (1.0, 0.01, 0.34, 0.03)),
    )
    compiled: bool = True
    large: int = 8192
    copied: int = 2**30
    levels: int = 21
    level_steps: int = 100_000
    eval_every: int = 100
    rate: float = 0.3

    @property
    def most_classes(self) -> int:
        """The largest number of classes measured, with which alone plain PyTorch is compiled."""
        return max(point.classes for point in self.points)


DEVICE_FULL = DeviceSizes()
DEVICE_QUICK = replace(DEVICE_FULL, rounds=5, points=DEVICE_FULL.points[:5])
DEVICE_TINY = DeviceSizes(
    shape=(3, 4, 4),
    hidden=(24, 20),
    batch=30,
    images=300,
    validation=60,
    heldout=60,
    rounds=2,
    block=4,
    points=(DevicePoint(7, 0.3), DevicePoint(7, 1.0), DevicePoint(3, 0.3, alive=0.5)),
    compiled=False,
    large=64,
    copied=2**12,
)


@dataclass(frozen=True)
class DeviceRequest:
    """What is asked of a benchmark of a device; after ``seconds``, what remains is left out and named."""

    device: str = "cuda"
    sizes: DeviceSizes = DEVICE_FULL
    seconds: float = math.inf
    quick: bool = False
