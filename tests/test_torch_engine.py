"""prunescope.training.torch_engine against float64 NumPy: run with `pytest tests/test_torch_engine.py`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from prunescope.data import Batch
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.model import Layer, Model, Ticket, initial, layer_sizes
from prunescope.network import forward, torch_layers
from prunescope.pruning.procedures import Outcome, iterative_magnitude_pruning
from prunescope.training.loop import train_level
from prunescope.training.torch_engine import TorchEngine
from reference import network as reference

FIELDS = reference.PARAMETERS
STEPS = 40
RATE = 0.1


class Recorder(TorchEngine):
    """The engine, remembering every batch as network inputs in float64, and the model after it."""

    def start(self, model, ticket):
        super().start(model, ticket)
        self.started, self.batches, self.models = self.model(), [], []

    def step(self, batch):
        super().step(batch)
        pixels = np.asarray(batch.pixels[batch.indices], np.float64)
        self.batches.append(((pixels - self._mean.numpy().astype(np.float64)) / 255, batch.labels))
        self.models.append(self.model())


def numbers(model):
    return [{name: getattr(layer, name) for name in FIELDS} for layer in model.layers]


def masked(network, ticket):
    """Give the reference a ticket's masks, the output layer's being all ones."""
    for index, (mask, bias) in enumerate(zip(ticket.masks, ticket.biases, strict=True)):
        network.masks[index], network.bias_masks[index] = mask.array, bias


def distance(found, expected):
    """‖found - expected‖ / ‖expected‖ over all arrays of a model together."""
    pairs = [
        (np.ravel(a).astype(float), np.ravel(b).astype(float)) for a, b in zip(found, expected, strict=True)
    ]
    return np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((b**2).sum() for _, b in pairs))


def parameters(layers):
    return [layer[name] for layer in layers for name in FIELDS]


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
    sizes = layer_sizes(len(data.mean), experiment.network, len(data.classes))
    procedure = iterative_magnitude_pruning(experiment, sizes, seed=5)
    levels, outcome = [], None
    while True:
        try:
            level = procedure.send(outcome)
        except StopIteration:
            return levels
        engine, looks = Recorder(experiment, data.mean, data.live_pixels), []
        trained = train_level(engine, data, level, experiment.train, 5, on_evaluation=looks.append)
        outcome = Outcome(trained.model, trained.kept)
        levels.append((level, engine, looks, outcome))


def test_the_reference_replays_four_levels_to_1e_5(trajectory, data):
    pixels = (data.validation.pixels - data.mean.astype(np.float64)) / 255
    network = reference.Network(numbers(trajectory[0][0].model), data.live_pixels)
    rewind_to, pruned = None, 0.0
    assert len(trajectory) == 4
    for level, engine, looks, _ in trajectory:
        if level.number > 0:
            pruned += 0.4 * (1 - pruned)
            network.prune(pruned)
            for own, mask in zip(network.masks, level.ticket.masks, strict=False):
                np.testing.assert_array_equal(own, mask.array)
            for own, bias in zip(network.bias_masks, level.ticket.biases, strict=False):
                np.testing.assert_array_equal(own, bias)
            network.rewind(rewind_to)
        assert distance(parameters(numbers(engine.started)), parameters(network.layers)) < 1e-5
        for step, (batch, model, look) in enumerate(
            zip(engine.batches, engine.models, looks, strict=True), 1
        ):
            loss = network.step(*batch, RATE)
            assert look.train_loss == pytest.approx(loss, rel=1e-5)
            assert distance(parameters(numbers(model)), parameters(network.layers)) < 1e-5
            averages = [array for layer in model.layers for array in (layer.mean, layer.variance)]
            assert distance(averages, [array for pair in network.averages for array in pair]) < 1e-5
            loss, accuracy = network.score(pixels, data.validation.labels)
            assert look.val.loss == pytest.approx(loss, rel=1e-5)
            assert look.val.accuracy == accuracy
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


# Dead units. Layer 1: unit 0 has no weight at all, unit 1 sees dead pixels only. Layer 2: unit 0 is
# fed by those two alone, so it is dead through two layers. All of them keep their biases.
def dying_ticket(sizes):
    first, second = (np.ones((n, m), bool) for n, m in ((sizes[1], sizes[0]), (sizes[2], sizes[1])))
    first[0] = False
    first[1] = False
    first[1, list(tiny.DEAD_PIXELS)] = True
    second[0, 2:] = False
    return Ticket((Mask(first), Mask(second)), tuple(np.ones(n, bool) for n in sizes[1:3]))


def noisy(model, seed):
    """Biases and norms away from where they start, so that a dead unit's constant is not 0."""
    rng = np.random.default_rng(seed)
    return Model(
        tuple(
            replace(
                layer,
                bias=rng.uniform(0.1, 1, layer.bias.shape).astype(np.float32),
                gamma=rng.uniform(0.5, 1.5, layer.gamma.shape).astype(np.float32),
                beta=rng.uniform(0.1, 1, layer.beta.shape).astype(np.float32),
            )
            for layer in model.layers
        )
    )


