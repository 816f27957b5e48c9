"""What steps of training take under random masks of a few densities, and the evaluation of an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from prunescope.model import initial
from prunescope.runs import clock
from prunescope.runs.trials.random_masks import random_ticket
from prunescope.runs.trials.scaled_down import TIMED_WORK
from prunescope.training.engine import Engine
from prunescope.training.levels import Setting

if TYPE_CHECKING:
    from prunescope.data import Batch

DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01)
MEASURED_STEPS = 4
LONG_SECONDS = 1.0
SCORED_IMAGES = 1000
# On a device with a memory of its own, so many steps and images are timed in one go, so often.
DEVICE_STEPS, DEVICE_IMAGES, DEVICE_REPEATS = 100, 10_000, 3
DEVICE_DRAWN_BYTES = 100_000_000  # of batches that are drawn before they are timed


@dataclass(frozen=True)
class StepTimes:
    """What steps take: seconds of an update and of an evaluated image at each of DENSITIES, and before the first update.

    ``once``: those before the first update of the first level, beyond the ``level_start`` of every level.
    """

    step: tuple[float, ...]
    image: tuple[float, ...]
    once: float = 0.0
    level_start: float = 0.0


def step_times(setting: Setting, engine: Engine) -> StepTimes:
    """Measure the seconds of an update with its batch, and of the evaluation of an image, at each of DENSITIES."""
    dataset, train = setting.dataset, setting.experiment.train
    assert dataset is not None
    model = initial(setting.sizes, setting.experiment.network.norm, 0)
    weights = sum(a * b for a, b in pairwise(setting.sizes))
    images = dataset.validation.first(min(SCORED_IMAGES, max(TIMED_WORK // weights, 1)))
    steps, scores = [], []
    for density in DENSITIES:
        engine.start(model, random_ticket(setting.sizes, density))

        def update(step: int) -> None:
            engine.step(dataset.draw(0, 0, step, train.batch, train.sampling))
            engine.take_loss()  # This waits for devices that work asynchronously.

        steps.append(_shortest(update, MEASURED_STEPS))
        scores.append(_shortest(lambda step: engine.evaluate(images), 1) / max(len(images), 1))
    return StepTimes(tuple(steps), tuple(scores))


def device_step_times(setting: Setting, engine: Engine) -> StepTimes:
    """Measure steps on a device, which takes them in blocks and works while the host draws the batches that come next."""
    dataset, train = setting.dataset, setting.experiment.train
    assert dataset is not None
    model = initial(setting.sizes, setting.experiment.network.norm, 0)
    images = dataset.validation.first(DEVICE_IMAGES)
    block = max(min(engine.block, train.eval_every), 1)
    steps, scores, begins = [], [], []
    for density in DENSITIES:
        began = clock.now()
        engine.start(model, random_ticket(setting.sizes, density))
        started = clock.now() - began
        batches, drawing = _drawn(setting, max(block, DEVICE_STEPS))

        def update(repeat: int, batches: Sequence[Batch] = batches) -> None:
            for begin in range(0, len(batches), block):
                engine.steps(batches[begin : begin + block])
            engine.take_loss()  # This waits for the device.

        began = clock.now()
        update(0)
        whole = clock.now() - began
        each = _shortest(update, DEVICE_REPEATS) / len(batches)
        begins.append(started + max(whole - each * len(batches), 0.0))
        # Engines that take blocks are drawn for by a thread.
        steps.append(max(each, drawing) if engine.block > 1 else each + drawing)
        scores.append(_shortest(lambda repeat: engine.evaluate(images), DEVICE_REPEATS) / max(len(images), 1))
    level_start = float(np.median(begins[1:]))
    return StepTimes(tuple(steps), tuple(scores), max(begins[0] - level_start, 0.0), level_start)


def _drawn(setting: Setting, count: int) -> tuple[list[Batch], float]:
    """Return batches of ``count`` steps, or of as many as DEVICE_DRAWN_BYTES hold, and the seconds that one takes."""
    dataset, train = setting.dataset, setting.experiment.train
    assert dataset is not None
    batch = dataset.draw(0, 0, 0, train.batch, train.sampling)
    if len(batch.pixels) == len(batch.indices):  # The batch has its own images.
        count = max(min(count, DEVICE_DRAWN_BYTES // max(batch.pixels.nbytes, 1)), 1)
    began = clock.now()
    batches = [dataset.draw(0, 0, step, train.batch, train.sampling) for step in range(1, count + 1)]
    return batches, (clock.now() - began) / count


def _shortest(act: Callable[[int], object], repeats: int) -> float:
    """Return the shortest of ``repeats`` times of ``act`` after one that is not counted.

    The shortest time is the least disturbed by other processes. No more is measured after LONG_SECONDS.
    """
    times: list[float] = []
    for number in range(1 + repeats):
        began = clock.now()
        act(number)
        times.append(clock.now() - began)
        if sum(times) > LONG_SECONDS:
            break
    return min(times[1:] or times)
