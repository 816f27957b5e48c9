"""Gradual pruning, SET and RigL, with real training: run with `pytest tests/pruning/test_dynamics.py`."""

import math
from itertools import pairwise

import numpy as np
import pytest

import tiny
from native.problems import ENGINES
from prunescope.errors import InputError
from prunescope.model import Ticket, initial
from prunescope.pruning import find_method
from prunescope.training import make_engine
from prunescope.training.levels import Setting
from prunescope.training.loop import Diverged, train_level
from prunescope.training.probe import Probe

SIZES = (108, 12, 10, 3)
WEIGHTS = (12 * 108, 10 * 12)
STEPS = 40


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def setting(method, data, engine="torch", train=None, **prune):
    return Setting(
        tiny.experiment(
            train={"steps": STEPS, "batch": 50, "eval_every": 7} | (train or {}),
            prune={"method": method} | prune,
            run={"engine": engine},
        ),
        SIZES,
        0,
        data,
    )


def levels(given):
    """The levels of a method whose procedure reads no outcome."""
    return list(find_method(given.experiment.prune.method)(given))


def watch(given, level):
    """Train a level; (engine, {step: (model, ticket) before and after the masks moved}, trained)."""
    engine = make_engine(given.experiment, given.dataset.mean, given.dataset.live_pixels)
    assert engine.name == given.experiment.run.engine
    moves = {}

    def watched():
        dynamics = level.dynamics()
        move = dynamics.after_step

        def after_step(step, engine):
            before = engine.model(), engine.ticket
            ended = move(step, engine)
            moves[step] = before, (engine.model(), engine.ticket)
            return ended

        dynamics.after_step = after_step
        dynamics.next_step = lambda step: step + 1  # also where nothing is due
        return dynamics

    followed = type(level)(**(vars(level) | {"dynamics": watched}))
    return engine, moves, train_level(engine, followed, given)


def counts(ticket):
    return [mask.kept for mask in ticket.masks]


@pytest.mark.parametrize("engine", ENGINES)
def test_gradual_pruning_follows_the_formula_to_the_exact_count(engine, data):
    given = setting("gradual", data, engine, density=0.07, update_every=4)
    [level] = levels(given)
    assert (level.number, level.ticket, level.nominal_density) == (1, Ticket.dense(SIZES), 0.07)
    _, moves, trained = watch(given, level)
    assert sorted(moves) == list(range(1, STEPS))
    for step, ((model, before), (_, after)) in moves.items():
        if step % 4 or step > 28:  # 7 updates of 4 steps fit into 75 % of 40
            assert after == before
            continue
        sparsity = 0.93 + (0 - 0.93) * (1 - step / (7 * 4)) ** 3
        assert counts(after) == [round((1 - sparsity) * size) for size in WEIGHTS]
        for layer, old, new in zip(model.layers, before.masks, after.masks, strict=False):
            assert (old & new) == new
            size = np.abs(layer.weight)
            assert size[new.array].min() > size[old.array & ~new.array].max()
    assert counts(trained.ticket) == [round(0.07 * size) for size in WEIGHTS] == [91, 8]
    assert all(bias.all() for bias in trained.ticket.biases)
    assert trained.best_step > 28
    assert trained.best_ticket == trained.ticket
    for layer, mask in zip(trained.model.layers, trained.ticket.masks, strict=False):
        assert not layer.weight[~mask.array].any()


@pytest.mark.parametrize("engine", ENGINES)
def test_set_drops_the_smallest_and_grows_at_random_where_it_is_empty(engine, data):
    given = setting("set", data, engine, density=0.3, update_every=6, drop=0.4)
    [level] = levels(given)
    _, moves, _ = watch(given, level)
    grown_at = []
    for step, ((model, before), (moved, after)) in moves.items():
        assert counts(after) == [389, 36]
        if step % 6:
            assert after == before
            continue
        for index, (layer, now) in enumerate(zip(model.layers[:2], moved.layers[:2], strict=True)):
            old, new = before.masks[index].array, after.masks[index].array
            size = np.abs(np.where(old, layer.weight, np.inf))
            dropped = np.zeros(old.size, bool)
            dropped[np.argsort(size, axis=None)[: int(0.4 * old.sum())]] = True
            survivors = old & ~dropped.reshape(old.shape)
            assert (new & survivors).sum() == survivors.sum()
            np.testing.assert_array_equal(now.weight[survivors], layer.weight[survivors])
            grown = new & ~survivors
            alone = ~survivors[:, data.live_pixels if index == 0 else slice(None)].any(1)
            assert not now.weight[grown & ~alone[:, None]].any()
            if index == 0:
                grown_at.append(np.flatnonzero(grown))
    assert len(grown_at) == 6
    everywhere = np.unique(np.concatenate(grown_at))
    assert len(everywhere) > 500  # of 1296, in 6 draws of 155: not the same places again
    assert all(not np.array_equal(a, b) for a, b in pairwise(grown_at))


