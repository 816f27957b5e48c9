"""Dead pixels and units in the native engine: run with `pytest tests/native/test_dead.py`."""

from dataclasses import replace

import numpy as np
import pytest

import tiny
from engine_cases import Recorder, check_scores, dying_ticket, masked, noisy, numbers, train
from native.problems import DEAD_PIXELS, FIELDS, named, needs_kernels
from prunescope.mask import Mask
from prunescope.model import Model, Ticket, initial
from prunescope.training.native_engine import NativeEngine
from reference import network as reference

pytestmark = needs_kernels
NAMES = ["dead, sparse", "dead, dense", "dead, floats", "dead, three layers"]
PRECISIONS = ["float32", "bf16"]
DEAD_UNITS = ([0, 1], [0, 2])  # of the two layers of native.problems.dying
UNREAD_UNITS = ([2], [])


def stepped(name, steps=3, **fields):
    made = named(name, count=130).changed(**{"lr": 0.05} | fields)
    engine = made.native()
    for step in range(steps):
        engine.step(made.batch(step, 77))
    return made, engine


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_what_nothing_depends_on_does_not_move(name, optimizer, precision):
    made, engine = stepped(name, optimizer=optimizer, precision=precision)
    before, after = made.ticket.applied_to(made.model).layers, engine.model().layers
    live = made.ticket.live_inputs(made.live_pixels)
    assert [list(np.flatnonzero(~units)) for units in live[1:3]] == [*DEAD_UNITS]
    for layer, (dead, unread) in enumerate(zip(DEAD_UNITS, UNREAD_UNITS, strict=True)):
        idle = [*dead, *unread]
        np.testing.assert_array_equal(after[layer].bias[idle], before[layer].bias[idle])
        np.testing.assert_array_equal(after[layer].weight[idle], before[layer].weight[idle])
        np.testing.assert_array_equal(after[layer + 1].gamma[idle], before[layer + 1].gamma[idle])
        np.testing.assert_array_equal(after[layer + 1].beta[unread], before[layer + 1].beta[unread])
    np.testing.assert_array_equal(after[0].gamma[list(DEAD_PIXELS)], before[0].gamma[list(DEAD_PIXELS)])
    # the constant that a dead unit sends moves, and so do the weights that carry it
    assert after[1].beta[1] != before[1].beta[1]
    assert after[2].beta[0] != before[2].beta[0]
    assert (after[1].weight[3:, 1] != before[1].weight[3:, 1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_averages_of_inputs_that_count_for_nothing_stay_as_they_were(name):
    made, engine = stepped(name)
    for layer, counted in zip(engine.model().layers, made.read_and_live(), strict=True):
        assert not layer.mean[~counted].any()
        assert not layer.variance[~counted].any()
        assert layer.mean[counted].any()
        assert layer.variance[counted].any()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NAMES)
def test_dead_units_send_the_constant_beta(name, precision):
    made, engine = stepped(name, precision=precision)
    trained, found = engine.model(), engine.evaluate(made.images)
    # Whatever bias a dead unit has, the network is the same: only its β counts.
    other = [replace(layer, bias=layer.bias.copy()) for layer in trained.layers]
    other[0].bias[DEAD_UNITS[0]] += 5
    other[1].bias[DEAD_UNITS[1]] += 5
    assert engine.evaluate(made.images, Model(tuple(other))) == found
    other = [replace(layer, beta=layer.beta.copy()) for layer in trained.layers]
    other[1].beta[1] += 5
    assert engine.evaluate(made.images, Model(tuple(other))).loss != pytest.approx(found.loss, rel=1e-3)


@pytest.mark.parametrize("name", ["dead, sparse", "dead, dense"])
def test_an_image_that_moves_a_dead_pixel_changes_nothing(name):
    made, engine = stepped(name)
    moved = made.pixels.copy()
    moved[:, list(DEAD_PIXELS)] = 200
    assert engine.evaluate(replace(made.images, pixels=moved)) == engine.evaluate(made.images)
    before = engine.state()
    engine.step(made.batch(9, 65))
    as_they_were = engine.state().to_arrays()
    engine.restore(before)
    engine.step(replace(made.batch(9, 65), pixels=moved))
    found = engine.state().to_arrays()
    assert all(found[k].tobytes() == v.tobytes() for k, v in as_they_were.items())


def test_pixels_that_never_vary_count_without_batch_norm():
    made = named("dead, dense", norm="none").changed(lr=0.05)
    engine = made.native()
    found = engine.evaluate(made.images)
    moved = made.pixels.copy()
    moved[:, list(DEAD_PIXELS)] = 200
    assert engine.evaluate(replace(made.images, pixels=moved)).loss != pytest.approx(found.loss, rel=1e-4)
    assert found.loss == pytest.approx(made.torch().evaluate(made.images).loss, rel=1e-5)


def test_a_layer_whose_units_are_all_dead_leaves_a_network_of_constants():
    made = named("dead, sparse")
    second = np.zeros_like(made.ticket.masks[1].array)
    second[:, :2] = True  # all units see dead units alone
    made = replace(made, ticket=Ticket((made.ticket.masks[0], Mask(second)), made.ticket.biases))
    made = made.changed(lr=0.05)
    own, its = made.native(), made.torch()
    for step in range(3):
        own.step(made.batch(step, 65))
        its.step(made.batch(step, 65))
    for a, b in zip(numbers(own.model()), numbers(its.model()), strict=True):
        for field in FIELDS:
            np.testing.assert_allclose(a[field], b[field], rtol=1e-5, atol=1e-6)
    assert own.take_loss() == pytest.approx(its.take_loss(), rel=1e-6)
    assert own.evaluate(made.images).loss == pytest.approx(its.evaluate(made.images).loss, rel=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_accuracy_stays_that_of_the_reference_over_sixty_steps(precision):
    data = tiny.dataset()
    sizes = (len(data.mean), 12, 10, 3)
    model, ticket = noisy(initial(sizes, "before", 0), 1), dying_ticket(sizes)
    experiment = tiny.experiment(train={"precision": precision})
    recorder = Recorder(tiny.experiment(), data.mean, data.live_pixels)
    engine = NativeEngine(experiment, data.mean, data.live_pixels)
    for one in (recorder, engine):
        train(one, data, model, ticket, 60)
    network = reference.Network(numbers(recorder.started), data.live_pixels)
    masked(network, ticket)
    for x, labels in recorder.batches:
        network.step(x, labels, experiment.train.lr)
    check_scores(engine, network, data, precision)
