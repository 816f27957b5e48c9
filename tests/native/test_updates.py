"""Momentum and Adam in the native engine: run with `pytest tests/native/test_updates.py`."""

import numpy as np
import pytest

from engine_cases import distance
from native.problems import FIELDS, error, named, needs_kernels
from prunescope.model import Model

pytestmark = needs_kernels
NAMES = [
    "u=0.85",
    "u=0.3, blocks",
    "u=0.02, rows",
    "dead, sparse",
    "dead, dense",
    "one kept weight",
    "u=0.3, floats",
]
SLOTS = {"momentum": 1, "adam": 2}


def moments(state, slot):
    """The optimiser's memory as a list of layers."""
    count = sum(name.endswith(".weight") for name in state)
    return [
        {f: state[f"moment{4 * (slot * count + layer) + i}"].astype(np.float64) for i, f in enumerate(FIELDS)}
        for layer in range(count)
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("optimizer", "share"), [("momentum", 1.0), ("adam", 0.1)])
def test_the_first_moment_starts_as_the_gradient(isa, name, optimizer, share):
    made = named(name).changed(optimizer=optimizer, lr=0.01)
    _, expected, _ = made.reference().gradients(made.inputs(made.batch()), made.labels)
    engine = made.native(isa)
    engine.step(made.batch())
    state = engine.state().to_arrays()
    found = [{f: a / share for f, a in layer.items()} for layer in moments(state, 0)]
    assert error(found, expected) < 2e-5
    if optimizer == "adam":
        for layer, gradient in zip(moments(state, 1), found, strict=True):
            for f in FIELDS:
                np.testing.assert_allclose(layer[f], 0.001 * gradient[f] ** 2, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("optimizer", SLOTS)
def test_moments_over_five_steps_are_those_of_the_torch_engine(isa, name, optimizer):
    # Adam makes ±lr of the rounding noise of a vanishing gradient: with a small lr that stays without consequence
    made = named(name, count=200).changed(optimizer=optimizer, lr=1e-6)
    engines = made.native(isa), made.torch()
    for step in range(5):
        for engine in engines:
            engine.step(made.batch(step, 77))
    own, its = (engine.state().to_arrays() for engine in engines)
    assert own.keys() == its.keys()
    assert all(own[k].dtype == its[k].dtype and own[k].shape == its[k].shape for k in own)
    for slot in range(SLOTS[optimizer]):
        assert error(moments(own, slot), moments(its, slot)) < 2e-5
    assert own["counts"][0] == its["counts"][0] == 5


@pytest.mark.parametrize("name", ["u=0.85", "u=0.02, rows"])
@pytest.mark.parametrize("optimizer", SLOTS)
def test_updates_follow_the_rule(isa, name, optimizer):
    made = named(name, count=200).changed(optimizer=optimizer, lr=0.02, momentum=0.8)
    engine = made.native(isa)
    for step in range(4):
        before = engine.state().to_arrays()
        engine.step(made.batch(step, 65))
        after = engine.state().to_arrays()
        first = moments(after, 0)
        for index in range(len(made.model.layers)):
            for f in FIELDS:
                old, new = (s[f"layer{index + 1}.{f}"].astype(np.float64) for s in (before, after))
                if optimizer == "momentum":
                    expected = old - 0.02 * first[index][f]
                else:
                    mean = first[index][f] / (1 - 0.9 ** (step + 1))
                    square = moments(after, 1)[index][f] / (1 - 0.999 ** (step + 1))
                    expected = old - 0.02 * mean / (np.sqrt(square) + 1e-8)
                np.testing.assert_allclose(new, expected, rtol=1e-5, atol=1e-6)


def test_momentum_remembers(isa):
    made = named("u=0.3, blocks").changed(optimizer="momentum", lr=1e-7, momentum=0.8)
    engine = made.native(isa)
    sums = []
    for _ in range(4):
        engine.step(made.batch())
        sums.append(
            np.concatenate([m[f].ravel() for m in moments(engine.state().to_arrays(), 0) for f in FIELDS])
        )
    for total, factor in zip(sums, np.cumsum(0.8 ** np.arange(4)), strict=True):
        assert distance([total], [factor * sums[0]]) < 1e-4


@pytest.mark.parametrize("order", ["native first", "torch first"])
@pytest.mark.parametrize("name", ["dead, sparse", "u=0.85"])
@pytest.mark.parametrize("optimizer", ["sgd", *SLOTS])
def test_a_checkpoint_of_one_engine_goes_on_in_the_other(name, optimizer, order):
    made = named(name, count=200).changed(optimizer=optimizer, lr=1e-5 if optimizer == "adam" else 0.02)
    first, second = (
        (made.native(), made.torch()) if order == "native first" else (made.torch(), made.native())
    )
    for step in range(4):
        first.step(made.batch(step, 65))
    second.restore(first.state())
    for step in range(4, 7):
        for engine in (first, second):
            engine.step(made.batch(step, 65))
    own, its = first.state().to_arrays(), second.state().to_arrays()
    assert first.take_loss() == pytest.approx(second.take_loss(), rel=1e-5)
    assert own["counts"][0] == its["counts"][0] == 7
    parameters = [k for k in own if k.split(".")[-1] in FIELDS]
    assert distance([own[k] for k in parameters], [its[k] for k in parameters]) < 1e-5
    for index, inputs in enumerate(made.read_and_live(), 1):
        for field in ("mean", "variance"):
            values = [s[f"layer{index}.{field}"][inputs] for s in (own, its)]
            np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-6)
    scores = [e.evaluate(made.images) for e in (first, second)]
    assert scores[0].loss == pytest.approx(scores[1].loss, rel=1e-5)


@pytest.mark.parametrize("norm", ["before", "none"])
@pytest.mark.parametrize("optimizer", ["sgd", *SLOTS])
def test_a_restored_engine_goes_on_to_the_same_bits(optimizer, norm):
    made = named("u=0.85", count=200, norm=norm).changed(optimizer=optimizer, lr=0.01)
    whole, first, second = made.native(), made.native(), made.native()
    for step in range(8):
        whole.step(made.batch(step, 65))
        if step == 2:
            whole.evaluate(made.images)  # leaves no trace
    for step in range(5):
        first.step(made.batch(step, 65))
    second.restore(first.state())
    for step in range(5, 8):
        second.step(made.batch(step, 65))
    found = second.state().to_arrays()
    for name, array in whole.state().to_arrays().items():
        assert array.tobytes() == found[name].tobytes(), name
    assert isinstance(second.model(), Model)
