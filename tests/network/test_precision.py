"""These tests check prunescope.network.precision, and training with its products."""

import numpy as np
import pytest
import torch

import tiny
from engine_cases import check_restored, distance, dying_ticket, noisy, numbers, parameters, train
from prunescope.model import Ticket, initial
from prunescope.network.forward import Linear, NormalisedLinear, forward, torch_averages, torch_layers
from prunescope.network.precision import FLOAT32, BFloat16Products, RoundedProducts, products
from prunescope.training.torch.engine import TorchEngine

CPU = torch.device("cpu")
NARROW = [False, *([True] if hasattr(torch.backends.mkldnn, "matmul") else [])]


def normal(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=torch.float32)


def to_bfloat16(x):
    """Return the float32 numbers nearest to ``x`` whose lower 16 bits are 0; ties go to the even upper half."""
    bits = x.view(np.uint32).astype(np.int64)
    upper, lower = bits >> 16, bits & 0xFFFF
    up = (lower > 0x8000) | ((lower == 0x8000) & (upper % 2 == 1))
    return ((upper + up) << 16).astype(np.uint32).view(np.float32)


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def test_operands_are_rounded_to_nearest_even():
    ties = np.array([0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0xBF818000, 0], np.uint32).view(
        np.float32
    )
    x = np.concatenate([ties, normal(1000).numpy() * 1e-4])
    for kind in (RoundedProducts(False), BFloat16Products(False)):
        np.testing.assert_array_equal(kind.operand(torch.from_numpy(x)).float(), to_bfloat16(x))
    assert (to_bfloat16(x) != x).mean() > 0.9


@pytest.mark.parametrize("narrow", NARROW)
def test_products_of_rounded_operands_are_accumulated_in_float32(narrow):
    kind, a, b, bias = RoundedProducts(narrow), normal(64, 500), normal(500, 48, seed=1), normal(48, seed=2)
    exact = to_bfloat16(a.numpy()).astype(float) @ to_bfloat16(b.numpy()).astype(float)
    found = kind.multiply(kind.operand(a), kind.operand(b))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, exact, atol=1e-4)
    np.testing.assert_allclose(
        kind.affine(bias, kind.operand(a), kind.operand(b)), exact + bias.numpy(), atol=1e-4
    )
    assert np.abs(exact - (a.double() @ b.double()).numpy()).max() > 1e-2


def test_products_of_bfloat16_operands_round_their_result_only_where_they_must(monkeypatch):
    a, b = normal(64, 500), normal(500, 48, seed=1)
    exact = to_bfloat16(a.numpy()).astype(float) @ to_bfloat16(b.numpy()).astype(float)
    coarse = BFloat16Products(wide=False)
    found = coarse.multiply(coarse.operand(a), coarse.operand(b))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, exact, rtol=2**-8, atol=1e-4)

    def mm(left, right, *, out_dtype):
        assert left.dtype == right.dtype == torch.bfloat16
        return left.to(out_dtype) @ right.to(out_dtype)

    monkeypatch.setattr(torch, "mm", mm)
    wide = BFloat16Products(wide=True)
    np.testing.assert_allclose(wide.multiply(wide.operand(a), wide.operand(b)), exact, atol=1e-4)


@pytest.mark.skipif(NARROW == [False], reason="this torch has no such setting")
def test_the_setting_that_lets_float32_products_round_is_put_back():
    setting = torch.backends.mkldnn.matmul
    before, kind, seen = setting.fp32_precision, RoundedProducts(True), []

    class Spy:
        def __matmul__(self, other):
            seen.append(setting.fp32_precision)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        kind.multiply(Spy(), None)
    assert seen == ["bf16"]
    assert setting.fp32_precision == before


def test_float32_products_are_torch_s_own_to_the_bit():
    x, weight, bias, gamma, beta = (
        normal(*s, seed=i) for i, s in enumerate([(9, 4), (3, 4), (3,), (4,), (4,)])
    )
    assert products("float32", CPU) is FLOAT32
    assert FLOAT32.operand(x) is x
    found, mean, variance = NormalisedLinear.apply(FLOAT32, x, weight, bias, gamma, beta, torch.ones(4))
    normalised = (x - mean) * (variance + 1e-10).rsqrt()
    expected = torch.addmm(torch.addmv(bias, weight, beta), normalised, (weight * gamma).T)
    assert torch.equal(found, expected)


def rounded_product(a, b):
    """Return the exact product of the rounded operands, in float64."""
    return to_bfloat16(np.ascontiguousarray(a)).astype(float) @ to_bfloat16(np.ascontiguousarray(b)).astype(
        float
    )


