"""train.precision=bf16 in the native engine: run with `pytest tests/native/test_bfloat16.py`."""

from dataclasses import replace

import numpy as np
import pytest

from native.problems import FIELDS, error, gradients, named, needs_kernels
from prunescope.model import Ticket
from prunescope.training.native_engine import DENSE_ABOVE
from reference import rounded

pytestmark = needs_kernels
DENSE = [
    "u=1, several pieces of rows",
    "u=1, several pieces of samples",
    "constant, dense wide",
    "u=0.85",
    "u=1, floats",
]
SPARSE = ["u=0.02, rows", "u=0.05, floats", "u=0.01, wide blocks"]


def with_biases(made):
    """All biases kept."""
    return replace(made, ticket=Ticket(made.ticket.masks, tuple(np.ones_like(b) for b in made.ticket.biases)))


def case(name):
    """The problem, and which of its maps go through BLAS."""
    if name == "constant, dense wide":
        made = named("constant, dense", sizes=(120, 40, 30, 70))
    else:
        made = named(name)
    thin = len(made.model.layers[-1].bias) < 64
    dense = [mask.density > DENSE_ABOVE["bf16"] for mask in made.ticket.masks]
    return with_biases(made), [*dense, not thin]


def emulated(made, dense):
    batch = made.batch()
    factor = 1.0 if made.pixels.dtype == np.float32 else 1 / 255
    masks = [mask.array for mask in made.ticket.masks]
    return rounded.gradients(
        made.ticket.applied_to(made.model),
        made.ticket.live_inputs(made.live_pixels),
        [*masks, np.ones_like(made.model.layers[-1].weight, bool)],
        dense,
        (batch.pixels[batch.indices], factor),
        batch.labels,
    )


def one_step(engine, made):
    engine.step(made.batch())
    return engine.take_loss(), gradients(made.ticket.applied_to(made.model), engine.model())


@pytest.mark.parametrize("name", [*DENSE, "u=0.3, wide output"])
def test_steps_are_those_of_rounded_operands(isa, name):
    made, dense = case(name)
    assert any(dense)
    loss, expected = emulated(made, dense)
    found_loss, found = one_step(made.changed(precision="bf16").native(isa), made)
    assert found_loss == pytest.approx(loss, rel=1e-5)
    # (a number whose last bit differs may be rounded to the other neighbour: where none is, they agree to 1e-6)
    closest = error(found, expected)
    assert closest < 3e-4
    _, exact, _ = made.reference().gradients(made.inputs(made.batch()), made.labels)
    assert 10 * closest < error(found, exact) < 0.2


@pytest.mark.parametrize("name", SPARSE)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_sparse_maps_are_not_rounded(isa, name, optimizer):
    made = named(name, count=130).changed(optimizer=optimizer, lr=0.01)
    plain, narrow = made.native(isa), made.changed(precision="bf16").native(isa)
    for step in range(3):
        for engine in (plain, narrow):
            engine.step(made.batch(step, 77))
    own, its = plain.state().to_arrays(), narrow.state().to_arrays()
    assert all(own[k].tobytes() == its[k].tobytes() for k in own)


@pytest.mark.parametrize("name", DENSE)
def test_evaluation_is_float32(name):
    made, _ = case(name)
    made = made.changed(lr=0.05)
    plain, narrow = made.native(), made.changed(precision="bf16").native()
    for step in range(3):
        plain.step(made.batch(step, 50))
    narrow.step(made.batch())
    scores = [e.evaluate(made.images, plain.model()) for e in (plain, narrow)]
    assert scores[0] == scores[1] == plain.evaluate(made.images)
    narrow.restore(plain.state())
    assert narrow.evaluate(made.images) == scores[0]


def test_moving_averages_are_those_of_activations_that_are_not_rounded():
    made, _ = case("u=1, several pieces of rows")
    engine = made.changed(precision="bf16").native()
    engine.step(made.batch())
    inputs = made.inputs(made.batch())
    first = engine.model().layers[0]
    np.testing.assert_allclose(first.mean, inputs.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first.variance, inputs.var(0), rtol=1e-5)


def nearly_dark(made):
    """Every other pixel is 0 in all images but a few."""
    rng = np.random.default_rng(0)
    pixels = made.pixels.copy()
    dark = rng.random(pixels[:, ::2].shape) > 0.004
    pixels[:, ::2][dark] = 0
    return replace(made, pixels=pixels)


def with_large_bias(made):
    """Ten units whose activations vary little beside their mean."""
    first, *others = made.model.layers
    weight, bias = first.weight.copy(), first.bias.copy()
    weight[:10] *= 0.01
    bias[:10] = 2
    first = replace(first, weight=weight, bias=bias, beta=0 * first.beta)
    return replace(made, model=replace(made.model, layers=(first, *others)))


# Rounded as they are, such inputs would lose to their mean the digits in which they vary.
@pytest.mark.parametrize("kind", [nearly_dark, with_large_bias])
def test_inputs_with_a_mean_far_above_their_spread_cost_no_more_than_in_torch(isa, kind):
    made = kind(with_biases(named("u=1", count=500)))
    _, expected, _ = made.reference().gradients(made.inputs(made.batch()), made.labels)
    narrow = made.changed(precision="bf16")
    errors = []
    for engine in (narrow.native(isa), narrow.torch()):
        _, found = one_step(engine, made)
        parts = [[np.concatenate([g[f].ravel() for g in x for f in FIELDS])] for x in (found, expected)]
        errors.append(float(np.linalg.norm(parts[0][0] - parts[1][0]) / np.linalg.norm(parts[1][0])))
    assert 1e-3 < errors[0] < 2 * errors[1] < 0.3


def test_without_batch_norm_the_steps_are_those_of_the_torch_engine(isa):
    made = with_biases(named("u=1, floats", norm="none", sizes=(120, 40, 30, 70)))
    own_loss, own = one_step(made.changed(precision="bf16").native(isa), made)
    its_loss, its = one_step(made.changed(precision="bf16").torch(), made)
    assert own_loss == pytest.approx(its_loss, rel=1e-5)
    assert error(own, its) < 3e-3
    _, plain = one_step(made.native(isa), made)
    assert error(own, plain) > 3e-3
