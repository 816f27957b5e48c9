"""prunescope.native.layer against NumPy: run with `pytest tests/native/test_layer.py`."""

import numpy as np
import pytest

from native.problems import needs_kernels
from prunescope.errors import InputError
from prunescope.native import kernels
from prunescope.native.layer import SparseLayer

pytestmark = needs_kernels


def case(shape, density, batch, seed=0):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < density
    mask[shape[0] // 2, shape[1] // 2] = True
    weight, x, dy = (
        rng.standard_normal(s, dtype=np.float32) for s in (shape, (shape[1], batch), (shape[0], batch))
    )
    return mask, weight, x, dy


def check(layer, mask, weight, x, dy):
    kept = (weight * mask).astype(np.float64)
    np.testing.assert_allclose(layer.forward(x), kept @ x, rtol=1e-5, atol=1e-4)
    dx, dw = layer.backward(dy)
    np.testing.assert_allclose(dx, kept.T @ dy, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(dw, (dy.astype(np.float64) @ x.T)[mask], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("batch", [1, 20, 64, 65, 130, 200])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 1.0])
def test_products_are_those_of_numpy(density, batch, threads):
    mask, weight, x, dy = case((37, 53), density, batch)
    check(SparseLayer(weight, mask, threads), mask, weight, x, dy)


@pytest.mark.parametrize("fan_in", range(1, 36))
def test_rows_of_any_length(fan_in):
    mask, weight, x, dy = case((3, 40), 0.0, 70)
    mask[:] = False
    mask[0, :fan_in] = mask[2, 40 - fan_in :] = True  # and an empty row between
    check(SparseLayer(weight, mask), mask, weight, x, dy)


def test_every_instruction_set(isa):
    mask, weight, x, dy = case((21, 33), 0.4, 130)
    layer = kernels().Layer(isa=isa, threads=2, mask=mask.view(np.uint8), weight=weight)
    y, dx, dw = (
        np.empty((21, 130), np.float32),
        np.empty((33, 130), np.float32),
        np.empty(mask.sum(), np.float32),
    )
    assert layer.kept == mask.sum()
    layer.forward(x, y)
    layer.backward(dy, dx, dw)
    kept = (weight * mask).astype(np.float64)
    for found, expected in ((y, kept @ x), (dx, kept.T @ dy), (dw, (dy @ x.T)[mask])):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_one_row_one_column_one_weight():
    mask, weight, x, dy = case((1, 1), 1.0, 1)
    check(SparseLayer(weight, mask), mask, weight, x, dy)


def test_batches_of_changing_size():
    mask, weight, *_ = case((37, 53), 0.1, 1)
    layer = SparseLayer(weight, mask, 2)
    for batch in (130, 20, 200, 64):
        _, _, x, dy = case((37, 53), 0.1, batch, seed=batch)
        check(layer, mask, weight, x, dy)


def test_results_do_not_depend_on_the_number_of_threads():
    mask, weight, x, dy = case((37, 53), 0.3, 200)
    results = []
    for threads in (1, 2, 3, 5):
        layer = SparseLayer(weight, mask, threads)
        results.append([layer.forward(x).tobytes(), *(a.tobytes() for a in layer.backward(dy))])
    assert all(result == results[0] for result in results)


def test_no_samples_have_no_products():
    mask, weight, *_ = case((37, 53), 0.1, 1)
    assert SparseLayer(weight, mask).forward(np.empty((53, 0), np.float32)).shape == (37, 0)


def test_masks_and_weights_that_do_not_fit_are_refused():
    mask, weight, *_ = case((37, 53), 0.1, 1)
    with pytest.raises(InputError, match="keeps no weight"):
        SparseLayer(weight, np.zeros_like(mask))
    for wrong in (weight.astype(np.float64), weight[:, :-1], weight.T):
        with pytest.raises(InputError, match=r"float32 .* is needed"):
            SparseLayer(wrong, mask)
    with pytest.raises(InputError, match="axes"):
        SparseLayer(weight, mask[0])
    with pytest.raises(ValueError, match="at least one thread"):
        SparseLayer(weight, mask, 0)
    check(
        SparseLayer(np.asfortranarray(weight), np.asfortranarray(mask)),
        mask,
        weight,
        *case((37, 53), 0.1, 9)[2:],
    )


def test_activations_that_do_not_fit_are_refused():
    mask, weight, x, dy = case((37, 53), 0.1, 20)
    layer = SparseLayer(weight, mask)
    with pytest.raises(ValueError, match="forward first"):
        layer.backward(dy)
    layer.forward(x)
    for wrong in (x.astype(np.float64), x[:-1], x[:, ::2], x.T, x[0]):
        with pytest.raises(InputError, match="C-ordered float32"):
            layer.forward(wrong)
    for wrong in (dy.astype(np.float64), dy[:-1], np.asfortranarray(dy)):
        with pytest.raises(InputError, match="C-ordered float32"):
            layer.backward(wrong)
    with pytest.raises(ValueError, match="21 where 20"):
        layer.backward(np.zeros((37, 21), np.float32))
    check(layer, mask, weight, x, dy)


def test_results_need_space():
    mask, weight, x, dy = case((37, 53), 0.1, 20)
    layer = kernels().Layer(isa="baseline", threads=1, mask=mask.view(np.uint8), weight=weight)
    y, dx, dw = (
        np.empty((37, 20), np.float32),
        np.empty((53, 20), np.float32),
        np.empty(layer.kept, np.float32),
    )
    for wrong in (y[:-1], y[:, :-1].copy(), np.empty((37, 21), np.float32)):
        with pytest.raises(ValueError, match="is needed"):
            layer.forward(x, wrong)
    y.setflags(write=False)
    with pytest.raises(TypeError):
        layer.forward(x, y)
    layer.forward(x, np.empty((37, 20), np.float32))
    for results in ((dx[:-1], dw), (dx, dw[:-1]), (dw, dx)):
        with pytest.raises(ValueError, match="is needed"):
            layer.backward(dy, *results)
    with pytest.raises(ValueError, match="instruction set 'mmx'"):
        kernels().Layer(isa="mmx", threads=1, mask=mask.view(np.uint8), weight=weight)
    with pytest.raises(ValueError, match="37 where 36"):
        kernels().Layer(isa="baseline", threads=1, mask=mask.view(np.uint8)[:-1], weight=weight)
    with pytest.raises(TypeError):
        kernels().Layer(isa="baseline", threads=1, mask=mask, weight=weight)


@pytest.mark.parametrize("two_tiles", [True, False])
@pytest.mark.parametrize("width", [64, 128, 256, 320, 1024])
@pytest.mark.parametrize(("density", "batch"), [(0.4, 200), (0.02, 64), (0.9, 129)])
def test_blocks_of_any_width(isa, width, two_tiles, density, batch):
    mask, weight, x, dy = case((290, 330), density, batch)
    mask[7] = True
    mask[9] = mask[:, 11] = False
    layer = kernels().Layer(
        isa=isa, threads=2, mask=mask.view(np.uint8), weight=weight, blocks=(width, two_tiles)
    )
    y, dx, dw = np.empty((290, batch), np.float32), np.empty_like(x), np.empty(layer.kept, np.float32)
    layer.forward(x, y)
    layer.backward(dy, dx, dw)
    kept = (weight * mask).astype(np.float64)
    for found, expected in ((y, kept @ x), (dx, kept.T @ dy), (dw, (dy.astype(np.float64) @ x.T)[mask])):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-4)
    seconds = layer.seconds(2)
    assert len(seconds) == 3
    assert min(seconds) > 0
    layer.forward(x, dy)
    np.testing.assert_array_equal(dy, y)


