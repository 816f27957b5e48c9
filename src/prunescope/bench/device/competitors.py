"""Make what competes on a device, by worth, and check that it computes the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch

from prunescope.bench.device.plain import ResidentPlain, ResidentSet
from prunescope.bench.device.sizes import PLAIN_PRECISIONS, DeviceSizes, engine_precisions
from prunescope.bench.problem import RATE, Problem
from prunescope.data import Batch
from prunescope.experiment import Experiment, build
from prunescope.model import Model, Ticket
from prunescope.training import make_engine
from prunescope.training.engine import Engine

# How torch.compile is asked, by the kind of competitor: with CUDA graphs, and without.
COMPILE_MODES = {"compiled": "reduce-overhead", "compiled-default": "default"}
ALL_COMPILED = 4  # in each plain precision with graphs, and without in the first
# How far a loss of the first steps may be from that of plain PyTorch in float32, by precision.
LOSS_TOLERANCES = {"float32": 1e-3, "tf32": 1e-2, "bf16": 3e-2}


class BlockTrainer(Protocol):
    """The interface of what is timed on a device: it takes a block of steps at once."""

    def start(self, model: Model, ticket: Ticket) -> None: ...

    def steps(self, batches: Sequence[Batch]) -> None: ...

    def take_loss(self) -> float: ...


@dataclass(frozen=True)
class EngineTrainer:
    """Trains with an engine, in blocks."""

    engine: Engine

    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level with this model and ticket."""
        self.engine.start(model, ticket)

    def steps(self, batches: Sequence[Batch]) -> None:
        """Make one update on each batch."""
        take_steps(self.engine, batches)

    def take_loss(self) -> float:
        """Return the mean training loss of the steps since the last call."""
        return self.engine.take_loss()


def take_steps(engine: Engine, batches: Sequence[Batch]) -> None:
    """Make one update on each batch, in the largest blocks that the engine takes."""
    for start in range(0, len(batches), engine.block):
        engine.steps(batches[start : start + engine.block])


@dataclass(frozen=True)
class Competitor:
    """What competes: its ``kind`` (plain, compiled, compiled-default or torch), a precision, and how to make it."""

    kind: str
    precision: str
    make: Callable[[], BlockTrainer]

    @property
    def name(self) -> str:
        """The kind and the precision, as in tables."""
        return f"{self.kind} {self.precision}"

    @property
    def compiled(self) -> bool:
        """Whether it is compiled when it begins its first level, which takes long."""
        return self.kind in COMPILE_MODES


def device_experiment(sizes: DeviceSizes, device: str, precision: str) -> Experiment:
    """Make the experiment for which an engine is made: plain SGD, batch norm before every map."""
    return build(
        {
            "name": "bench",
            "network": {"hidden": list(sizes.hidden)},
            "train": {"steps": sizes.level_steps, "batch": sizes.batch, "lr": RATE, "precision": precision},
            "prune": {"rewind_step": 0, "rate": sizes.rate},
            "run": {"engine": "torch", "device": device},
        }
    )


def checked_device(sizes: DeviceSizes, name: str) -> torch.device:
    """Return the device of this name; raise InputError, as an engine does, where torch has none here."""
    n_in = int(np.prod(sizes.shape))
    make_engine(
        device_experiment(sizes, name, "float32"), np.zeros(n_in, np.float32), np.ones(n_in, np.bool_)
    )
    return torch.device(name)


def competitors(sizes: DeviceSizes, device: str, problem: Problem, data: ResidentSet) -> Iterator[Competitor]:
    """Yield what competes, in order of worth; plain float32, with which all are compared, comes first."""

    live = np.ones(len(problem.mean), np.bool_)

    def engine(precision: str) -> EngineTrainer:
        return EngineTrainer(make_engine(device_experiment(sizes, device, precision), problem.mean, live))

    def plain(precision: str, mode: str | None = None) -> ResidentPlain:
        return ResidentPlain(data, precision, mode)

    cuda = torch.device(device).type == "cuda"
    engines, plains = (  # TF32 is a format of GPUs
        [name for name in names if cuda or name != "tf32"]
        for names in (engine_precisions(), PLAIN_PRECISIONS)
    )
    yield Competitor("plain", "float32", partial(plain, "float32"))
    for name in dict.fromkeys((*PLAIN_PRECISIONS, *engines)):
        if name in engines:
            yield Competitor("torch", name, partial(engine, name))
        if name in plains and name != "float32":
            yield Competitor("plain", name, partial(plain, name))
    if sizes.compiled and problem.layers[-1] == sizes.most_classes:
        for kind, mode in COMPILE_MODES.items():
            for name in plains[: 3 if kind == "compiled" else 1]:
                yield Competitor(kind, name, partial(plain, name, mode))
