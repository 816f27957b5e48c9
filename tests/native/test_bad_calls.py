"""Arrays that do not fit are refused by Python exceptions: run with `pytest tests/native/test_bad_calls.py`."""

from dataclasses import replace

import numpy as np
import pytest

from native.problems import named, needs_kernels, random_ticket
from prunescope.data import Batch, Images
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.model import Ticket
from prunescope.training.native_engine import NativeEngine

pytestmark = needs_kernels


@pytest.fixture
def made():
    return named("u=0.3, blocks").changed(lr=0.05)


@pytest.fixture
def engine(made):
    return made.native()


def states(engine):
    return {name: array.tobytes() for name, array in engine.state().to_arrays().items()}


# The engine.


def test_a_mask_without_kept_weights_is_refused(made, engine):
    first, second = made.ticket.masks
    empty = Ticket((first, Mask(np.zeros_like(second.array))), made.ticket.biases)
    with pytest.raises(InputError, match="layer 2 keeps no weight: a mask needs at least one 1"):
        engine.start(made.model, empty)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["u=0.3, floats", "u=0.85, floats"])
def test_images_that_are_not_finite_are_refused_and_change_nothing(name, value):
    made = named(name).changed(lr=0.05, optimizer="momentum")
    engine = made.native()
    engine.step(made.batch())
    before = states(engine)
    pixels = made.pixels.copy()
    pixels[-1, 7] = value
    with pytest.raises(ValueError, match="not finite"):
        engine.step(replace(made.batch(), pixels=pixels))
    assert states(engine) == before
    engine.step(made.batch())
    assert states(engine) != before


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int8, bool])
def test_images_of_another_type_are_refused(made, engine, dtype):
    pixels = made.pixels.astype(dtype)
    with pytest.raises(InputError, match="uint8 or float32 is needed"):
        engine.step(replace(made.batch(), pixels=pixels))
    with pytest.raises(InputError, match="uint8 or float32 is needed"):
        engine.evaluate(replace(made.images, pixels=pixels))


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_images_of_another_size_are_refused(made, engine, kind):
    for pixels in (made.pixels[:, :-1], np.tile(made.pixels, 2)):
        pixels = np.ascontiguousarray(pixels, kind)
        with pytest.raises(ValueError, match="number of pixels"):
            engine.step(replace(made.batch(), pixels=pixels))
        with pytest.raises(ValueError, match="number of pixels"):
            engine.evaluate(replace(made.images, pixels=pixels))
    with pytest.raises(TypeError):
        engine.step(replace(made.batch(), pixels=made.pixels.reshape(-1, 10, 60)))


@pytest.mark.parametrize("wrong", [-1, 130, 2**40, -(2**62)])
def test_rows_that_are_not_there_are_refused(made, engine, wrong):
    before = states(engine)
    batch = made.batch()
    indices = batch.indices.copy()
    indices[-1] = wrong
    with pytest.raises(IndexError, match=f"image {wrong} of 130"):
        engine.step(replace(batch, indices=indices))
    assert states(engine) == before


@pytest.mark.parametrize("wrong", [-1, 10, 2**40])
def test_labels_of_no_class_are_refused(made, engine, wrong):
    before = states(engine)
    labels = made.labels.copy()
    labels[-1] = wrong
    with pytest.raises(IndexError, match=f"label {wrong} is not one of 10 classes"):
        engine.step(replace(made.batch(), labels=labels))
    with pytest.raises(IndexError, match=f"label {wrong} is not one of 10 classes"):
        engine.evaluate(replace(made.images, labels=labels))
    assert states(engine) == before


def test_labels_and_rows_must_be_as_many(made, engine):
    with pytest.raises(ValueError, match="one label an image"):
        engine.step(replace(made.batch(), labels=made.labels[:-1]))
    with pytest.raises(ValueError, match="one label an image"):
        engine.evaluate(Images(made.pixels[:-1], made.labels))
    with pytest.raises(ValueError, match="at least one image"):
        engine.step(Batch(made.pixels, np.zeros(0, np.int64), np.zeros(0, np.int64)))


def test_arrays_in_another_order_are_taken(made):
    ours, theirs = made.native(), made.native()
    batch, doubled = made.batch(1), np.repeat(made.batch(1).indices, 2)
    ours.step(batch)
    theirs.step(Batch(np.asfortranarray(made.pixels), doubled[::2], batch.labels.astype(np.int32)))
    assert states(ours) == states(theirs)
    wide = np.repeat(made.pixels, 2, axis=1)[:, ::2]
    assert ours.evaluate(replace(made.images, pixels=wide)) == ours.evaluate(made.images)


def test_read_only_images_are_taken(made, engine):
    pixels = made.pixels.copy()
    pixels.setflags(write=False)
    engine.step(replace(made.batch(), pixels=pixels))
    assert np.isfinite(engine.take_loss())


def test_an_instruction_set_that_is_not_there_is_refused(made):
    with pytest.raises(ValueError, match="does not run the instruction set 'mmx'"):
        made.native("mmx")


def test_a_checkpoint_of_another_optimizer_is_refused(made):
    engine = made.changed(optimizer="adam").native()
    with pytest.raises(ValueError, match="2 moments of each parameter, the state 1"):
        engine.restore(made.changed(optimizer="momentum").native().state())


def test_a_checkpoint_of_another_network_is_refused(made, engine):
    other = named("u=0.85").native()
    before = engine.state()
    with pytest.raises(ValueError, match="numbers is needed"):
        engine.restore(other.state())
    engine.restore(before)


def test_without_a_level_there_is_nothing_to_train(made):
    engine = NativeEngine(made.experiment, made.mean, made.live_pixels)
    for act in (
        lambda: engine.step(made.batch()),
        lambda: engine.evaluate(made.images),
        engine.model,
        engine.state,
    ):
        with pytest.raises(RuntimeError, match="no level yet"):
            act()


def test_a_random_ticket_keeps_something():
    assert all(mask.kept for mask in random_ticket((5, 3, 3, 2), 0.0, 0).masks)