def test_set_evolves_once_an_epoch_unless_told(data):
    _, moves, _ = watch(given := setting("set", data, density=0.2), levels(given)[0])
    assert [s for s, ((_, old), (_, new)) in moves.items() if old != new] == [6, 12, 18, 24, 30, 36]


@pytest.mark.parametrize("engine", ENGINES)
def test_rigl_grows_exactly_the_largest_gradients(engine, data):
    given = setting("rigl", data, engine, density=0.2, update_every=5, drop=0.5)
    [level] = levels(given)
    _, moves, trained = watch(given, level)
    probe, updates = Probe(given, 1), []
    for step, ((model, before), (moved, after)) in moves.items():
        assert counts(after) == [259, 24]
        if after == before:
            continue
        updates.append(step)
        share = 0.25 * (1 + math.cos(math.pi * step / 30))
        gradients = probe.gradients(model, before, step)
        for index, (layer, now) in enumerate(zip(model.layers[:2], moved.layers[:2], strict=True)):
            old, new, gradient = before.masks[index].array, after.masks[index].array, gradients[index]
            number = int(share * old.sum())
            order = np.argsort(np.abs(np.where(old, layer.weight, np.inf)), axis=None)
            survivors = old.copy().ravel()
            survivors[order[:number]] = False
            largest = np.argsort(-np.where(survivors, -1, np.abs(gradient).ravel()), kind="stable")[:number]
            expected = survivors.copy()
            expected[largest] = True
            np.testing.assert_array_equal(new.ravel(), expected)
            np.testing.assert_array_equal(now.weight[old & new], layer.weight[old & new])
            alone = ~(old & new)[:, data.live_pixels if index == 0 else slice(None)].any(1)
            assert not now.weight[new & ~old & ~alone[:, None]].any()
    assert updates == [5, 10, 15, 20, 25]
    assert trained.ticket == moves[30][1][1]


@pytest.mark.parametrize("layout", ["uniform", "erk"])
@pytest.mark.parametrize("method", ["set", "rigl"])
def test_they_start_random_at_each_density(method, layout, data):
    given = setting(method, data, density=[0.3, 0.1], layout=layout, update_every=5)
    first, second = levels(given)
    assert [first.number, second.number] == [1, 2]
    for level, density in ((first, 0.3), (second, 0.1)):
        assert level.nominal_density == density
        assert sum(counts(level.ticket)) == pytest.approx(density * sum(WEIGHTS), abs=1)
        assert level.model.to_arrays().keys() == initial(SIZES, "before", 0).to_arrays().keys()
        assert (counts(level.ticket)[1] == round(density * 120)) == (layout == "uniform")


@pytest.mark.parametrize(
    ("method", "prune", "message"),
    [
        ("gradual", {}, "prune.density is not given: prune.method=gradual"),
        ("set", {"update_every": 5}, "prune.density is not given: prune.method=set"),
        ("rigl", {"density": 0.1}, "prune.update_every is 100 .*at most 30"),
        ("gradual", {"density": 0.1, "update_every": 31}, "prune.update_every is 31 .*at most 30"),
        ("dpf", {"density": 0.1, "update_every": 31}, "prune.update_every is 31 .*at most 30"),
        ("set", {"density": 0.1, "layout": "shuffle"}, "prune.layout is 'shuffle': prune.method=set takes"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(method, prune, message, data):
    with pytest.raises(InputError, match=message):
        find_method(method)(setting(method, data, **prune))


@pytest.mark.parametrize("method", ["gradual", "set", "rigl"])
def test_weights_that_overflow_are_said_to(method, data):
    given = setting(method, data, train={"lr": 1e38, "eval_every": 30}, density=0.2, update_every=3)
    with pytest.raises(Diverged, match=r"not finite; lower train\.lr"):
        watch(given, levels(given)[0])


@pytest.mark.parametrize(
    ("method", "prune", "acts"),
    [
        ("gradual", {"update_every": 4}, [4, 8, 12, 16, 20, 24, 28]),  # 7 updates fit into 75 % of 40 steps
        ("dpf", {"update_every": 7}, [7, 14, 21, 28, 35]),  # masks move to the end
        ("rigl", {"update_every": 5}, [5, 10, 15, 20, 25]),  # at step 30 nothing is dropped any more
        ("set", {"update_every": 13, "drop": 0.4}, [13, 26, 39]),
        ("beta-lasso", {}, []),
    ],
)
def test_dynamics_say_when_they_act(method, prune, acts, data):
    density = {} if method == "beta-lasso" else {"density": 0.3}
    [level] = levels(setting(method, data, **density, **prune))
    dynamics = level.dynamics()
    for step in range(STEPS):  # a resumed level may ask after any step
        at = dynamics.next_step(step)
        assert (at or STEPS) > step
        assert [at] * (at is not None and at < STEPS) == [act for act in acts if act > step][:1]
