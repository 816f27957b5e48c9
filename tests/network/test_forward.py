"""These tests check prunescope.network.forward."""

import numpy as np
import pytest
import torch

from prunescope.mask import Mask
from prunescope.model import Layer, Model, Ticket, initial
from prunescope.network.forward import (
    EPSILON,
    Linear,
    Normalise,
    NormalisedLinear,
    TorchLayer,
    batches,
    forward,
    network_inputs,
    torch_averages,
    torch_layers,
)
from prunescope.network.precision import FLOAT32
from reference import network as reference

CPU = torch.device("cpu")
SIZES = (7, 6, 5, 3)


def double(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def random_model(norm, seed=0):
    """Return a float32 model whose parameters are random, without the initial ones and zeros."""
    rng = np.random.default_rng(seed)
    layers = []
    for layer in initial(SIZES, norm, seed).layers:
        width = layer.gamma.size
        draw = [rng.standard_normal(n).astype(np.float32) for n in (layer.bias.size, width, width, width)]
        layers.append(Layer(layer.weight, *draw, rng.uniform(0.5, 2, width).astype(np.float32)))
    return Model(tuple(layers))


def doubled(layers):
    """Return the same layers in float64, with parameters that require gradients."""
    return [
        TorchLayer(*(p.double().requires_grad_() for p in layer.parameters), layer.live.double())
        for layer in layers
    ]


@pytest.mark.parametrize("live", [[1, 1, 1, 1], [1, 0, 1, 0]])
def test_gradients_of_the_folded_map_are_those_of_finite_differences(live):
    live = torch.tensor(live, dtype=torch.float64)
    arguments = (double(9, 4), double(3, 4, seed=1), double(3, seed=2), double(4, seed=3), double(4, seed=4))
    assert torch.autograd.gradcheck(lambda *a: NormalisedLinear.apply(FLOAT32, *a, live)[0], arguments)


def test_gradients_of_the_plain_map_are_those_of_finite_differences():
    arguments = (double(9, 4), double(3, 4, seed=1), double(3, seed=2))
    assert torch.autograd.gradcheck(lambda *a: Linear.apply(FLOAT32, *a), arguments)


@pytest.mark.parametrize("live", [[1, 1, 1, 1], [0, 1, 1, 0]])
def test_gradients_of_the_norm_are_those_of_finite_differences(live):
    live = torch.tensor(live, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: Normalise.apply(x, live)[0], (double(9, 4),))


def test_no_gradient_is_made_for_pixels():
    x = double(9, 4).detach()
    weight, bias, gamma, beta = double(3, 4), double(3), double(4), double(4)
    live = torch.ones(4).double()
    NormalisedLinear.apply(FLOAT32, x, weight, bias, gamma, beta, live)[0].sum().backward()
    Linear.apply(FLOAT32, x, weight, bias).sum().backward()
    assert x.grad is None


def plain(layers, x, norm):
    """Return the logits by the forward equations, with autograd's own operations."""

    def normal(h, live):
        spread = torch.sqrt(h.var(0, unbiased=False) + EPSILON)
        return torch.where(live > 0, (h - h.mean(0)) / spread, 0.0)

    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        if norm == "before":
            x = normal(x, layer.live) * layer.gamma + layer.beta
        x = x @ layer.weight.T + layer.bias
        if norm == "after" and not last:
            x = normal(x, layers[index + 1].live) * layer.gamma + layer.beta
        if not last:
            x = torch.relu(x)
    return x


@pytest.mark.parametrize("norm", ["before", "after", "none"])
def test_training_forward_and_gradients_are_those_of_plain_autograd(norm):
    masks = [np.random.default_rng(i).random((n, m)) < 0.6 for i, (n, m) in enumerate([(6, 7), (5, 6)])]
    masks[0][2] = False  # a disconnected unit
    ticket = Ticket(tuple(map(Mask, masks)), tuple(np.ones(len(m), bool) for m in masks))
    layers = doubled(torch_layers(random_model(norm), ticket, np.arange(7) != 4, CPU))
    x, labels = double(20, 7).detach(), torch.arange(20) % 3
    parameters = [p for layer in layers for p in layer.parameters if p.numel()]
    found, statistics = forward(layers, x, norm, None)
    expected = plain(layers, x, norm)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert len(statistics) == {"before": 3, "after": 2, "none": 0}[norm]
    loss = torch.nn.functional.cross_entropy
    ours = torch.autograd.grad(loss(found, labels), parameters)
    theirs = torch.autograd.grad(loss(expected, labels), parameters)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-8, atol=1e-12)


