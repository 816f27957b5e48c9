"""Models, tickets and measures that the tests of engines share."""

from dataclasses import replace

import numpy as np
import pytest

import tiny
from prunescope.mask import Mask
from prunescope.model import Model, Ticket
from prunescope.training.torch.engine import TorchEngine
from reference import network as reference

FIELDS = reference.PARAMETERS


class Recorder(TorchEngine):
    """The engine, remembering every batch as network inputs in float64, and the model after it."""

    def start(self, model, ticket):
        super().start(model, ticket)
        self.started, self.batches, self.models = self.model(), [], []

    def step(self, batch):
        super().step(batch)
        pixels = np.asarray(batch.pixels[batch.indices], np.float64)
        self.batches.append(((pixels - self._pixels.mean.numpy().astype(np.float64)) / 255, batch.labels))
        self.models.append(self.model())


def numbers(model):
    return [{name: getattr(layer, name) for name in FIELDS} for layer in model.layers]


def masked(network, ticket):
    """Give the reference a ticket's masks, the output layer's being all ones."""
    for index, (mask, bias) in enumerate(zip(ticket.masks, ticket.biases, strict=True)):
        network.masks[index], network.bias_masks[index] = mask.array, bias


def distance(found, expected):
    """‖found - expected‖ / ‖expected‖ over all arrays of a model together."""
    pairs = [
        (np.ravel(a).astype(float), np.ravel(b).astype(float)) for a, b in zip(found, expected, strict=True)
    ]
    return np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((b**2).sum() for _, b in pairs))


def parameters(layers):
    return [layer[name] for layer in layers for name in FIELDS]


# Dead units. Layer 1: unit 0 has no weight at all, unit 1 sees dead pixels only. Layer 2: unit 0 is
# fed by those two alone, so it is dead through two layers. All of them keep their biases.
def dying_ticket(sizes):
    first, second = (np.ones((n, m), bool) for n, m in ((sizes[1], sizes[0]), (sizes[2], sizes[1])))
    first[0] = False
    first[1] = False
    first[1, list(tiny.DEAD_PIXELS)] = True
    second[0, 2:] = False
    return Ticket((Mask(first), Mask(second)), tuple(np.ones(n, bool) for n in sizes[1:3]))


def noisy(model, seed):
    """Biases and norms away from where they start, so that a dead unit's constant is not 0."""
    rng = np.random.default_rng(seed)
    return Model(
        tuple(
            replace(
                layer,
                bias=rng.uniform(0.1, 1, layer.bias.shape).astype(np.float32),
                gamma=rng.uniform(0.5, 1.5, layer.gamma.shape).astype(np.float32),
                beta=rng.uniform(0.1, 1, layer.beta.shape).astype(np.float32),
            )
            for layer in model.layers
        )
    )


def check_restored(make, data, model, ticket):
    """Compare an engine that takes a state over after 7 steps with one that goes on to 12: bits, and mean losses."""
    whole, first, second = (make() for _ in range(3))
    train(whole, data, model, ticket, 12)
    train(first, data, model, ticket, 7)
    second.start(model, ticket)
    second.restore(first.state())
    for step in range(7, 12):
        second.step(data.draw(0, 0, step, 50))
    assert whole.take_loss() == second.take_loss()
    found = second.state().to_arrays()
    for name, array in whole.state().to_arrays().items():
        np.testing.assert_array_equal(array, found[name], err_msg=name)


def check_scores(engine, network, data, precision):
    """Compare the validation scores of an engine with those of the reference, float64; accuracy must be above chance."""
    pixels = (data.validation.pixels - data.mean.astype(np.float64)) / 255
    loss, accuracy = network.score(pixels, data.validation.labels)
    found = engine.evaluate(data.validation)
    assert found.loss == pytest.approx(loss, rel={"float32": 2e-5, "bf16": 0.1}[precision])
    assert found.accuracy == pytest.approx(accuracy, abs=0 if precision == "float32" else 0.05)
    assert accuracy > 0.5


def train(engine, data, model, ticket, steps, batch=50):
    engine.start(model, ticket)
    for step in range(steps):
        engine.step(data.draw(0, 0, step, batch))
