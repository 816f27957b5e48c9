"""The training of one level, and the engines that execute its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from prunescope.experiment import Experiment
    from prunescope.mask import BoolArray
    from prunescope.training.engine import Engine


def make_engine(experiment: Experiment, mean: np.ndarray, live_pixels: BoolArray) -> Engine:
    """The engine that ``run.engine`` names.

    ``mean`` float32 [n0] is the mean image in pixel units, ``live_pixels`` bool [n0] is False
    for pixels that never vary. Raises InputError for a device that is not there.
    """
    from prunescope.training.torch_engine import TorchEngine

    return TorchEngine(experiment, mean, live_pixels)
