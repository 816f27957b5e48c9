"""Arrays that do not fit are refused by Python exceptions: run with `pytest tests/native/test_bad_calls.py`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from native.problems import named, needs_kernels, random_ticket
from prunescope.data import Batch, Images
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.model import Ticket
from prunescope.native import kernels
from prunescope.native.blas import find_blas
from prunescope.training.native_engine import NativeEngine, instruction_sets

pytestmark = needs_kernels
NARROW = (20, 6, 4)  # pixels, units, classes


@pytest.fixture
def made():
    return named("u=0.3, blocks").changed(lr=0.05)


@pytest.fixture
def engine(made):
    return made.native()


def states(engine):
    return {name: array.tobytes() for name, array in engine.state().items()}


# The engine.


def test_a_mask_without_kept_weights_is_refused(made, engine):
    first, second = made.ticket.masks
    empty = Ticket((first, Mask(np.zeros_like(second.array))), made.ticket.biases)
    with pytest.raises(InputError, match="layer 2 keeps no weight: a mask needs at least one 1"):
        engine.start(made.model, empty)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["u=0.3, floats", "u=0.5, floats"])
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
    with pytest.raises(KeyError, match="moment"):
        engine.restore(made.changed(optimizer="momentum").native().state())


def test_a_checkpoint_of_another_network_is_refused(made, engine):
    other = named("u=0.5").native()
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


# The kernels, called as only NativeEngine calls them.


def settings(**changed):
    blas = find_blas()
    return {
        "isa": instruction_sets()[0],
        "sgemm": blas.sgemm,
        "set_threads": blas.set_threads,
        "threads": 1,
        "norm": True,
        "bf16": False,
        "rule": 0,
        "rate": 0.1,
        "momentum": 0.9,
        "epsilon": 1e-10,
        "decay": 0.99,
    } | changed


def layer(n_out, n_in, **changed):
    return {
        "mask": np.ones((n_out, n_in), np.uint8),
        "rows": np.arange(n_out, dtype=np.int32),
        "columns": np.arange(n_in, dtype=np.int32),
        "n_live": n_in,
        "bias_kept": np.ones(n_out, np.uint8),
        "dense": False,
        "last": n_out == NARROW[2],
    } | changed


def network(**changed):
    made = kernels().Network(**settings(**changed))
    made.add(**layer(NARROW[1], NARROW[0]))
    made.add(**layer(NARROW[2], NARROW[1]))
    made.finish(scale=1.0, shift=np.zeros(NARROW[0], np.float32))
    return made


def batch(count=10):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, NARROW[0]), np.uint8)
    return {"pixels": pixels, "indices": np.arange(count), "labels": np.arange(count) % NARROW[2]}


def test_the_calls_below_are_right_but_for_what_they_change():
    assert network().step(**batch()) == pytest.approx(np.log(NARROW[2]))  # all weights are 0


@pytest.mark.parametrize("threads", [0, -1])
def test_at_least_one_thread_is_needed(threads):
    with pytest.raises(ValueError, match="at least one thread"):
        kernels().Network(**settings(threads=threads))


@pytest.mark.parametrize("rule", [-1, 3])
def test_a_rule_that_is_not_there_is_refused(rule):
    with pytest.raises(ValueError, match="no such"):
        kernels().Network(**settings(rule=rule))


@pytest.mark.parametrize(
    "changed", [{"threads": "2"}, {"rate": None}, {"isa": 5}, {"sgemm": -1}, {"threads": 2**40}]
)
def test_settings_of_another_type_are_refused(changed):
    with pytest.raises(TypeError):
        kernels().Network(**settings(**changed))


@pytest.mark.parametrize(
    ("error", "changed"),
    [
        (IndexError, {"rows": np.array([0, 1, 2, 3, 4, 6], np.int32)}),
        (IndexError, {"rows": np.array([-1, 1, 2, 3, 4, 5], np.int32)}),
        (IndexError, {"columns": np.array([*range(19), 20], np.int32)}),
        (IndexError, {"n_live": 21}),
        (IndexError, {"n_live": -1}),
        (ValueError, {"columns": np.array([*range(1, 20), 0], np.int32)}),
        (ValueError, {"rows": np.array([1, 0, 2, 3, 4, 5], np.int32)}),
        (ValueError, {"rows": np.array([0, 0, 2, 3, 4, 5], np.int32)}),
        (ValueError, {"bias_kept": np.ones(5, np.uint8)}),
        (TypeError, {"mask": np.ones((6, 20), bool)}),
        (TypeError, {"mask": np.ones((6, 20), np.float32)}),
        (TypeError, {"mask": np.ones(120, np.uint8)}),
        (TypeError, {"mask": np.ones((20, 6), np.uint8).T}),
        (TypeError, {"rows": np.arange(6)}),
        (TypeError, {"columns": np.arange(20.0)}),
        (TypeError, {"columns": np.arange(40, dtype=np.int32)[::2]}),
        (TypeError, {"rows": [0, 1, 2, 3, 4, 5]}),
        (TypeError, {"mask": None}),
    ],
)
def test_a_layer_that_does_not_fit_is_refused(error, changed):
    made = kernels().Network(**settings())
    with pytest.raises(error):
        made.add(**layer(*NARROW[1::-1], **changed))


def test_layers_must_follow_each_other():
    made = kernels().Network(**settings())
    made.add(**layer(6, 20))
    with pytest.raises(ValueError, match="rows of the map before"):
        made.add(**layer(4, 5))
    with pytest.raises(ValueError, match="a dense map needs a BLAS"):
        kernels().Network(**settings(sgemm=0)).add(**layer(6, 20, dense=True))


def test_a_network_that_is_not_finished_does_not_run():
    made = kernels().Network(**settings())
    with pytest.raises(ValueError, match="at least one map"):
        made.finish(scale=1.0, shift=np.zeros(20, np.float32))
    made.add(**layer(6, 20))
    made.add(**layer(4, 6))
    with pytest.raises(ValueError, match="finish first"):
        made.step(**batch())
    with pytest.raises(ValueError, match="finish first"):
        made.evaluate(batch()["pixels"], batch()["labels"])
    with pytest.raises(ValueError, match="one shift a pixel"):
        made.finish(scale=1.0, shift=np.zeros(19, np.float32))
    with pytest.raises(TypeError):
        made.finish(scale=1.0, shift=np.zeros(20))
    with pytest.raises(ValueError, match="finish first"):
        made.step(**batch())


def test_a_finished_network_takes_no_more_layers():
    made = network()
    made.step(**batch())
    with pytest.raises(ValueError, match="finished"):
        made.add(**layer(4, 4))
    with pytest.raises(ValueError, match="finished"):
        made.finish(scale=1.0, shift=np.zeros(20, np.float32))
    made.step(**batch())


@pytest.mark.parametrize(
    ("error", "changed"),
    [
        (TypeError, {"pixels": batch()["pixels"].astype(np.float64)}),
        (TypeError, {"pixels": batch()["pixels"][:, ::2]}),
        (TypeError, {"pixels": np.asfortranarray(batch()["pixels"])}),
        (TypeError, {"pixels": batch()["pixels"][0]}),
        (TypeError, {"indices": np.arange(10, dtype=np.int32)}),
        (TypeError, {"indices": np.arange(20)[::2]}),
        (TypeError, {"labels": np.zeros(10, np.int32)}),
        (TypeError, {"labels": np.zeros((10, 1), np.int64)}),
        (TypeError, {"labels": None}),
        (ValueError, {"labels": np.zeros(9, np.int64)}),
        (ValueError, {"pixels": batch()["pixels"][:, :-1].copy()}),
        (IndexError, {"indices": np.arange(1, 11)}),
        (IndexError, {"labels": np.full(10, 4)}),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(error, changed):
    made = network()
    with pytest.raises(error):
        made.step(**batch() | changed)
    assert made.steps == 0


def test_tensors_come_in_without_a_copy_and_only_from_the_cpu():
    made = network()
    arrays = {name: torch.from_numpy(array) for name, array in batch().items()}
    assert made.step(**arrays) == network().step(**batch())
    with pytest.raises(TypeError):
        made.step(**arrays | {"pixels": torch.empty(10, 20, dtype=torch.uint8, device="meta")})


@pytest.mark.parametrize(
    ("error", "changed"),
    [
        (IndexError, {"layer": 2}),
        (IndexError, {"layer": -1}),
        (IndexError, {"field": 6}),
        (IndexError, {"field": -1}),
        (IndexError, {"slot": 3}),
        (IndexError, {"slot": -1}),
        (ValueError, {"whole": np.zeros((6, 19), np.float32)}),
        (TypeError, {"whole": np.zeros((6, 20))}),
        (TypeError, {"whole": np.zeros((20, 6), np.float32).T}),
        (TypeError, {"whole": None}),
    ],
)
def test_parameters_that_are_not_there_are_refused(error, changed):
    made = network(rule=2)
    call = {"layer": 0, "field": 0, "slot": 0, "whole": np.zeros((6, 20), np.float32)} | changed
    for access in (made.read, made.write):
        with pytest.raises(error):
            access(**call)


def test_a_rule_without_memory_has_none_to_read():
    for rule, slots in enumerate(range(1, 4)):
        made, whole = network(rule=rule), np.zeros((6, 20), np.float32)
        for slot in range(3):
            for access in (made.read, made.write):
                if slot < slots:
                    access(layer=0, field=0, slot=slot, whole=whole)
                else:
                    with pytest.raises(IndexError):
                        access(layer=0, field=0, slot=slot, whole=whole)


def test_parameters_are_not_read_into_an_array_that_may_not_be_written():
    whole = np.zeros((6, 20), np.float32)
    whole.setflags(write=False)
    made = network()
    made.write(layer=0, field=0, slot=0, whole=whole)
    with pytest.raises(TypeError):
        made.read(layer=0, field=0, slot=0, whole=whole)


def test_numbers_come_back_as_they_were_written():
    made, rng = network(rule=2), np.random.default_rng(0)
    sizes = [(6, 20), (6,), (20,), (20,), (20,), (20,)]
    for field, size in enumerate(sizes):
        for slot in range(3 if field < 4 else 1):
            whole, back = rng.standard_normal(size).astype(np.float32), np.zeros(size, np.float32)
            made.write(layer=0, field=field, slot=slot, whole=whole)
            made.read(layer=0, field=field, slot=slot, whole=back)
            np.testing.assert_array_equal(back, whole)


def test_a_random_ticket_keeps_something():
    assert all(mask.kept for mask in random_ticket((5, 3, 3, 2), 0.0, 0).masks)
