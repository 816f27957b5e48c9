"""Scores of the native engine: run with `pytest tests/native/test_evaluation.py`."""

from dataclasses import replace

import numpy as np
import pytest

from native.problems import named, needs_kernels
from prunescope.data import Images
from prunescope.observables.removal import remove_first_layer_nodes

pytestmark = needs_kernels
# images, of which a thousand are scored at a time; classes: 2, 10, 70
NAMES = [
    "u=1, several pieces of rows",
    "u=0.3, blocks",
    "u=0.3, floats",
    "dead, dense",
    "narrower than a vector",
]
COUNTS = (1300, 1000, 65, 1)


def trained(name, isa=None, steps=3, count=1300):
    made = named(name, count=count).changed(lr=0.05)
    own, its, network = made.native(isa), made.torch(), made.reference()
    for step in range(steps):
        batch = made.batch(step, 77)
        own.step(batch)
        its.step(batch)
        network.step(made.inputs(batch), batch.labels, 0.05)
    return made, own, its, network


def bounds(logits, labels, place, margin=1e-4):
    """How many labels are surely, and how many perhaps, among the ``place`` largest logits."""
    own = logits[np.arange(len(labels)), labels][:, None]
    others = np.arange(logits.shape[1]) != labels[:, None]
    sure = ((logits > own - margin) & others).sum(1) < place
    perhaps = ((logits > own + margin) & others).sum(1) < place
    return int(sure.sum()), int(perhaps.sum())


@pytest.mark.parametrize("name", NAMES)
def test_counts_and_losses_are_those_of_the_reference_and_of_torch(isa, name):
    made, own, its, network = trained(name, isa)
    for count in COUNTS:
        images = Images(made.pixels[:count], made.labels[:count])
        inputs = made.inputs(replace(made.batch(), indices=np.arange(count)))
        logits, _ = network.forward(inputs, training=False)
        loss, _ = network.score(inputs, images.labels)
        slack = 0
        for score in (own.evaluate(images), its.evaluate(images)):
            assert score.images == count
            assert score.loss == pytest.approx(loss, rel=1e-5)
            for found, place in ((score.correct, 1), (score.correct5, 5)):
                least, most = bounds(logits, images.labels, place)
                assert least <= found <= most
                slack = max(slack, most - least)
        assert slack <= 3


@pytest.mark.parametrize("name", NAMES)
def test_the_images_that_are_right_are_those_it_counts(isa, name):
    made, own, its, network = trained(name, isa)
    for count in COUNTS:
        images = Images(made.pixels[:count], made.labels[:count])
        inputs = made.inputs(replace(made.batch(), indices=np.arange(count)))
        logits, _ = network.forward(inputs, training=False)
        second, first = np.sort(logits, axis=1)[:, -2:].T
        clear = first - second > 1e-4
        assert clear.mean() > 0.99
        for engine in (own, its):
            right = engine.right(images)
            assert (right.dtype, right.shape) == (bool, (count,))
            assert right.sum() == engine.evaluate(images).correct
            np.testing.assert_array_equal(right[clear], (logits.argmax(1) == images.labels)[clear])


@pytest.mark.parametrize("name", ["u=0.85", "dead, sparse", "u=0.05, floats"])
def test_the_images_that_a_given_model_has_right_are_those_it_counts(name):
    made, own, its, _ = trained(name)
    early = own.model()
    for step in range(3, 8):
        own.step(made.batch(step, 77))
    late = own.right(made.images)
    for engine in (own, its):
        right = engine.right(made.images, early)
        assert right.sum() == engine.evaluate(made.images, early).correct
        assert (right != late).any()
    np.testing.assert_array_equal(own.right(made.images), late)


def test_evaluation_without_batch_norm_is_that_of_torch(isa):
    made = named("u=0.3, blocks", norm="none", count=300)
    own, its = made.native(isa).evaluate(made.images), made.torch().evaluate(made.images)
    assert (own.correct, own.correct5) == (its.correct, its.correct5)
    assert own.loss == pytest.approx(its.loss, rel=1e-5)


@pytest.mark.parametrize("name", ["u=0.85", "u=0.3, blocks", "dead, sparse"])
def test_a_model_given_is_scored_without_touching_the_engine(name):
    made, own, its, _ = trained(name)
    early, score = own.model(), own.evaluate(made.images)
    for step in range(3, 8):
        own.step(made.batch(step, 77))
    late = own.state()
    arrays = late.to_arrays()
    assert own.evaluate(made.images, early) == score
    assert own.evaluate(made.images) != score
    assert all(own.state().to_arrays()[k].tobytes() == v.tobytes() for k, v in arrays.items())
    assert its.evaluate(made.images, early).loss == pytest.approx(score.loss, rel=1e-5)
    assert own.evaluate(made.images, its.model()).loss == pytest.approx(score.loss, rel=1e-5)
    later = own.model()
    own.restore(late)
    assert own.evaluate(made.images, later) == own.evaluate(made.images)


