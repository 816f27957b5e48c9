"""The pieces of which a run's time is made, measured on a few images in a few seconds."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from prunescope.experiment import Experiment
from prunescope.model import layer_sizes
from prunescope.runs import clock
from prunescope.runs.device_memory import on_device
from prunescope.runs.sample_images import SampleImages
from prunescope.runs.trials.level_ends import END_IMAGES, device_end_times, end_times
from prunescope.runs.trials.steps import device_step_times, step_times
from prunescope.training.levels import Setting, UpdateRule

OTHER_IMPORTS = 0.5  # Python itself and the command line
ASSUMED_IMPORTS = 2.0

_imports: list[float] = []


@dataclass(frozen=True)
class Pieces:
    """The measured seconds of the pieces of a run.

    ``step`` and ``image`` have one value for each of DENSITIES: an update with its batch, and the evaluation of one
    image. ``end`` has one for each of END_DENSITIES: measuring and writing a level, without evaluations.
    ``scored_validation`` and ``scored_heldout``: how many times a level's end evaluates each set. ``start``: imports, and
    on a device what is compiled once. ``end_images``: the validation images that ``end`` was measured with, and that
    ``end`` beyond them grows with. Measured on devices alone: ``level_start``, what is done before the first step of each
    level, such as capturing a graph; ``saving``, the writing of a checkpoint.
    """

    step: tuple[float, ...]
    image: tuple[float, ...]
    end: tuple[float, ...]
    scored_validation: float
    scored_heldout: float
    start: float
    end_images: int = END_IMAGES
    level_start: float = 0.0
    saving: float = 0.0


def measured_pieces(
    experiment: Experiment,
    sample: SampleImages,
    update_rule: UpdateRule,
) -> Pieces:
    """Measure the pieces of a run of ``experiment`` on the images of ``sample``, in a few seconds."""
    start = _import_seconds()
    from prunescope.training import make_engine
    from prunescope.training.torch.threads import torch_threads

    dataset = sample.dataset
    sizes = layer_sizes(len(dataset.mean), experiment.network.hidden, len(dataset.classes))
    with torch_threads(experiment.run.threads):
        engine = make_engine(experiment, dataset.mean, dataset.live_pixels, update_rule)
        setting = Setting(experiment, sizes, 0, dataset)
        if on_device(experiment):
            steps = device_step_times(setting, engine)
            end = device_end_times(setting, update_rule)
        else:
            steps = step_times(setting, engine)
            end = end_times(setting, update_rule)
    return Pieces(
        step=steps.step,
        image=steps.image,
        end=end.seconds,
        scored_validation=end.validation,
        scored_heldout=end.heldout,
        start=start + steps.once,
        end_images=end.images,
        level_start=steps.level_start,
        saving=end.saving,
    )


def _import_seconds() -> float:
    """Return the seconds that a new process takes for imports: as measured here, else the processor time so far.

    In a process that imported everything before, what it took cannot be known, and ASSUMED_IMPORTS stands for it.
    """
    if not _imports:
        fresh = "torch" not in sys.modules
        began = clock.now()
        import polars  # noqa: F401
        import torch  # noqa: F401

        import prunescope.runs.level_measurements  # noqa: F401

        _imports.append(clock.now() - began + OTHER_IMPORTS if fresh else ASSUMED_IMPORTS)
    return _imports[0]
