"""The kernels, called as only NativeEngine calls them: run with `pytest tests/native/test_kernel_calls.py`."""

import numpy as np
import pytest
import torch

from native.problems import needs_kernels
from prunescope.model import LAYER_FIELDS, PARAMETERS
from prunescope.native import kernels
from prunescope.native.blas import find_blas
from prunescope.training.native_engine import instruction_sets

pytestmark = needs_kernels
NARROW = (20, 6, 4)  # pixels, units, classes


def optimizer(**changed):
    fields = {"rule": "sgd", "rate": 0.1, "momentum": 0.9, "betas": (0.9, 0.999), "epsilon": 1e-8} | changed
    return kernels().Optimizer(**fields)


def settings(**changed):
    blas = find_blas()
    return {
        "isa": instruction_sets()[0],
        "threads": 1,
        "blas": kernels().Blas(sgemm=blas.sgemm, set_threads=blas.set_threads, narrow=0, packing=(0, 0, 0)),
        "optimizer": optimizer(),
        "norm": kernels().BatchNorm(epsilon=1e-10, decay=0.99),
        "bf16": False,
    } | changed


def layer(n_out, n_in, **changed):
    return {
        "mask": np.ones((n_out, n_in), np.uint8),
        "rows": np.arange(n_out, dtype=np.int32),
        "columns": np.arange(n_in, dtype=np.int32),
        "live_columns": n_in,
        "bias_kept": np.ones(n_out, np.uint8),
        "dense": False,
        "last": n_out == NARROW[2],
    } | changed


def network(**changed):
    made = kernels().Network(**settings(**changed))
    made.add(**layer(NARROW[1], NARROW[0]))
    made.add(**layer(NARROW[2], NARROW[1]))
    made.finish(mean=np.zeros(NARROW[0], np.float32), divisor=1.0)
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


def test_a_rule_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="there is no rule 'lamb'"):
        optimizer(rule="lamb")


@pytest.mark.parametrize(
    "changed", [{"threads": "2"}, {"isa": 5}, {"threads": 2**40}, {"blas": None}, {"optimizer": None}]
)
def test_settings_of_another_type_are_refused(changed):
    with pytest.raises(TypeError):
        kernels().Network(**settings(**changed))


@pytest.mark.parametrize("changed", [{"rule": 0}, {"rate": None}, {"betas": (0.9,)}])
def test_numbers_of_an_optimizer_of_another_type_are_refused(changed):
    with pytest.raises(TypeError):
        optimizer(**changed)


def test_an_address_of_another_type_is_refused():
    with pytest.raises(TypeError):
        kernels().Blas(sgemm=-1, set_threads=0, narrow=0, packing=(0, 0, 0))


@pytest.mark.parametrize(
    ("error", "changed"),
    [
        (IndexError, {"rows": np.array([0, 1, 2, 3, 4, 6], np.int32)}),
        (IndexError, {"rows": np.array([-1, 1, 2, 3, 4, 5], np.int32)}),
        (IndexError, {"columns": np.array([*range(19), 20], np.int32)}),
        (IndexError, {"live_columns": 21}),
        (IndexError, {"live_columns": -1}),
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
        kernels().Network(
            **settings(blas=kernels().Blas(sgemm=0, set_threads=0, narrow=0, packing=(0, 0, 0)))
        ).add(**layer(6, 20, dense=True))


def test_a_network_that_is_not_finished_does_not_run():
    made = kernels().Network(**settings())
    with pytest.raises(ValueError, match="at least one map"):
        made.finish(mean=np.zeros(20, np.float32), divisor=1.0)
    made.add(**layer(6, 20))
    made.add(**layer(4, 6))
    with pytest.raises(ValueError, match="finish first"):
        made.step(**batch())
    with pytest.raises(ValueError, match="finish first"):
        made.evaluate(batch()["pixels"], batch()["labels"], np.zeros(10, np.uint8))
    with pytest.raises(ValueError, match="one mean a pixel"):
        made.finish(mean=np.zeros(19, np.float32), divisor=1.0)
    with pytest.raises(TypeError):
        made.finish(mean=np.zeros(20), divisor=1.0)
    with pytest.raises(ValueError, match="finish first"):
        made.step(**batch())


@pytest.mark.parametrize(
    ("right", "error"),
    [
        (np.zeros(9, np.uint8), ValueError),
        (np.zeros(11, np.uint8), ValueError),
        (np.zeros(10, bool), TypeError),
        (np.zeros(20, np.uint8)[::2], TypeError),
    ],
    ids=["too few", "too many", "another type", "not contiguous"],
)
def test_an_evaluation_needs_a_byte_for_each_image(right, error):
    with pytest.raises(error):
        network().evaluate(batch()["pixels"], batch()["labels"], right)
    assert not right.any()


def test_a_finished_network_takes_no_more_layers():
    made = network()
    made.step(**batch())
    with pytest.raises(ValueError, match="finished"):
        made.add(**layer(4, 4))
    with pytest.raises(ValueError, match="finished"):
        made.finish(mean=np.zeros(20, np.float32), divisor=1.0)
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
        (ValueError, {"field": "delta"}),
        (TypeError, {"field": 0}),
        (IndexError, {"slot": 3}),
        (IndexError, {"slot": -1}),
        (ValueError, {"whole": np.zeros((6, 19), np.float32)}),
        (TypeError, {"whole": np.zeros((6, 20))}),
        (TypeError, {"whole": np.zeros((20, 6), np.float32).T}),
        (TypeError, {"whole": None}),
    ],
)
def test_parameters_that_are_not_there_are_refused(error, changed):
    made = network(optimizer=optimizer(rule="adam"))
    call = {"layer": 0, "field": "weight", "slot": 0, "whole": np.zeros((6, 20), np.float32)} | changed
    for access in (made.read, made.write):
        with pytest.raises(error):
            access(**call)


def test_a_rule_without_memory_has_none_to_read():
    for moments, rule in enumerate(["sgd", "momentum", "adam"]):
        made, whole = network(optimizer=optimizer(rule=rule)), np.zeros((6, 20), np.float32)
        assert made.moments == moments
        for slot in range(3):
            for access in (made.read, made.write):
                if slot <= moments:
                    access(layer=0, field="weight", slot=slot, whole=whole)
                else:
                    with pytest.raises(IndexError):
                        access(layer=0, field="weight", slot=slot, whole=whole)


def test_parameters_are_not_read_into_an_array_that_may_not_be_written():
    whole = np.zeros((6, 20), np.float32)
    whole.setflags(write=False)
    made = network()
    made.write(layer=0, field="weight", slot=0, whole=whole)
    with pytest.raises(TypeError):
        made.read(layer=0, field="weight", slot=0, whole=whole)


def test_numbers_come_back_as_they_were_written():
    made, rng = network(optimizer=optimizer(rule="adam")), np.random.default_rng(0)
    sizes = dict.fromkeys(LAYER_FIELDS, (20,)) | {"weight": (6, 20), "bias": (6,)}
    for field, size in sizes.items():
        for slot in range(3 if field in PARAMETERS else 1):
            whole, back = rng.standard_normal(size).astype(np.float32), np.zeros(size, np.float32)
            made.write(layer=0, field=field, slot=slot, whole=whole)
            made.read(layer=0, field=field, slot=slot, whole=back)
            np.testing.assert_array_equal(back, whole)
