"""prunescope.training.mask_changes and probe, on both engines: `pytest tests/training/test_mask_changes.py`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from engine_cases import distance, dying_ticket, noisy
from native.problems import ENGINES
from prunescope.mask import Mask
from prunescope.model import Ticket, initial
from prunescope.native import why_not
from prunescope.training.levels import Setting
from prunescope.training.mask_changes import change
from prunescope.training.native_engine import NativeEngine
from prunescope.training.probe import Probe
from prunescope.training.torch.engine import TorchEngine

SIZES = (108, 12, 10, 3)
RATES = {"sgd": 0.1, "momentum": 0.02, "adam": 0.005}


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def random(seed, density=0.4, biases=0.8):
    rng = np.random.default_rng(seed)
    pairs = list(zip(SIZES[1:-1], SIZES[:-2], strict=True))
    masks = tuple(Mask(rng.random(pair) < density) for pair in pairs)
    return Ticket(masks, tuple(rng.random(n) < biases for n, _ in pairs))


class Trial:
    """An engine in the middle of a level."""

    def __init__(self, name, data, ticket, optimizer="sgd", norm="before"):
        train = {"optimizer": optimizer, "lr": RATES[optimizer], "batch": 50}
        self.experiment = tiny.experiment(train=train, network={"norm": norm})
        self.data, self.step = data, 0
        make = {"torch": TorchEngine, "native": NativeEngine}[name]
        self.engine = make(self.experiment, data.mean, data.live_pixels)
        self.probe = Probe(Setting(self.experiment, SIZES, 0, data), 0)
        self.engine.start(noisy(initial(SIZES, norm, 0), 1), ticket)

    def train(self, steps):
        for _ in range(steps):
            self.engine.step(self.data.draw(0, 0, self.step, 50))
            self.step += 1
        return self

    def change(self, ticket, stays=None):
        change(self.engine, ticket, self.probe, self.step, stays)
        return self

    @property
    def bits(self):
        return {name: array.tobytes() for name, array in self.engine.state().to_arrays().items()}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("ticket", [dying_ticket(SIZES), random(1), Ticket.dense(SIZES)], ids=str)
def test_a_change_to_the_same_masks_changes_no_bit(engine, optimizer, ticket, data):
    alone = Trial(engine, data, ticket, optimizer).train(9)
    changed = Trial(engine, data, ticket, optimizer).train(4).change(ticket).train(3).change(ticket).train(2)
    assert changed.bits == alone.bits
    assert changed.engine.evaluate(data.validation) == alone.engine.evaluate(data.validation)
    assert changed.engine.take_loss() == alone.engine.take_loss()


@pytest.mark.parametrize("norm", ["after", "none"])
@pytest.mark.parametrize("optimizer", RATES)
def test_nor_does_it_with_other_norms(norm, optimizer, data):
    ticket = dying_ticket(SIZES)
    alone = Trial("torch", data, ticket, optimizer, norm).train(6)
    assert Trial("torch", data, ticket, optimizer, norm).train(4).change(ticket).train(2).bits == alone.bits


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("with_stays", [False, True])
def test_what_stays_goes_on_and_all_else_is_zero(engine, with_stays, data):
    before, after, stays = random(1), random(2), random(3) if with_stays else None
    trial = Trial(engine, data, before, "adam").train(5)
    old = trial.engine.state().to_arrays()
    trial.change(after, stays)
    new = trial.engine.state().to_arrays()
    assert trial.engine.ticket == after
    np.testing.assert_array_equal(old["counts"], new["counts"])
    for layer in range(2):
        kept = before.masks[layer].array & after.masks[layer].array
        biases = before.biases[layer] & after.biases[layer]
        if stays is not None:
            kept, biases = kept & stays.masks[layer].array, biases & stays.biases[layer]
        name = f"layer{layer + 1}."
        # a unit that keeps none of its weights starts at the initial ones
        pixels = data.live_pixels if layer == 0 else np.ones(12, bool)
        alone = ~(kept & pixels).any(1, keepdims=True)
        started = np.where(after.masks[layer].array & alone, trial.probe.initial.layers[layer].weight, 0)
        expected = np.where(kept, old[name + "weight"], started)
        np.testing.assert_array_equal(new[name + "weight"], expected)
        assert alone.any() == (layer == 1)
        np.testing.assert_array_equal(new[name + "bias"], np.where(biases, old[name + "bias"], 0))
        for slot in range(2):
            number = 4 * (3 * slot + layer)
            for place, own in ((number, kept), (number + 1, biases)):
                expected = np.where(own, old[f"moment{place}"], 0)
                np.testing.assert_array_equal(new[f"moment{place}"], expected)
                assert expected.any()
    for name in ("layer1.gamma", "layer2.beta", "layer3.weight", "layer2.variance"):
        np.testing.assert_array_equal(new[name], old[name])
    same = new["layer3.mean"] == old["layer3.mean"]
    np.testing.assert_array_equal(same, ~alone[:, 0])


def cut_and_joined():
    """Masks without unit 2 of the first layer (nothing into it, nothing reads it), and the same with it."""
    whole = random(4, density=0.5, biases=2)
    first, second = (mask.array.copy() for mask in whole.masks)
    first[2] = False
    second[:, 2] = False
    return Ticket((Mask(first), Mask(second)), whole.biases), whole


@pytest.mark.parametrize("engine", ENGINES)
def test_averages_of_a_unit_that_comes_alive_start_as_the_coming_batchs(engine, data):
    cut, whole = cut_and_joined()
    trial = Trial(engine, data, cut).train(6)
    old = trial.engine.state().to_arrays()
    trial.change(whole)
    new = trial.engine.state().to_arrays()
    [*_, (mean, variance), _] = trial.probe.statistics(trial.engine.model(), whole, 6)
    assert new["layer2.mean"][2] == mean[2]
    assert new["layer2.variance"][2] == variance[2]
    others = np.arange(12) != 2
    np.testing.assert_array_equal(new["layer2.mean"][others], old["layer2.mean"][others])
    # the batch is the one of the next step
    before = trial.engine.model().layers[1].mean
    trial.train(1)
    assert trial.engine.model().layers[1].mean[2] == pytest.approx(before[2], rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_the_engines_agree_over_changes_that_cut_and_join_units(optimizer, data):
    if why_not() is not None:
        pytest.skip(str(why_not()))
    cut, whole = cut_and_joined()
    models = []
    for engine in ("torch", "native"):
        trial = Trial(engine, data, whole, optimizer).train(5)
        for ticket in (cut, random(5), whole, random(6, density=0.1), cut, whole):
            trial.change(ticket).train(4)
        models.append(trial.engine.model())
    arrays = [list(model.to_arrays().values()) for model in models]
    assert distance(*arrays) < 2e-5


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", RATES)
def test_a_state_after_changes_goes_on_in_a_new_engine(engine, optimizer, data):
    cut, whole = cut_and_joined()
    trial = Trial(engine, data, whole, optimizer).train(3).change(cut).train(2)
    for back in (False, True):  # to other masks than those of the level's start, and to the same again
        if back:
            trial.change(whole).train(2)
        state, at = trial.engine.state(), trial.step
        other = Trial(engine, data, whole, optimizer)
        other.engine.restore(state)
        other.step = at
        assert other.engine.ticket == trial.engine.ticket
        assert other.train(3).bits == trial.train(3).bits


def test_the_dense_gradient_is_that_of_finite_differences(data):
    ticket = random(7, density=0.3)
    trial = Trial("torch", data, ticket).train(3)
    model = ticket.applied_to(trial.engine.model())
    gradients = trial.probe.gradients(model, ticket, 3)
    batch = data.draw(0, 0, 3, 50)
    inputs = (batch.pixels[batch.indices] - data.mean.astype(np.float64)) / 255

    def loss(layer, index, by):
        weight = model.layers[layer].weight.astype(np.float64)
        weight[index] += by
        changed = replace(model.layers[layer], weight=weight)
        layers = [changed if n == layer else own for n, own in enumerate(model.layers)]
        return float64_loss(layers, ticket.live_inputs(data.live_pixels), inputs, batch.labels)

    rng = np.random.default_rng(0)
    for layer, gradient in enumerate(gradients):
        for index in zip(*(rng.integers(0, n, 25) for n in gradient.shape), strict=True):
            slope = (loss(layer, index, 1e-5) - loss(layer, index, -1e-5)) / 2e-5
            assert gradient[index] == pytest.approx(slope, abs=2e-6, rel=1e-3)


def float64_loss(layers, live, hidden, labels):
    for index, (layer, varying) in enumerate(zip(layers, live, strict=True)):
        normal = np.where(varying, (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-10), 0)
        sent = normal * layer.gamma.astype(np.float64) + layer.beta.astype(np.float64)
        hidden = sent @ layer.weight.astype(np.float64).T + layer.bias
        if index < len(layers) - 1:
            hidden = np.maximum(hidden, 0)
    likely = hidden - np.log(np.exp(hidden).sum(1, keepdims=True))
    return -likely[np.arange(len(labels)), labels].mean()


@pytest.mark.parametrize("what", ["gradients", "statistics"])
def test_a_probe_computes_in_float32_whatever_the_process_has_set(data, monkeypatch, what):
    setting = torch.backends.cuda.matmul
    if not hasattr(setting, "fp32_precision"):  # torch before 2.9
        pytest.skip("this torch has another setting")
    trial, usual, found = Trial("torch", data, random(0)), setting.fp32_precision, []
    noted = {"gradients": "grad", "statistics": "set_grad_enabled"}[what]
    owner = torch.autograd if what == "gradients" else torch
    real = getattr(owner, noted)

    def note(*arguments, **options):
        found.append(setting.fp32_precision)
        return real(*arguments, **options)

    monkeypatch.setattr(owner, noted, note)
    try:
        setting.fp32_precision = "tf32"
        getattr(trial.probe, what)(trial.engine.model(), trial.engine.ticket, 0)
        assert set(found) == {"ieee"}
        assert setting.fp32_precision == "tf32"
    finally:
        setting.fp32_precision = usual
