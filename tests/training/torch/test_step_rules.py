"""prunescope.training.torch.step_rules, DPF and β-LASSO: run with `pytest tests/training/torch/test_step_rules.py`."""

from itertools import pairwise

import numpy as np
import pytest

import tiny
from engine_cases import Recorder, distance, numbers, parameters
from prunescope.errors import InputError
from prunescope.model import Ticket, initial
from prunescope.pruning import find_method, find_traits
from prunescope.training import engine_note, make_engine, why_not_native
from prunescope.training.levels import Setting
from prunescope.training.loop import Callbacks, train_level
from prunescope.training.torch.engine import TorchEngine
from reference.moving_masks import Feedback, Lasso
from tape import TapeCapture, device_engine

SIZES = (108, 12, 10, 3)
RATE = 0.05


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def experiment(method, steps=60, **prune):
    train = {"steps": steps, "batch": 50, "lr": RATE, "eval_every": 1}
    return tiny.experiment(train=train, prune={"method": method, "rewind_step": 1} | prune)


def trained(chosen, data):
    """(level, engine, evaluations, trained) of the first level."""
    rule = find_traits(chosen.prune.method).update_rule
    engine, evaluations = Recorder(chosen, data.mean, data.live_pixels, update_rule=rule), []
    setting = Setting(chosen, SIZES, 0, data)
    level = next(find_method(chosen.prune.method)(setting))
    done = train_level(engine, level, setting, callbacks=Callbacks(evaluations.append))
    return level, engine, evaluations, done


def compare(network, engine, evaluations, data, between=lambda step: None):
    """Replay an engine's batches on the slow network: losses, models and scores of every step."""
    pixels = (data.validation.pixels - data.mean.astype(np.float64)) / 255
    for step, ((x, labels), model, evaluation) in enumerate(
        zip(engine.batches, engine.models, evaluations, strict=True), 1
    ):
        assert evaluation.train_loss == pytest.approx(network.step(x, labels, RATE), rel=1e-4)
        seen = [
            layer | {"weight": layer["weight"] * kept}
            for layer, kept in zip(network.layers, network.kept, strict=True)
        ]
        assert distance(parameters(numbers(model)), parameters(seen)) < 2e-5
        for layer, (mean, variance) in zip(model.layers, network.averages, strict=True):
            np.testing.assert_allclose(layer.mean, mean, atol=1e-4)
            np.testing.assert_allclose(layer.variance, variance, rtol=1e-3, atol=1e-5)
        network.masks, whole = network.kept, network.masks
        loss, accuracy = network.score(pixels, data.validation.labels)
        network.masks = whole
        assert evaluation.val.loss == pytest.approx(loss, rel=1e-3)
        assert evaluation.val.accuracy == pytest.approx(accuracy, abs=0.02)
        between(step)


def test_dpf_is_the_slow_one_step_by_step(data):
    chosen = experiment("dpf", density=0.2, update_every=7)
    level, engine, evaluations, done = trained(chosen, data)
    assert level.ticket == Ticket.dense(SIZES)
    network = Feedback(numbers(level.model), data.live_pixels)

    def between(step):
        if step % 7 == 0:
            left = max(0, 1 - step / 42)
            density = 0.2 + 0.8 * left**3
            network.keep_largest([round(density * n) for n in (108 * 12, 120)])

    compare(network, engine, evaluations, data, between)
    for mask, kept in zip(done.ticket.masks, network.kept, strict=False):
        np.testing.assert_array_equal(mask.array, kept)
    assert [mask.kept for mask in done.ticket.masks] == [259, 24]
    assert done.best_step > 42


def test_dpf_brings_weights_back_and_its_model_is_masked(data):
    chosen = experiment("dpf", density=0.3, update_every=4)
    _, engine, _, done = trained(chosen, data)
    kept = [model.layers[0].weight != 0 for model in engine.models]
    back = [np.count_nonzero(after & ~before) for before, after in pairwise(kept[48:])]
    assert sum(back) > 0
    np.testing.assert_array_equal(done.model.layers[0].weight != 0, done.ticket.masks[0].array)
    dense = engine.state().model.layers[0].weight
    assert np.count_nonzero(dense) > 1.5 * done.ticket.masks[0].kept
    np.testing.assert_array_equal(dense * done.ticket.masks[0].array, done.model.layers[0].weight)


def test_beta_lasso_is_the_slow_one_step_by_step(data):
    chosen = experiment("beta-lasso", shrink=2e-3, shrink_cut=30.0)
    level, engine, evaluations, done = trained(chosen, data)
    network = Lasso(numbers(level.model), data.live_pixels, 2e-3, 30.0)
    compare(network, engine, evaluations, data)
    for mask, kept in zip(done.ticket.masks, network.kept, strict=False):
        np.testing.assert_array_equal(mask.array, kept)
    assert 0.2 < done.ticket.masks[0].density < 0.8
    assert (done.best_step, done.best) == (60, done.last.val.accuracy)


def test_a_unit_that_beta_lasso_empties_is_dead_and_not_noise(data):
    chosen = experiment("beta-lasso", steps=15, shrink=0.02, shrink_cut=20.0)
    level, engine, evaluations, done = trained(chosen, data)
    assert 0 < done.ticket.units_alive[0] < 12
    compare(Lasso(numbers(level.model), data.live_pixels, 0.02, 20.0), engine, evaluations, data)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
@pytest.mark.parametrize("method", ["dpf", "beta-lasso"])
def test_a_recorded_step_does_the_same_without_asking_the_host(method, optimizer, data):
    chosen = experiment(method, density=0.3, shrink=1e-3, shrink_cut=20.0)
    chosen = chosen.model_copy(
        update={"train": chosen.train.model_copy(update={"optimizer": optimizer, "lr": 0.01})}
    )
    capture, rule = TapeCapture(), find_traits(method).update_rule
    cpu = TorchEngine(chosen, data.mean, data.live_pixels, update_rule=rule)
    plain = device_engine(chosen, data.mean, data.live_pixels, update_rule=rule)
    recorded = device_engine(chosen, data.mean, data.live_pixels, capture, rule)
    for engine in (cpu, plain, recorded):
        engine.start(initial(SIZES, "before", 0), Ticket.dense(SIZES))
        for step in range(8):
            if method == "dpf" and step in (0, 5):
                engine.keep_largest([200, 50])
            engine.step(data.draw(0, 0, step, 50))
    assert capture.captures == 1
    for engine in (plain, recorded):
        found = engine.state().to_arrays()
        for name, array in cpu.state().to_arrays().items():
            np.testing.assert_array_equal(array, found[name], err_msg=name)
        assert cpu.ticket == engine.ticket != Ticket.dense(SIZES)
        assert cpu.evaluate(data.validation).correct == engine.evaluate(data.validation).correct


@pytest.mark.parametrize("method", ["dpf", "beta-lasso"])
def test_they_run_on_the_torch_engine_alone_and_say_why(method, data):
    chosen, rule = experiment(method, density=0.3), find_traits(method).update_rule
    reason = f"prune.method={method} trains pruned weights too; the native engine has only the kept ones"
    assert why_not_native(chosen, rule) == reason
    assert engine_note(chosen, rule) == f"torch ({reason})"
    assert make_engine(chosen, data.mean, data.live_pixels, rule).name == "torch"
    native = chosen.model_copy(update={"run": chosen.run.model_copy(update={"engine": "native"})})
    with pytest.raises(InputError, match=f"run.engine=native: prune.method={method}"):
        make_engine(native, data.mean, data.live_pixels, rule)
