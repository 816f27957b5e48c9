"""prunescope.training.torch.engine: run with `pytest tests/training/torch/test_engine.py`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from engine_cases import check_restored, distance, dying_ticket, numbers, parameters, train
from prunescope.data import Batch, Images
from prunescope.model import Layer, Ticket, initial
from prunescope.network.forward import forward, torch_layers
from prunescope.training.engine import Engine
from prunescope.training.torch import engine as engine_module
from prunescope.training.torch.engine import TorchEngine


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.9, 0.999), eps=1e-8),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_updates_are_those_of_torch_optim(data, optimizer):
    sizes = (len(data.mean), 8, 3)
    model, ticket = initial(sizes, "before", 0), Ticket.dense(sizes)
    experiment = tiny.experiment(train={"optimizer": optimizer, "lr": 0.05, "momentum": 0.8})
    engine = TorchEngine(experiment, data.mean, data.live_pixels)
    layers = torch_layers(model, ticket, data.live_pixels, torch.device("cpu"))
    own = [p.requires_grad_() for layer in layers for p in layer.parameters]
    descent = OPTIMIZERS[optimizer](own)
    engine.start(model, ticket)
    for step in range(8):
        batch = data.draw(0, 0, step, 40)
        engine.step(batch)
        x = (torch.from_numpy(batch.pixels[batch.indices]).float() - torch.from_numpy(data.mean)) / 255
        logits, _ = forward(layers, x, "before", None)
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(batch.labels))
        for parameter, gradient in zip(own, torch.autograd.grad(loss, own), strict=True):
            parameter.grad = gradient
        descent.step()
    found = parameters(numbers(engine.model()))
    assert distance(found, [p.detach().numpy() for p in own]) < 1e-5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("norm", ["before", "after", "none"])
def test_a_restored_engine_goes_on_to_the_same_bits(data, optimizer, norm):
    sizes = (len(data.mean), 12, 10, 3)
    model, ticket = initial(sizes, norm, 0), dying_ticket(sizes)
    experiment = tiny.experiment(network={"norm": norm}, train={"optimizer": optimizer, "lr": 0.02})
    check_restored(lambda: TorchEngine(experiment, data.mean, data.live_pixels), data, model, ticket)


def test_loss_is_the_mean_since_the_last_evaluation(data):
    sizes = (len(data.mean), 12, 10, 3)
    model, ticket = initial(sizes, "before", 0), Ticket.dense(sizes)
    single, mean = (TorchEngine(tiny.experiment(), data.mean, data.live_pixels) for _ in range(2))
    single.start(model, ticket)
    mean.start(model, ticket)
    losses = []
    for step in range(5):
        batch = data.draw(0, 0, step, 50)
        single.step(batch)
        losses.append(single.take_loss())
        mean.step(batch)
    assert mean.take_loss() == pytest.approx(np.mean(losses))
    assert np.isnan(mean.take_loss())


def test_a_model_given_is_scored_without_touching_the_engine(data):
    sizes = (len(data.mean), 12, 10, 3)
    engine = TorchEngine(tiny.experiment(), data.mean, data.live_pixels)
    train(engine, data, initial(sizes, "before", 0), Ticket.dense(sizes), 5)
    early, score = engine.model(), engine.evaluate(data.validation)
    for step in range(5, 40):
        engine.step(data.draw(0, 0, step, 50))
    late = engine.model()
    assert engine.evaluate(data.validation, early) == score
    assert engine.evaluate(data.validation) != score
    for name, array in engine.model().to_arrays().items():
        np.testing.assert_array_equal(array, late.to_arrays()[name])


def test_the_images_that_are_right_are_those_it_counts(data, monkeypatch):
    sizes = (len(data.mean), 12, 10, 3)
    monkeypatch.setattr(engine_module, "EVALUATION_ROWS", 50)
    engine = TorchEngine(tiny.experiment(), data.mean, data.live_pixels)
    train(engine, data, initial(sizes, "before", 0), Ticket.dense(sizes), 5)
    early = engine.model()
    train(engine, data, early, Ticket.dense(sizes), 40)
    for model in (None, early):
        right = engine.right(data.validation, model)
        assert (right.dtype, right.shape) == (bool, (len(data.validation),))
        assert 0 < right.sum() == engine.evaluate(data.validation, model).correct < len(right)
        # an engine without a faster way asks for image after image
        np.testing.assert_array_equal(Engine.right(engine, data.validation, model), right)
    assert engine.right(Images(data.validation.pixels[:0], data.validation.labels[:0])).shape == (0,)


def test_of_equal_logits_those_are_right_that_evaluate_counts(data):
    sizes = (len(data.mean), 8, 3)
    model = initial(sizes, "before", 0)
    last = replace(model.layers[-1], weight=0 * model.layers[-1].weight)
    engine = TorchEngine(tiny.experiment(), data.mean, data.live_pixels)
    engine.start(replace(model, layers=(model.layers[0], last)), Ticket.dense(sizes))
    assert engine.right(data.validation).sum() == engine.evaluate(data.validation).correct


def test_streams_are_taken_as_they_come(data):
    sizes = (len(data.mean), 8, 3)
    model, ticket = initial(sizes, "before", 0), Ticket.dense(sizes)
    bytes_engine, float_engine = (
        TorchEngine(tiny.experiment(), data.mean, data.live_pixels) for _ in range(2)
    )
    bytes_engine.start(model, ticket)
    float_engine.start(model, ticket)
    batch = data.draw(0, 0, 0, 50)
    inputs = ((batch.pixels[batch.indices] - data.mean) / 255).astype(np.float32)
    bytes_engine.step(batch)
    float_engine.step(Batch(inputs, np.arange(50), batch.labels))
    a, b = (parameters(numbers(e.model())) for e in (bytes_engine, float_engine))
    assert distance(a, b) < 1e-6


def test_top_five_counts_every_class_when_there_are_fewer(data):
    sizes = (len(data.mean), 8, 3)
    engine = TorchEngine(tiny.experiment(), data.mean, data.live_pixels)
    train(engine, data, initial(sizes, "before", 0), Ticket.dense(sizes), 3)
    score = engine.evaluate(data.validation)
    assert score.correct5 == score.images == len(data.validation)
    assert isinstance(engine.model().layers[0], Layer)
