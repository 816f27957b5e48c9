"""How much slower steps are while several runs go at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from prunescope.experiment import Experiment
from prunescope.model import initial, layer_sizes
from prunescope.runs import clock
from prunescope.runs.sample_images import SampleImages
from prunescope.runs.trials.random_masks import random_ticket
from prunescope.training.engine import Engine
from prunescope.training.levels import UpdateRule

CROWDED_DENSITY, CROWDED_SECONDS = 0.1, 0.3


def crowding(experiment: Experiment, sample: SampleImages, at_once: int, update_rule: UpdateRule) -> float:
    """Measure how many times longer a step takes while ``at_once`` runs go at a time, at least 1.

    The other runs are threads that do the same steps; both are measured at CROWDED_DENSITY.
    """
    import torch

    from prunescope.training import make_engine
    from prunescope.training.torch.threads import torch_threads

    dataset, train = sample.dataset, experiment.train
    sizes = layer_sizes(len(dataset.mean), experiment.network.hidden, len(dataset.classes))
    model = initial(sizes, experiment.network.norm, 0)
    ticket = random_ticket(sizes, CROWDED_DENSITY)
    batch = dataset.draw(0, 0, 0, train.batch, train.sampling)

    def an_engine() -> Engine:
        engine = make_engine(experiment, dataset.mean, dataset.live_pixels, update_rule)
        engine.start(model, ticket)
        engine.step(batch)
        return engine

    over = threading.Event()

    def other() -> None:
        # Each thread has its own number.
        torch.set_num_threads(experiment.run.threads or torch.get_num_threads())
        engine = an_engine()
        while not over.is_set():
            engine.step(batch)

    with torch_threads(experiment.run.threads):
        engine = an_engine()
        alone = _median(lambda: engine.step(batch))
        others = [threading.Thread(target=other, daemon=True) for _ in range(at_once - 1)]
        for thread in others:
            thread.start()
        crowded = _median(lambda: engine.step(batch))
        over.set()
        for thread in others:
            thread.join()
    return max(crowded / alone, 1.0)


def _median(act: Callable[[], object]) -> float:
    """Return the median time of ``act`` over CROWDED_SECONDS, or over three times where they are longer."""
    times: list[float] = []
    until = clock.now() + CROWDED_SECONDS
    while len(times) < 3 or clock.now() < until:
        began = clock.now()
        act()
        times.append(clock.now() - began)
    return float(np.median(times))
