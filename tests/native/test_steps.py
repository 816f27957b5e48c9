"""Steps of the native engine against float64 references and the torch engine: `pytest tests/native/test_steps.py`."""

from dataclasses import replace

import numpy as np
import pytest

from engine_cases import distance, numbers, parameters
from native.problems import FIELDS, PROBLEMS, RATE, UNNORMED, error, gradients, named, needs_kernels
from prunescope.mask import Mask
from prunescope.model import Ticket
from reference import autograd

pytestmark = needs_kernels
SIZES = (65, 20, 130, 64, 77)  # of batches, one after the other; none but 64 fills its tiles


@pytest.mark.parametrize("name", PROBLEMS)
def test_gradients_are_those_of_the_reference(isa, name):
    made = named(name)
    loss, expected, _ = made.reference().gradients(made.inputs(made.batch()), made.labels)
    engine = made.native(isa)
    engine.step(made.batch())
    assert engine.take_loss() == pytest.approx(loss, rel=1e-6)
    assert error(gradients(made.ticket.applied_to(made.model), engine.model()), expected) < 2e-5


@pytest.mark.parametrize("name", UNNORMED)
def test_gradients_without_batch_norm_are_those_of_autograd(isa, name):
    made = named(name, norm="none")
    loss, expected = autograd.gradients(made.model, made.ticket, made.inputs(made.batch()), made.labels)
    engine = made.native(isa)
    engine.step(made.batch())
    assert engine.take_loss() == pytest.approx(loss, rel=1e-6)
    assert error(gradients(made.ticket.applied_to(made.model), engine.model()), expected) < 2e-5


# (torch normalises a pixel that does not vary within a batch to rounding noise times 1e5, the kernels to 0)
@pytest.mark.parametrize("name", [name for name in PROBLEMS if "constant" not in name])
def test_five_steps_are_those_of_the_torch_engine_and_of_the_reference(isa, name):
    made = named(name, count=400).changed(lr=0.05)
    own, its, network = made.native(isa), made.torch(), made.reference()
    read = made.read_and_live()
    for step, size in enumerate(SIZES):
        batch = made.batch(step, size)
        own.step(batch)
        its.step(batch)
        loss = network.step(made.inputs(batch), batch.labels, 0.05)
        assert own.take_loss() == pytest.approx(loss, rel=1e-5)
        assert its.take_loss() == pytest.approx(loss, rel=1e-5)
        found, expected = own.model(), its.model()
        assert distance(parameters(numbers(found)), parameters(numbers(expected))) < 1e-5
        assert distance(parameters(numbers(found)), parameters(network.layers)) < 1e-5
        for a, b, exact, inputs in zip(found.layers, expected.layers, network.averages, read, strict=True):
            for which, field in enumerate(("mean", "variance")):
                values = getattr(a, field)[inputs]
                np.testing.assert_allclose(values, getattr(b, field)[inputs], rtol=1e-4, atol=1e-6)
                np.testing.assert_allclose(values, exact[which][inputs], rtol=1e-4, atol=1e-6)


def test_a_live_unit_that_is_constant_within_a_batch_does_no_harm(isa):
    made = named("constant in the batch")
    first, second = (np.array(mask.array) for mask in made.ticket.masks)
    first[:2] = False
    first[0, 1] = first[1, [1, 2]] = True
    second[3:, :2] = True
    ticket = Ticket((Mask(first), Mask(second)), tuple(np.ones_like(b) for b in made.ticket.biases))
    made = replace(made, ticket=ticket)
    loss, expected, seen = made.reference().gradients(made.inputs(made.batch()), made.labels)
    assert (seen[1]["variance"][:2] < 1e-30).all()
    engine = made.native(isa)
    engine.step(made.batch())
    # in float32 its normalised value is rounding noise times 1e5, here as in the torch engine
    assert engine.take_loss() == pytest.approx(loss, rel=1e-3)
    found = gradients(ticket.applied_to(made.model), engine.model())
    assert error(found[2:], expected[2:]) < 1e-2


def test_five_steps_without_batch_norm_are_those_of_the_torch_engine(isa):
    made = named("u=0.3, blocks", norm="none", count=400).changed(lr=0.05)
    own, its = made.native(isa), made.torch()
    for step, size in enumerate(SIZES):
        own.step(made.batch(step, size))
        its.step(made.batch(step, size))
        assert own.take_loss() == pytest.approx(its.take_loss(), rel=1e-5)
        assert distance(parameters(numbers(own.model())), parameters(numbers(its.model()))) < 1e-5


def test_pixels_and_the_same_network_inputs_as_floats_give_the_same_step(isa):
    made = named("u=0.3, blocks")
    rows = made.inputs(made.batch()).astype(np.float32)
    models = []
    for pixels in (made.pixels, rows):
        engine = made.native(isa)
        batch = made.batch()
        engine.step(type(batch)(pixels, batch.indices, batch.labels))
        models.append(gradients(made.ticket.applied_to(made.model), engine.model()))
    assert error(*models) < 2e-5


def test_bytes_and_floats_may_take_turns(isa):
    made = named("u=0.3, blocks", count=130).changed(lr=0.05)
    rows = made.inputs(made.batch()).astype(np.float32)
    mixed, bytes_only = made.native(isa), made.native(isa)
    for step in range(4):
        batch = made.batch(step, 70)
        bytes_only.step(batch)
        mixed.step(type(batch)(rows if step % 2 else made.pixels, batch.indices, batch.labels))
    assert distance(*(parameters(numbers(e.model())) for e in (mixed, bytes_only))) < 1e-5


def test_an_image_may_be_in_a_batch_more_than_once(isa):
    made = named("u=0.02, rows")
    batch = made.batch(1, 30)
    twice = type(batch)(made.pixels, np.tile(batch.indices, 2), np.tile(batch.labels, 2))
    models = []
    for one in (batch, twice):
        engine = made.native(isa)
        engine.step(one)
        models.append(gradients(made.ticket.applied_to(made.model), engine.model()))
    assert error(*models) < 2e-5


def test_pruned_weights_and_biases_stay_zero(isa):
    for name in ("u=0.85", "u=0.3, blocks"):
        made = named(name).changed(lr=RATE)
        engine = made.native(isa)
        engine.step(made.batch())
        for layer, mask, bias in zip(
            engine.model().layers, made.ticket.masks, made.ticket.biases, strict=False
        ):
            assert not layer.weight[~mask.array].any()
            assert layer.weight[mask.array].all()
            assert not layer.bias[~bias].any()
            assert not bias.all()


def test_a_step_moves_every_kind_of_parameter():
    made = named("u=0.85").changed(lr=0.05)
    engine = made.native()
    engine.step(made.batch())
    for before, after in zip(numbers(made.model), numbers(engine.model()), strict=True):
        assert all((before[f] != after[f]).mean() > 0.4 for f in FIELDS)
