"""The experiment that trials take times with: the one that is estimated, or a smaller one in place of a huge one."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.experiment import Experiment
from prunescope.runs.device_memory import on_device
from prunescope.runs.resource_checks import weights_of

# What is timed is at most so large: weights, weights times images of a batch, and pixels of a batch.
TIMED_WEIGHTS, TIMED_WORK, TIMED_PIXELS = 50_000_000, 20_000_000_000, 20_000_000
TIMED_UNITS = 50_000  # of hidden layers
DEVICE_TIMES = 100  # how many times more is timed as it is on a device with a memory of its own


@dataclass(frozen=True)
class Timed:
    """An experiment to take times with, and how many times longer a step and an image take in the one that it stands for."""

    experiment: Experiment
    step: float = 1.0
    image: float = 1.0
    assumed: tuple[str, ...] = ()


def timed(experiment: Experiment, n_in: int, classes: int) -> Timed:
    """Return the experiment to take times with: this one, or one of narrower layers and smaller batches where it is huge.

    Without that, the time for a plan would grow with the experiment. Nothing of up to TIMED_WEIGHTS weights and TIMED_WORK
    weights times images is made smaller, DEVICE_TIMES as much on a device.
    """
    hidden, batch = experiment.network.hidden, experiment.train.batch
    times = DEVICE_TIMES if on_device(experiment) else 1
    most_weights, most_work, most_units = times * TIMED_WEIGHTS, times * TIMED_WORK, times * TIMED_UNITS
    weights = narrow = _weights(n_in, hidden, classes)
    while (narrow > most_weights or sum(hidden) > most_units) and max(hidden) > 1:
        share = min(max(most_weights / narrow, 0.5), max(most_units / sum(hidden), 0.5))
        share = min(share, 0.9)
        hidden = tuple(max(int(share * width), 1) for width in hidden)
        narrow = _weights(n_in, hidden, classes)
    few = min(batch, max(most_work // narrow, 2)) if batch * narrow > most_work else batch
    few = min(few, max(times * TIMED_PIXELS // (n_in + sum(hidden)), 2))
    if (narrow, few) == (weights, batch):
        return Timed(experiment)
    changed = {
        "network": experiment.network.model_copy(update={"hidden": hidden}),
        "train": experiment.train.model_copy(update={"batch": few}),
    }
    text = f"times in proportion to those of {narrow:,} weights and batches of {few:,} images"
    factors = weights * batch / (narrow * few), weights / narrow
    return Timed(experiment.model_copy(update=changed), *factors, (text,))


def _weights(n_in: int, hidden: tuple[int, ...], classes: int) -> int:
    return weights_of((n_in, *hidden, classes))
