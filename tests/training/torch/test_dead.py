"""Dead units and pixels in the torch engine: run with `pytest tests/training/torch/test_dead.py`."""

from dataclasses import replace

import numpy as np
import pytest

import tiny
from engine_cases import Recorder, check_scores, dying_ticket, masked, noisy, numbers, train
from prunescope.model import Model, Ticket, initial
from prunescope.training.torch.engine import TorchEngine
from reference import network as reference

RATE = 0.1
PRECISIONS = ["float32", "bf16"]


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


@pytest.fixture(scope="module")
def dying(data):
    sizes = (len(data.mean), 12, 10, 3)
    return noisy(initial(sizes, "before", 0), 1), dying_ticket(sizes)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("norm", ["before", "after"])
def test_biases_of_dead_units_do_not_move(data, dying, optimizer, norm, precision):
    model, ticket = dying
    model = noisy(initial((len(data.mean), 12, 10, 3), norm, 0), 1)
    descent = {"optimizer": optimizer, "lr": 0.01, "precision": precision}
    experiment = tiny.experiment(network={"norm": norm}, train=descent)
    engine = TorchEngine(experiment, data.mean, data.live_pixels)
    train(engine, data, model, ticket, 50)
    trained = engine.model()
    np.testing.assert_array_equal(trained.layers[0].bias[:2], model.layers[0].bias[:2])
    np.testing.assert_array_equal(trained.layers[1].bias[:1], model.layers[1].bias[:1])
    # nor do their weights, but the constant they send does
    np.testing.assert_array_equal(
        trained.layers[0].weight[1], ticket.masks[0].array[1] * model.layers[0].weight[1]
    )
    # (with the norm after the maps, only that into the output map: the next norm takes a shift out)
    sender, unit = (2, 0) if norm == "before" else (1, 0)
    assert trained.layers[sender].beta[unit] != model.layers[sender].beta[unit]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_dead_units_send_the_constant_beta(data, dying, precision):
    model, ticket = dying
    engine = TorchEngine(tiny.experiment(train={"precision": precision}), data.mean, data.live_pixels)
    train(engine, data, model, ticket, 30)
    trained = engine.model()
    # Whatever bias a dead unit has, the network is the same: only its β counts.
    other = [replace(layer, bias=layer.bias.copy()) for layer in trained.layers]
    other[0].bias[:2] += 5
    other[1].bias[0] += 5
    found = engine.evaluate(data.validation)
    assert engine.evaluate(data.validation, Model(tuple(other))) == found
    other = [replace(layer, beta=layer.beta.copy()) for layer in trained.layers]
    other[1].beta[:2] += 5
    assert engine.evaluate(data.validation, Model(tuple(other))).loss != pytest.approx(found.loss, rel=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("biases", [True, False])
def test_accuracy_stays_that_of_the_reference_when_units_and_pixels_die(data, dying, biases, precision):
    model, ticket = dying
    if not biases:
        ticket = Ticket(ticket.masks, tuple(np.zeros_like(b) for b in ticket.biases))
    engine = Recorder(tiny.experiment(train={"precision": precision}), data.mean, data.live_pixels)
    train(engine, data, model, ticket, 60)
    network = reference.Network(numbers(engine.started), data.live_pixels)
    masked(network, ticket)
    assert [list(np.flatnonzero(~live)) for live in network.live()] == [list(tiny.DEAD_PIXELS), [0, 1], [0]]
    for x, labels in engine.batches:
        network.step(x, labels, RATE)
    check_scores(engine, network, data, precision)


def test_a_validation_image_that_moves_a_dead_pixel_changes_nothing(data, dying):
    engine = TorchEngine(tiny.experiment(), data.mean, data.live_pixels)
    train(engine, data, dying[0], dying[1], 20)
    pixels = data.validation.pixels.copy()
    pixels[:, list(tiny.DEAD_PIXELS)] = 200
    moved = replace(data.validation, pixels=pixels)
    assert engine.evaluate(moved) == engine.evaluate(data.validation)