def test_a_model_that_cannot_be_scored_leaves_the_engine_as_it_was():
    made, own, _, _ = trained("u=0.3, blocks")
    before = own.state().to_arrays()
    other = own.model()
    with pytest.raises(IndexError):
        own.evaluate(Images(made.pixels, made.labels + 100), other)
    assert all(own.state().to_arrays()[k].tobytes() == v.tobytes() for k, v in before.items())


@pytest.mark.parametrize("name", ["u=0.85", "dead, sparse", "u=0.05, floats"])
def test_models_that_share_arrays_are_scored_as_each_is_alone(name):
    made, own, its, _ = trained(name)
    early = own.model()
    for step in range(3, 8):
        own.step(made.batch(step, 77))
    model, before = own.model(), own.state().to_arrays()
    width = len(model.layers[0].bias)
    models = [remove_first_layer_nodes(model, np.arange(count)) for count in (0, width, width // 2)]
    models += [remove_first_layer_nodes(model, np.arange(width // 2), "outgoing"), early, model]
    alone = [own.evaluate(made.images, one) for one in models]
    assert len(set(alone[:5])) == 5
    assert own.evaluate_each(made.images, iter(models)) == alone
    assert all(own.state().to_arrays()[k].tobytes() == v.tobytes() for k, v in before.items())
    for one, score in zip(models, its.evaluate_each(made.images, models), strict=True):
        assert score == its.evaluate(made.images, one)
    with pytest.raises(IndexError):
        own.evaluate_each(Images(made.pixels, made.labels + 100), models)
    assert all(own.state().to_arrays()[k].tobytes() == v.tobytes() for k, v in before.items())


def test_no_images_have_no_score():
    made, own, _, _ = trained("u=0.3, blocks")
    score = own.evaluate(Images(made.pixels[:0], made.labels[:0]))
    assert (score.images, score.correct, score.correct5, score.loss) == (0, 0, 0, 0.0)
    assert own.right(Images(made.pixels[:0], made.labels[:0])).shape == (0,)


def test_top_five_counts_every_class_when_there_are_fewer(isa):
    made, own, _, _ = trained("narrower than a vector", isa)
    score = own.evaluate(made.images)
    assert score.correct5 == score.images == len(made.labels)
    assert 0 < score.correct < score.images


def with_output(made, own, weight, bias):
    """The engine's model with the output layer's weights times ``weight`` and another bias."""
    model = own.model()
    last = replace(model.layers[-1], weight=model.layers[-1].weight * np.float32(weight), bias=bias)
    return replace(model, layers=(*model.layers[:-1], last))


def test_of_equal_logits_the_lower_class_comes_first(isa):
    made, own, _, _ = trained("u=0.3, blocks", isa, count=200)
    even = with_output(made, own, 0, np.zeros(10, np.float32))
    score = own.evaluate(made.images, even)
    assert score.correct == (made.labels == 0).sum()
    np.testing.assert_array_equal(own.right(made.images, even), made.labels == 0)
    assert score.correct5 == (made.labels < 5).sum()
    assert score.loss == pytest.approx(len(made.labels) * np.log(10), rel=1e-6)


@pytest.mark.parametrize("bad", [slice(None), slice(0, 1), slice(9, 10)])
def test_logits_that_are_no_numbers_are_never_right(isa, bad):
    made, own, its, _ = trained("u=0.3, blocks", isa, count=200)
    bias = np.zeros(10, np.float32)
    bias[bad] = np.nan
    model = with_output(made, own, 1, bias)
    score = own.evaluate(made.images, model)
    # NaN counts as the largest, as in torch: what is beside it is not right either
    assert score.correct == 0
    if bad == slice(None):
        assert score.correct5 == 0
    else:
        right = made.labels != np.flatnonzero(np.isnan(bias))[0]
        images = Images(made.pixels[right], made.labels[right])
        assert 0 < own.evaluate(images, model).correct5 == its.evaluate(images, model).correct5 < right.sum()
        assert own.evaluate(Images(made.pixels[~right], made.labels[~right]), model).correct5 == 0
    assert np.isnan(score.loss)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_that_are_not_finite_give_a_loss_that_says_so(value):
    made, own, _, _ = trained("u=0.05, floats", count=100)
    pixels = made.pixels.copy()
    pixels[:, :] = value
    score = own.evaluate(replace(made.images, pixels=pixels))
    assert np.isnan(score.loss)
    assert score.correct == score.correct5 == 0


def test_huge_logits_do_not_overflow(isa):
    made, own, _, _ = trained("u=0.3, blocks", isa, count=130)
    bias = np.array([3e37, *np.zeros(9)], np.float32)
    score = own.evaluate(made.images, with_output(made, own, 1, bias))
    zeros = int((made.labels == 0).sum())
    assert score.correct == zeros
    assert score.loss == pytest.approx(3e37 * (130 - zeros), rel=1e-5)
