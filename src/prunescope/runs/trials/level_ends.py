"""What the end of a level takes under random masks of a few densities: what is measured then, and written."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prunescope.model import initial, layer_sizes
from prunescope.runs import clock
from prunescope.runs.resource_checks import weights_of
from prunescope.runs.trials.counting_engine import CountingEngine
from prunescope.runs.trials.random_masks import random_ticket
from prunescope.runs.trials.steps import DEVICE_IMAGES
from prunescope.training.engine import Engine, Score
from prunescope.training.levels import Level, Setting, UpdateRule

if TYPE_CHECKING:
    from prunescope.data import Dataset, Images

END_DENSITIES = (1.0, 0.3, 0.03)  # shuffles, which a dense mask has none of, are dearest in between
END_IMAGES = 2000  # the images that a level's end is measured with; as many as kurtosis takes
END_WEIGHTS = 50_000  # a first layer of more weights is measured by as many units as have so many
LONG_END_SECONDS = 5.0  # after a level's end of more seconds no other one is measured

_warm: list[
    bool
] = []  # True once a level's end was measured, because the first one does work that is done once


@dataclass(frozen=True)
class EndTimes:
    """What the ends of levels take: seconds at each of END_DENSITIES with so many ``images``, evaluations of each set.

    ``saving``: the seconds of writing a checkpoint, 0.0 where that was not measured.
    """

    seconds: tuple[float, ...]
    validation: float
    heldout: float
    images: int = END_IMAGES
    saving: float = 0.0


def end_times(setting: Setting, update_rule: UpdateRule) -> EndTimes:
    """Measure what happens at the end of a level, on few images and, of a wide network, few units."""
    whole = setting.dataset
    assert whole is not None
    dataset = replace(
        whole, validation=whole.validation.first(END_IMAGES), heldout=whole.heldout.first(END_IMAGES)
    )
    most = max(END_WEIGHTS // setting.sizes[0], 16)
    warm_up = () if _warm else (END_DENSITIES[-1],)
    _warm.append(True)
    times, counted = _seconds_of_ends(
        replace(setting, dataset=dataset), most, (*warm_up, *END_DENSITIES), update_rule
    )
    seconds = np.array(times[len(warm_up) :])
    whole_weights, weights = _hidden_weights(setting.sizes), _hidden_weights(_narrow(setting, most).sizes)
    if whole_weights > weights:
        # What images take does not grow with the units; twice the units tell how much that is.
        twice, _ = _seconds_of_ends(
            replace(setting, dataset=dataset), 2 * most, END_DENSITIES[1:2], update_rule
        )
        grown = _hidden_weights(_narrow(setting, 2 * most).sizes) / weights
        each = min(max((twice[0] - seconds[1]) / (grown - 1), 0.0), seconds[1])  # what ``weights`` take
        fixed = np.minimum(seconds[1] - each, seconds)
        seconds = fixed + (seconds - fixed) * whole_weights / weights
    return EndTimes(tuple(seconds.tolist()), *_evaluations(counted, dataset))


def _evaluations(counted: list[Images], dataset: Dataset) -> tuple[int, int]:
    """Return how many of the evaluations ``counted`` were of the validation and of the held-out images."""
    validation, heldout = (
        sum(images is every for images in counted) for every in (dataset.validation, dataset.heldout)
    )
    return validation, heldout


def device_end_times(setting: Setting, update_rule: UpdateRule) -> EndTimes:
    """Measure what happens at the end of a level on a device, on all units: there, times do not grow with these."""
    from prunescope.runs.stored_bytes import checkpoint_bytes
    from prunescope.training import make_engine

    whole = setting.dataset
    assert whole is not None
    # What is evaluated is counted, and what is measured takes ROWS of validation images at a time.
    dataset = replace(
        whole, validation=whole.validation.first(DEVICE_IMAGES), heldout=whole.heldout.first(DEVICE_IMAGES)
    )
    setting = replace(setting, dataset=dataset)
    engine = CountingEngine(make_engine(setting.experiment, dataset.mean, dataset.live_pixels, update_rule))
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, density in enumerate((END_DENSITIES[-1], *END_DENSITIES)):  # The first one warms up.
            engine.counted.clear()
            began = clock.now()
            _one_end(setting, engine, density, Path(folder) / str(number))
            times.append(clock.now() - began)
            if number and times[-1] > LONG_END_SECONDS:
                break
        # The checkpoint at a level's end has the state alone; inside a level there are up to two more models.
        more = checkpoint_bytes(setting.experiment, setting.sizes)
        began = clock.now()
        written = _write_checkpoint(engine, Path(folder) / "checkpoint.safetensors")
        saving = (clock.now() - began) * max(more / written, 1.0)
    measured = times[1:]
    seconds = (*measured, *[measured[-1]] * (len(END_DENSITIES) - len(measured)))
    return EndTimes(seconds, *_evaluations(engine.counted, dataset), len(dataset.validation), saving)


def _write_checkpoint(engine: Engine, path: Path) -> int:
    """Write the state of an engine as a checkpoint does; return its bytes."""
    from prunescope.runs.arrays import write_arrays
    from prunescope.runs.checkpoint import Checkpoint
    from prunescope.training.loop import Progress

    write_arrays(path, Checkpoint(Progress(), engine.state(), 0.0).to_arrays())
    return path.stat().st_size


def _narrow(setting: Setting, most: int) -> Setting:
    """Return the setting with at most so many units a hidden layer."""
    hidden = tuple(min(width, most) for width in setting.experiment.network.hidden)
    network = setting.experiment.network.model_copy(update={"hidden": hidden})
    experiment = setting.experiment.model_copy(update={"network": network})
    return replace(
        setting, experiment=experiment, sizes=layer_sizes(setting.sizes[0], hidden, setting.sizes[-1])
    )


def _seconds_of_ends(
    setting: Setting, most: int, densities: tuple[float, ...], update_rule: UpdateRule
) -> tuple[list[float], list[Images]]:
    """Measure the ends of levels of these densities with at most so many units: seconds, evaluations."""
    from prunescope.training import make_engine

    narrow, dataset = _narrow(setting, most), setting.dataset
    assert dataset is not None
    engine = CountingEngine(make_engine(narrow.experiment, dataset.mean, dataset.live_pixels, update_rule))
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for number, density in enumerate(densities):
            engine.counted.clear()
            began = clock.now()
            _one_end(narrow, engine, density, Path(folder) / str(number))
            times.append(clock.now() - began)
    return times, engine.counted


def _hidden_weights(sizes: tuple[int, ...]) -> int:
    """Return the number of weights of the hidden layers."""
    return sum(a * b for a, b in pairwise(sizes[:-1]))


def _one_end(setting: Setting, engine: Engine, density: float, folder: Path) -> None:
    """Do what the driver does at the end of a level of this density, on random weights."""
    from prunescope.runs.arrays import write_arrays
    from prunescope.runs.columns import LevelEnd
    from prunescope.runs.level_measurements import level_observations, level_rows
    from prunescope.runs.packed_weights import is_packed, packed
    from prunescope.training.loop import Evaluation, Trained

    dataset, steps = setting.dataset, setting.experiment.train.steps
    assert dataset is not None
    ticket = random_ticket(setting.sizes, density)
    model = initial(setting.sizes, setting.experiment.network.norm, 0)
    engine.start(model, ticket)
    model = engine.model()  # Its pruned weights are 0.
    last = Evaluation(1, steps, 0.0, Score(len(dataset.validation), 0, 0, 0.0))
    trained = Trained(model, model, 0.0, steps - 1, model, last, ticket, ticket)
    level = Level(1, ticket, model, steps, density)
    observed = level_observations(level, trained, setting, engine)
    end = LevelEnd(
        level=level, trained=trained, dataset=dataset, observed=observed, seconds=0.0, engine=engine.name
    )
    folder.mkdir()
    _write_checkpoint(engine, folder / "checkpoint.safetensors")
    packs = is_packed(setting.experiment.run.weights, weights_of(setting.sizes))

    def write() -> None:
        weights = packed(model.to_arrays())[0] if packs else model.to_arrays()
        write_arrays(folder / "masks.safetensors", ticket.to_arrays())
        write_arrays(folder / "weights.safetensors", weights)
        write_arrays(folder / "observations.safetensors", observed)

    with ThreadPoolExecutor(1) as beside:
        written = beside.submit(write)
        level_rows(end)
        written.result()
