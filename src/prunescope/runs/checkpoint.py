"""A checkpoint holds the state of a run inside a level, as a value and as the arrays of checkpoint.safetensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.model import Arrays
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


def saved_step(run: Path) -> int:
    """Return the step inside a level that the checkpoint of a run directory was made at; 0 without a readable one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(
            run / "checkpoint.safetensors", "numpy"
        ) as file:  # One array is read, not the whole state.
            return int(file.get_tensor("loop/progress")[0])
    except (SafetensorError, OSError, ValueError):
        return 0
