"""Functions shared by the methods that prune before training: the batch for scores, and one level per density."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prunescope.model import Model, Ticket, initial
from prunescope.pruning.scores import Scoring
from prunescope.pruning.traits import wanted_densities as wanted_densities
from prunescope.training.levels import Level, Procedure, Setting

# Batches are a function of (seed, level, step), and no run trains a level of this number.
SCORING_LEVEL = -1


def untrained(setting: Setting) -> Model:
    """Return the initial model of the run's seed."""
    return initial(setting.sizes, setting.experiment.network.norm, setting.seed)


def train_each(setting: Setting, start: Model, ticket_at: Callable[[float], Ticket]) -> Procedure:
    """Yield one level for each entry of ``prune.density``, numbered 1, 2, …; there is no dense level 0.

    Each level trains for ``train.steps`` steps from ``start`` under the ticket ``ticket_at(density)``. Raises
    InputError when ``prune.density`` is not given.
    """
    for number, density in enumerate(wanted_densities(setting.experiment.prune), 1):
        ticket = ticket_at(density)
        yield Level(number, ticket, start, setting.experiment.train.steps, nominal_density=density)


def scoring_batch(setting: Setting) -> Scoring:
    """Draw ``prune.score_images`` training images for scores, as a batch of training that no level uses."""
    import torch

    from prunescope.network.forward import network_inputs

    dataset, experiment = setting.dataset, setting.experiment
    assert dataset is not None
    images, sampling = experiment.prune.score_images, experiment.train.sampling
    batch = dataset.draw(setting.seed, SCORING_LEVEL, 0, images, sampling)
    rows = torch.from_numpy(np.asarray(batch.pixels[batch.indices]))
    inputs = network_inputs(rows, torch.tensor(dataset.mean)).numpy()
    return Scoring(
        inputs, batch.labels, dataset.live_pixels, experiment.network.norm, experiment.prune.score_pool
    )