def test_gradients_are_those_of_the_numpy_reference():
    layers = doubled(torch_layers(random_model("before"), Ticket.dense(SIZES), np.ones(7, bool), CPU))
    x, labels = double(20, 7).detach(), torch.arange(20) % 3
    numbers = [
        {n: p.detach().numpy() for n, p in zip(reference.PARAMETERS, layer.parameters, strict=True)}
        for layer in layers
    ]
    loss, gradients, seen = reference.Network(numbers, np.ones(7, bool)).gradients(x.numpy(), labels.numpy())
    logits, statistics = forward(layers, x, "before", None)
    found = torch.nn.functional.cross_entropy(logits, labels)
    assert found.item() == pytest.approx(loss, rel=1e-12)
    for at, (mean, variance) in zip(seen, statistics, strict=True):
        np.testing.assert_allclose(mean.detach(), at["mean"], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(variance.detach(), at["variance"], rtol=1e-10)
    for layer, gradient in zip(layers, gradients, strict=True):
        ours = torch.autograd.grad(found, layer.parameters, retain_graph=True)
        for name, own in zip(reference.PARAMETERS, ours, strict=True):
            np.testing.assert_allclose(own, gradient[name], rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("norm", ["before", "after"])
def test_evaluation_uses_the_averages_and_takes_dead_inputs_as_their_mean(norm):
    model, live_pixels = random_model(norm), np.arange(7) != 2
    layers = torch_layers(model, Ticket.dense(SIZES), live_pixels, CPU)
    averages = torch_averages(model, CPU)
    x = torch.tensor(np.random.default_rng(3).standard_normal((4, 7)), dtype=torch.float32)

    def normal(h, layer, average, live):
        mean, variance = average
        return layer.gamma * live * (h - mean) / torch.sqrt(variance + EPSILON) + layer.beta

    h = x
    for index, layer in enumerate(layers):
        if norm == "before":
            h = normal(h, layer, averages[index], layer.live)
        h = h @ layer.weight.T + layer.bias
        if index < 2:
            if norm == "after":
                h = normal(h, layer, averages[index], layers[index + 1].live)
            h = h.relu()
    found, _ = forward(layers, x, norm, averages)
    torch.testing.assert_close(found, h, rtol=1e-4, atol=1e-5)
    if norm == "before":
        moved = x.clone()
        moved[:, 2] += 100
        torch.testing.assert_close(forward(layers, moved, norm, averages)[0], found)


def test_depth_gives_the_activations_of_a_hidden_layer():
    model = random_model("before")
    layers, averages = (
        torch_layers(model, Ticket.dense(SIZES), np.ones(7, bool), CPU),
        torch_averages(model, CPU),
    )
    x = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    first, _ = forward(layers, x, "before", averages, depth=1)
    second, _ = forward(layers, x, "before", averages, depth=2)
    assert first.shape == (4, 6)
    assert second.shape == (4, 5)
    assert (first >= 0).all()
    logits, _ = forward(layers[2:], second, "before", averages[2:])
    torch.testing.assert_close(logits, forward(layers, x, "before", averages)[0])


def test_inputs_are_pixels_less_the_mean_image_over_255_and_streams_are_left_alone():
    pixels = torch.tensor([[0, 255], [100, 7]], dtype=torch.uint8)
    found = network_inputs(pixels, torch.tensor([10.0, 20.5]))
    torch.testing.assert_close(found, torch.tensor([[-10.0, 234.5], [90.0, -13.5]]) / 255)
    stream = torch.tensor([[0.25, -3.0]])
    assert network_inputs(stream, torch.tensor([10.0, 20.5])) is stream


def test_batches_cover_every_row_once():
    pixels = np.arange(14).reshape(7, 2)
    pieces = list(batches(pixels, 3))
    assert [start for start, _ in pieces] == [0, 3, 6]
    np.testing.assert_array_equal(torch.cat([rows for _, rows in pieces]), pixels)