def test_maps_round_the_operands_of_their_three_products_and_nothing_else():
    x, delta = normal(50, 7), normal(50, 6, seed=1)
    weight, bias, gamma, beta = (normal(*s, seed=i) for i, s in enumerate([(6, 7), (6,), (7,), (7,)], 2))
    live = torch.tensor([1.0, 0, 1, 1, 1, 1, 1])
    own = [t.requires_grad_() for t in (x, weight, bias, gamma, beta)]
    out, mean, variance = NormalisedLinear.apply(products("bf16", CPU), *own, live)
    found = [t.numpy() for t in torch.autograd.grad(out, own, delta)]
    x, w, b, g, be, d = (t.detach().numpy() for t in (*own, delta))
    inverse = (live * (variance + 1e-10).rsqrt()).numpy()
    normalised = ((x - mean.numpy()) * inverse).astype(np.float32)
    np.testing.assert_allclose(out.detach(), rounded_product(normalised, (w * g).T) + w @ be + b, atol=1e-5)
    by_folded, by_bias = rounded_product(d.T, normalised), d.sum(0)
    by_gamma, by_beta = (by_folded * w).sum(0), w.T @ by_bias
    by_scaled = rounded_product(d, w * g)
    by_x = (by_scaled - g * by_beta / 50 - normalised * g * by_gamma / 50) * inverse
    expected = (by_x, by_folded * g + np.outer(by_bias, be), by_bias, by_gamma, by_beta)
    for own_gradient, gradient in zip(found, expected, strict=True):
        np.testing.assert_allclose(own_gradient, gradient, rtol=1e-5, atol=2e-5)
    assert not found[0][:, 1].any()
    out = Linear.apply(products("bf16", CPU), *own[:3])
    found = torch.autograd.grad(out, own[:3], delta)
    expected = (rounded_product(d, w), rounded_product(d.T, x), by_bias)
    np.testing.assert_allclose(out.detach(), rounded_product(x, w.T) + b, atol=1e-5)
    for own_gradient, gradient in zip(found, expected, strict=True):
        np.testing.assert_allclose(own_gradient, gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [RoundedProducts(False), BFloat16Products(False)])
def test_gradients_of_a_map_are_within_1e_2_of_those_in_float32(kind):
    shapes = [(200, 40), (30, 40), (30,), (40,), (40,)]
    own = [normal(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]

    def gradients(kind):
        out = NormalisedLinear.apply(kind, *own, torch.ones(40))[0]
        return [g.numpy() for g in torch.autograd.grad(out, own, normal(200, 30, seed=9))]

    for rounded, exact in zip(gradients(kind), gradients(FLOAT32), strict=True):
        assert distance([rounded], [exact]) < 1e-2
    assert distance(gradients(kind), gradients(FLOAT32)) > 1e-4


def test_evaluation_is_float32_in_every_precision():
    sizes = (40, 30, 5)
    model = noisy(initial(sizes, "before", 0), 1)
    layers, averages = (
        torch_layers(model, Ticket.dense(sizes), np.ones(40, bool), CPU),
        torch_averages(model, CPU),
    )
    found, _ = forward(layers, normal(20, 40), "before", averages, products=products("bf16", CPU))
    assert torch.equal(found, forward(layers, normal(20, 40), "before", averages)[0])


@pytest.mark.parametrize("norm", ["before", "after", "none"])
def test_training_in_bfloat16_ends_near_that_in_float32(data, norm):
    sizes = (len(data.mean), 12, 10, 3)
    scores, models = [], []
    for precision in ("float32", "bf16"):
        experiment = tiny.experiment(network={"norm": norm}, train={"precision": precision})
        engine = TorchEngine(experiment, data.mean, data.live_pixels)
        train(engine, data, initial(sizes, norm, 0), Ticket.dense(sizes), 60)
        scores.append(engine.evaluate(data.validation))
        models.append(parameters(numbers(engine.model())))
    assert scores[1].loss == pytest.approx(scores[0].loss, rel=0.05)
    assert 1e-5 < distance(*models) < 0.05


def test_a_restored_engine_goes_on_to_the_same_bits_in_bfloat16(data):
    sizes = (len(data.mean), 12, 10, 3)
    model, ticket = initial(sizes, "before", 0), dying_ticket(sizes)
    experiment = tiny.experiment(train={"precision": "bf16"})
    check_restored(lambda: TorchEngine(experiment, data.mean, data.live_pixels), data, model, ticket)