@pytest.fixture(scope="module")
def dying(data):
    sizes = (len(data.mean), 12, 10, 3)
    return noisy(initial(sizes, "before", 0), 1), dying_ticket(sizes)


def train(engine, data, model, ticket, steps, batch=50):
    engine.start(model, ticket)
    for step in range(steps):
        engine.step(data.draw(0, 0, step, batch))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("norm", ["before", "after"])
def test_biases_of_dead_units_do_not_move(data, dying, optimizer, norm):
    model, ticket = dying
    model = noisy(initial((len(data.mean), 12, 10, 3), norm, 0), 1)
    experiment = tiny.experiment(network={"norm": norm}, train={"optimizer": optimizer, "lr": 0.01})
    engine = TorchEngine(experiment, data.mean, data.live_pixels)
    train(engine, data, model, ticket, 50)
    trained = engine.model()
    np.testing.assert_array_equal(trained.layers[0].bias[:2], model.layers[0].bias[:2])
    np.testing.assert_array_equal(trained.layers[1].bias[:1], model.layers[1].bias[:1])
    # nor do their weights, but the constant they send does
    np.testing.assert_array_equal(
        trained.layers[0].weight[1], ticket.masks[0].array[1] * model.layers[0].weight[1]
    )
    # (with the norm after the maps, only that into the output map: the next norm takes a shift out)
    sender, unit = (2, 0) if norm == "before" else (1, 0)
    assert trained.layers[sender].beta[unit] != model.layers[sender].beta[unit]


def test_dead_units_send_the_constant_beta(data, dying):
    model, ticket = dying
    engine = TorchEngine(tiny.experiment(), data.mean, data.live_pixels)
    train(engine, data, model, ticket, 30)
    trained = engine.model()
    # Whatever bias a dead unit has, the network is the same: only its β counts.
    other = [replace(layer, bias=layer.bias.copy()) for layer in trained.layers]
    other[0].bias[:2] += 5
    other[1].bias[0] += 5
    found = engine.evaluate(data.validation)
    assert engine.evaluate(data.validation, Model(tuple(other))) == found
    other = [replace(layer, beta=layer.beta.copy()) for layer in trained.layers]
    other[1].beta[:2] += 5
    assert engine.evaluate(data.validation, Model(tuple(other))).loss != pytest.approx(found.loss, rel=1e-3)


@pytest.mark.parametrize("biases", [True, False])
def test_accuracy_stays_that_of_the_reference_when_units_and_pixels_die(data, dying, biases):
    model, ticket = dying
    if not biases:
        ticket = Ticket(ticket.masks, tuple(np.zeros_like(b) for b in ticket.biases))
    engine = Recorder(tiny.experiment(), data.mean, data.live_pixels)
    train(engine, data, model, ticket, 60)
    network = reference.Network(numbers(engine.started), data.live_pixels)
    masked(network, ticket)
    assert [list(np.flatnonzero(~live)) for live in network.live()] == [list(tiny.DEAD_PIXELS), [0, 1], [0]]
    for x, labels in engine.batches:
        network.step(x, labels, RATE)
    pixels = (data.validation.pixels - data.mean.astype(np.float64)) / 255
    loss, accuracy = network.score(pixels, data.validation.labels)
    found = engine.evaluate(data.validation)
    assert found.loss == pytest.approx(loss, rel=2e-5)
    assert found.accuracy == accuracy
    assert accuracy > 0.5


def test_a_validation_image_that_moves_a_dead_pixel_changes_nothing(data, dying):
    engine = TorchEngine(tiny.experiment(), data.mean, data.live_pixels)
    train(engine, data, dying[0], dying[1], 20)
    pixels = data.validation.pixels.copy()
    pixels[:, list(tiny.DEAD_PIXELS)] = 200
    moved = replace(data.validation, pixels=pixels)
    assert engine.evaluate(moved) == engine.evaluate(data.validation)


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
    whole, first, second = (TorchEngine(experiment, data.mean, data.live_pixels) for _ in range(3))
    train(whole, data, model, ticket, 12)
    train(first, data, model, ticket, 7)
    second.start(model, ticket)
    second.restore(first.state())
    for step in range(7, 12):
        second.step(data.draw(0, 0, step, 50))
    assert whole.take_loss() == second.take_loss()
    for name, array in whole.state().items():
        np.testing.assert_array_equal(array, second.state()[name], err_msg=name)


def test_loss_is_the_mean_since_the_last_look(data):
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


@pytest.mark.parametrize("device", ["tpu9", "meta", "cuda:77", ""])
def test_a_device_that_is_not_there_is_refused(data, device):
    experiment = tiny.experiment(run={"device": device})
    with pytest.raises(InputError, match=r"run\.device is .*use cpu"):
        TorchEngine(experiment, data.mean, data.live_pixels)


def test_top_five_counts_every_class_when_there_are_fewer(data):
    sizes = (len(data.mean), 8, 3)
    engine = TorchEngine(tiny.experiment(), data.mean, data.live_pixels)
    train(engine, data, initial(sizes, "before", 0), Ticket.dense(sizes), 3)
    score = engine.evaluate(data.validation)
    assert score.correct5 == score.images == len(data.validation)
    assert isinstance(engine.model().layers[0], Layer)
