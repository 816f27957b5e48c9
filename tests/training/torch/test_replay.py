"""prunescope.training.torch.engine, four levels against float64 NumPy: `pytest tests/training/torch/test_replay.py`."""

import numpy as np
import pytest
import torch

import tiny
from engine_cases import FIELDS, Recorder, distance, masked, numbers, parameters
from prunescope.model import layer_sizes
from prunescope.network.forward import forward, torch_layers
from prunescope.pruning.methods import imp
from prunescope.training.levels import Outcome, Setting
from prunescope.training.loop import Callbacks, train_level
from reference import network as reference

STEPS = 40
RATE = 0.1


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


@pytest.fixture(scope="module")
def trajectory(data):
    """Four levels as trained: (level, engine's batches and models, evaluations, outcome)."""
    experiment = tiny.experiment(
        network={"hidden": [14, 10]},
        train={"steps": STEPS, "batch": 50, "eval_every": 1, "lr": RATE},
        prune={"levels": 3, "rewind_step": 6, "rate": 0.4},
    )
    sizes = layer_sizes(len(data.mean), experiment.network.hidden, len(data.classes))
    procedure = imp.procedure(Setting(experiment, sizes, 5, None))
    levels, outcome = [], None
    while True:
        try:
            level = procedure.send(outcome)
        except StopIteration:
            return levels
        engine, evaluations = Recorder(experiment, data.mean, data.live_pixels), []
        trained = train_level(
            engine, level, Setting(experiment, sizes, 5, data), callbacks=Callbacks(evaluations.append)
        )
        outcome = Outcome(trained.model, trained.kept, level.ticket, trained.best)
        levels.append((level, engine, evaluations, outcome))


def test_the_reference_replays_four_levels_to_1e_5(trajectory, data):
    pixels = (data.validation.pixels - data.mean.astype(np.float64)) / 255
    network = reference.Network(numbers(trajectory[0][0].model), data.live_pixels)
    rewind_to, pruned = None, 0.0
    assert len(trajectory) == 4
    for level, engine, evaluations, _ in trajectory:
        if level.number > 0:
            pruned += 0.4 * (1 - pruned)
            network.prune(pruned)
            for own, mask in zip(network.masks, level.ticket.masks, strict=False):
                np.testing.assert_array_equal(own, mask.array)
            for own, bias in zip(network.bias_masks, level.ticket.biases, strict=False):
                np.testing.assert_array_equal(own, bias)
            network.rewind(rewind_to)
        assert distance(parameters(numbers(engine.started)), parameters(network.layers)) < 1e-5
        for step, (batch, model, evaluation) in enumerate(
            zip(engine.batches, engine.models, evaluations, strict=True), 1
        ):
            loss = network.step(*batch, RATE)
            assert evaluation.train_loss == pytest.approx(loss, rel=1e-5)
            assert distance(parameters(numbers(model)), parameters(network.layers)) < 1e-5
            averages = [array for layer in model.layers for array in (layer.mean, layer.variance)]
            assert distance(averages, [array for pair in network.averages for array in pair]) < 1e-5
            loss, accuracy = network.score(pixels, data.validation.labels)
            assert evaluation.val.loss == pytest.approx(loss, rel=1e-5)
            assert evaluation.val.accuracy == accuracy
            if level.number == 0 and step == 6:
                rewind_to = [{name: layer[name].copy() for name in FIELDS} for layer in network.layers]


def test_gradients_agree_with_the_reference_to_1e_5_all_along(trajectory, data):
    for level, engine, _, _ in trajectory:
        before = [engine.started, *engine.models[:-1]]
        for step in (0, 1, 10, STEPS - 1):
            batch, model = engine.batches[step], before[step]
            network = reference.Network(numbers(model), data.live_pixels)
            masked(network, level.ticket)
            _, gradients, _ = network.gradients(*batch)
            layers = torch_layers(model, level.ticket, data.live_pixels, torch.device("cpu"))
            own = [p.requires_grad_() for layer in layers for p in layer.parameters]
            logits, _ = forward(layers, torch.tensor(batch[0], dtype=torch.float32), "before", None)
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(batch[1]))
            found = [g.numpy().copy() for g in torch.autograd.grad(loss, own)]
            for index, (mask, bias) in enumerate(zip(level.ticket.masks, level.ticket.biases, strict=True)):
                found[4 * index] *= mask.array
                found[4 * index + 1] *= bias
            assert distance(found, parameters(gradients)) < 1e-5


def test_pruned_entries_stay_zero_and_the_rest_moves(trajectory):
    level, engine, _, outcome = trajectory[-1]
    for index, (mask, bias) in enumerate(zip(level.ticket.masks, level.ticket.biases, strict=True)):
        start, end = engine.started.layers[index], outcome.trained.layers[index]
        assert not end.weight[~mask.array].any()
        assert not end.bias[~bias].any()
        assert (end.weight != start.weight)[mask.array].mean() > 0.5
