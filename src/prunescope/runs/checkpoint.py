"""A checkpoint holds the state of a run inside a level, as a value and as the arrays of checkpoint.safetensors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.errors import damaged, first_line
from prunescope.model import PARAMETERS, Arrays
from prunescope.runs.arrays import check_header
from prunescope.runs.record import LARGEST
from prunescope.runs.stored_arrays import RunSizes, check_model
from prunescope.training.loop import Progress
from prunescope.training.state import EngineState, under


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a level needs to go on; ``seconds`` is the time spent on it so far."""

    progress: Progress
    engine: EngineState
    seconds: float

    def to_arrays(self) -> Arrays:
        """Return named arrays: ``loop/progress`` …, ``engine/layer1.weight`` …, ``seconds`` [1]."""
        arrays = {f"loop/{name}": array for name, array in self.progress.to_arrays().items()}
        arrays |= {f"engine/{name}": array for name, array in self.engine.to_arrays().items()}
        return arrays | {"seconds": np.array([self.seconds], np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Arrays, level: int) -> Checkpoint:
        """Read a checkpoint inside ``level`` from what to_arrays returned."""
        return cls(
            progress=Progress.from_arrays(under(arrays, "loop/"), level),
            engine=EngineState.from_arrays(under(arrays, "engine/")),
            seconds=float(arrays["seconds"][0]),
        )


def read_checkpoint(path: Path, arrays: Arrays, level: int, sizes: RunSizes) -> Checkpoint:
    """Return the state inside a level of a file of its arrays; raise InputError when it is damaged."""
    try:
        found = Checkpoint.from_arrays(arrays, level)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise damaged(path, f"no state of a level in it: {first_line(error)}") from None
    progress, engine = found.progress, found.engine
    for model in (engine.model, progress.best_model, progress.kept):
        if model is not None:
            check_model(path, model, sizes)
    parameters = [getattr(layer, name).shape for layer in engine.model.layers for name in PARAMETERS]
    for moments in engine.moments:
        if [moment.shape for moment in moments] != parameters or any(m.dtype != np.float32 for m in moments):
            raise damaged(path, "the optimiser's moments have other sizes than the model")
    numbers = (found.seconds, progress.best, engine.loss_sum)
    counts = (progress.step, progress.best_step, engine.steps, engine.loss_steps)
    if not all(map(math.isfinite, numbers)) or min(counts) < 0 or max(counts) > LARGEST or found.seconds < 0:
        raise damaged(path, "numbers that no level comes to")
    return found


def saved_step(run: Path) -> int:
    """Return the step inside a level that the checkpoint of a run directory was made at; 0 without a readable one."""
    from safetensors import safe_open

    path = run / "checkpoint.safetensors"
    try:
        check_header(path)
        with safe_open(path, "numpy") as file:  # One array is read, not the whole state.
            return max(int(file.get_tensor("loop/progress")[0]), 0)
    except Exception:
        return 0