@pytest.mark.parametrize("width", [0, 63, 100, 65536])
def test_blocks_of_no_such_width_are_refused(width):
    mask, weight, _, _ = case((3, 4), 0.5, 2)
    with pytest.raises(ValueError, match="a multiple of 64 columns"):
        kernels().Layer(
            isa="baseline", threads=1, mask=mask.view(np.uint8), weight=weight, blocks=(width, False)
        )


def test_times_need_products_first():
    mask, weight, x, dy = case((3, 4), 0.5, 2)
    layer = kernels().Layer(isa="baseline", threads=1, mask=mask.view(np.uint8), weight=weight)
    with pytest.raises(ValueError, match="call forward and backward first"):
        layer.seconds(1)
    layer.forward(x, np.empty_like(dy))
    with pytest.raises(ValueError, match="call forward and backward first"):
        layer.seconds(1)
    layer.backward(dy, np.empty_like(x), np.empty(layer.kept, np.float32))
    with pytest.raises(ValueError, match="at least one repeat"):
        layer.seconds(0)


@pytest.mark.parametrize("density", [0.5, 0.1, 0.01])
def test_an_infinite_input_reaches_the_rows_that_keep_it_alone(isa, density):
    mask, weight, x, _ = case((70, 150), density, 64)
    x[5] = np.inf
    mask[3, 5] = True
    weight = np.abs(weight)
    layer = kernels().Layer(isa=isa, threads=1, mask=mask.view(np.uint8), weight=weight)
    y = np.empty((70, 64), np.float32)
    layer.forward(x, y)
    np.testing.assert_array_equal(np.isfinite(y).all(1), ~mask[:, 5])
    assert not np.isnan(y).any()
