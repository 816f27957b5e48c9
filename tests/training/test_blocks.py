"""Blocks of steps in prunescope.training.loop: run with `pytest tests/training/test_blocks.py`."""

import threading
from dataclasses import replace

import kill_resume
import numpy as np
import pytest

import tiny
from native.problems import needs_kernels
from prunescope.errors import InputError
from prunescope.model import Ticket, initial
from prunescope.pruning import find_method
from prunescope.pruning.running import run
from prunescope.runs.checkpoint import saved_step
from prunescope.runs.driver import Interrupted
from prunescope.training import make_engine
from prunescope.training.engine import Engine, HostSnapshot, Score, Snapshot
from prunescope.training.levels import Dynamics, Level, Setting
from prunescope.training.loop import Callbacks, Diverged, Progress, train_level
from prunescope.training.state import EngineState
from prunescope.training.torch.engine import TorchEngine
from stopping import Stop

SIZES = (108, 8, 3)


class Recorder(Engine):
    """An engine that takes blocks, and records their sizes and what happens between them."""

    name = "recorder"

    def __init__(self, block):
        self.block, self.made, self.log, self.rows = block, 0, [], []

    @property
    def ticket(self):
        return Ticket.dense(SIZES)

    def start(self, model, ticket):
        self.base = model

    def step(self, batch):
        raise AssertionError("blocks are wanted")

    def steps(self, batches):
        assert 1 <= len(batches) <= self.block
        self.made += len(batches)
        self.rows += [batch.indices for batch in batches]
        self.log.append(len(batches))

    def take_loss(self):
        return 1.0

    def model(self):
        arrays = {name: array + self.made for name, array in self.base.to_arrays().items()}
        return type(self.base).from_arrays(arrays)

    def snapshot(self):
        self.log.append("snapshot")
        return HostSnapshot(self.model())

    def evaluate(self, images, model=None):
        self.log.append("evaluate")
        return Score(100, 50, 90, 120.0)

    def state(self):
        return EngineState(self.base, None, steps=self.made)

    def restore(self, state):
        self.made = state.steps


class Moves(Dynamics):
    """Acts every ``every`` steps until step ``last``, and ends the level at step ``end``."""

    def __init__(self, every, last=1000, end=None):
        self.every, self.last, self.end, self.calls, self.states = every, last, end, 0, 0

    def after_step(self, step, engine):
        engine.log.append(f"dynamics {step}")
        self.calls += 1
        return step == self.end

    def next_step(self, step):
        at = step - step % self.every + self.every
        return at if at <= self.last else None

    def state(self):
        self.states += 1
        return {"calls": np.array([self.calls])}

    def restore(self, state):
        self.calls = int(state["calls"][0])


class Elsewhere(Moves):
    """Dynamics that do not say when they act."""

    next_step = Dynamics.next_step


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def level(steps=30, keep_at=None, dynamics=None):
    made = None if dynamics is None else lambda: dynamics
    return Level(0, Ticket.dense(SIZES), initial(SIZES, "before", 0), steps, 1.0, keep_at, made)


def train(engine, data, at, eval_every=10, resume=None, **callbacks):
    chosen = tiny.experiment(train={"steps": 30, "batch": 20, "eval_every": eval_every})
    setting = Setting(chosen, SIZES, 0, data)
    return train_level(engine, at, setting, resume=resume, callbacks=Callbacks(**callbacks))


def events(engine):
    return [entry for entry in engine.log if entry != "snapshot"]


def test_a_block_ends_where_the_validation_set_is_evaluated(data):
    engine = Recorder(1000)
    train(engine, data, level(25))
    assert engine.log == [10, "evaluate", "snapshot", 10, "evaluate", 5, "evaluate"]


def test_a_block_is_at_most_as_long_as_the_engine_wants(data):
    engine, between = Recorder(4), []
    train(engine, data, level(25), between_steps=between.append)
    assert events(engine) == [4, 4, 2, "evaluate", 4, 4, 2, "evaluate", 4, 1, "evaluate"]
    assert [progress.step for progress in between] == [4, 8, 10, 14, 18, 20, 24, 25]


@pytest.mark.parametrize(("keep_at", "log"), [(0, ["snapshot", 10]), (3, [3, "snapshot", 7])])
def test_a_block_ends_where_parameters_are_kept(data, keep_at, log):
    engine = Recorder(100)
    trained = train(engine, data, level(10, keep_at))
    assert engine.log == [*log, "evaluate", "snapshot"]
    assert trained.kept.layers[0].bias[0] == keep_at


def test_a_block_ends_where_the_dynamics_act(data):
    engine, moves = Recorder(100), Moves(every=4, last=16)
    train(engine, data, level(20, dynamics=moves))
    acts = [f"dynamics {step}" for step in (4, 8, 12, 16)]
    assert events(engine) == [4, acts[0], 4, acts[1], 2, "evaluate", 2, acts[2], 4, acts[3], 4, "evaluate"]
    assert moves.states == 1 + 4  # at the start and after each call


def test_dynamics_from_elsewhere_act_after_each_step_but_the_last(data):
    engine = Recorder(100)
    train(engine, data, level(6, dynamics=Elsewhere(1)))
    acts = [f"dynamics {step}" for step in range(1, 6)]
    assert events(engine) == [*(entry for act in acts for entry in (1, act)), 1, "evaluate"]


def test_dynamics_that_name_a_step_behind_them_are_told(data):
    moves = Moves(4)
    moves.next_step = lambda step: 4
    with pytest.raises(ValueError, match=r"Moves\.next_step\(4\) is 4: it must be greater"):
        train(Recorder(100), data, level(20, dynamics=moves))


@pytest.mark.parametrize("block", [1000, 3])
def test_a_level_may_end_at_a_move(data, block):
    engine, between = Recorder(block), []
    trained = train(engine, data, level(20, dynamics=Moves(4, end=12)), between_steps=between.append)
    assert (engine.made, trained.last.step) == (12, 12)
    assert [progress.ended for progress in between] == [False] * (len(between) - 1) + [True]


@pytest.mark.parametrize("block", [4, 7, 1000])
@pytest.mark.parametrize("stop", range(1, 25))
def test_a_level_goes_on_from_the_end_of_any_block(data, block, stop):
    whole = Recorder(1000)
    train(whole, data, level(25, 8, Moves(6)))

    class Stopped(Exception):
        pass

    def save(progress):
        if progress.step >= stop:
            saved.append(progress.to_arrays())
            raise Stopped

    saved, first, second = [], Recorder(block), Recorder(block)
    with pytest.raises(Stopped):
        train(first, data, level(25, 8, Moves(6)), between_steps=save)
    found = Progress.from_arrays(saved[0], 0)
    moves = Moves(6)
    train(second, data, level(25, 8, moves), resume=(found, first.state()))
    assert moves.calls == 4
    np.testing.assert_array_equal(first.rows + second.rows, whole.rows)
    words = [e for e in events(first) + events(second) if isinstance(e, str)]
    assert words == [e for e in events(whole) if isinstance(e, str)]


def test_blocks_have_the_batches_of_single_steps(data):
    blocks, single = Recorder(1000), Recorder(2)
    train(blocks, data, level(25))
    train(single, data, level(25))
    drawn = [data.draw(0, 0, step, 20).indices for step in range(25)]
    np.testing.assert_array_equal(blocks.rows, drawn)
    np.testing.assert_array_equal(single.rows, drawn)


METHODS = {
    "gradual": {"density": 0.1, "update_every": 4},
    "set": {"density": 0.3, "update_every": 5},
    "rigl": {"density": 0.3, "update_every": 5},
    "dpf": {"density": 0.2, "update_every": 4},
    "beta-lasso": {"shrink": 4e-3, "shrink_cut": 20.0},
    "imp": {"early_bird": 0.9, "update_every": 3, "rewind_step": 13},
}
CASES = [(method, "torch") for method in METHODS] + [
    pytest.param(method, "native", marks=needs_kernels) for method in ("gradual", "set", "rigl", "imp")
]


@pytest.mark.parametrize(("method", "engine"), CASES)
def test_blocks_give_the_bits_of_single_steps(method, engine, data):
    experiment = tiny.experiment(
        train={"optimizer": "momentum", "lr": 0.02, "batch": 50, "eval_every": 6, "steps": 40},
        prune={"method": method} | METHODS[method],
        run={"engine": engine, "threads": 1},
    )
    setting, found = Setting(experiment, (108, 12, 10, 3), 0, data), []
    for block in (1, 7, 1000):
        at = next(find_method(method)(setting))
        rule = {"dpf": "feedback", "beta-lasso": "shrinking"}.get(method, "kept")
        made = make_engine(experiment, data.mean, data.live_pixels, rule)
        made.block = block
        evaluations = []
        trained = train_level(made, at, setting, callbacks=Callbacks(evaluations.append))
        arrays = {
            f"{name}.{key}": array.tobytes()
            for name in ("model", "best_model", "ticket", "best_ticket")
            for key, array in getattr(trained, name).to_arrays().items()
        }
        found.append((arrays, evaluations, trained.best, trained.best_step, made.state().steps))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("block", [4, 1000])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), Diverged("at once"), InputError("wrong")])
@pytest.mark.parametrize("at", ["steps", "take_loss", "evaluate", "between", "never"])
def test_the_thread_ends_with_the_level(data, monkeypatch, block, error, at):
    before, engine = set(threading.enumerate()), Recorder(block)

    def fail(*given):
        assert len(threading.enumerate()) <= len(before) + 1
        raise error

    if at in ("steps", "take_loss", "evaluate"):
        monkeypatch.setattr(engine, at, fail)
    if at == "never":
        train(engine, data, level(25))
    else:
        with pytest.raises(type(error)):
            train(engine, data, level(2500), between_steps=fail)
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("error", [InputError("gone"), KeyboardInterrupt(), MemoryError()])
def test_a_batch_that_cannot_be_drawn_stops_the_level_after_the_step_before(data, error):
    class Sampler:
        def draw(self, seed, level, step, size, sampling):
            if step == 17:
                raise error
            return data.sampler.draw(seed, level, step, size, sampling)

    for block in (1000, 4):
        engine, between = Recorder(block), []
        with pytest.raises(type(error)):
            train(engine, replace(data, sampler=Sampler()), level(25), between_steps=between.append)
        assert engine.made == between[-1].step == 17
        assert events(engine).count("evaluate") == 1


def test_a_snapshot_does_not_change_and_is_a_model_only_where_it_is_asked_for(data):
    copies = []

    class Kept(Snapshot):
        def __init__(self, model):
            self.held = model

        def model(self):
            copies.append(self.held.layers[0].bias[0])
            return self.held

    class Device(Recorder):
        def snapshot(self):
            return Kept(self.model())

        def evaluate(self, images, model=None):
            return Score(100, min(self.made, 30), 90, 120.0)

    between = []
    trained = train(Device(5), data, level(50, keep_at=7), between_steps=between.append)
    assert copies == [30, 7]
    assert (trained.best_step, trained.best_model.layers[0].bias[0], trained.kept.layers[0].bias[0]) == (
        30,
        30,
        7,
    )
    arrays = between[-1].to_arrays()
    assert copies == [30, 7, 30, 7]
    assert (arrays["best.layer1.bias"][0], arrays["kept.layer1.bias"][0]) == (30, 7)
    assert [p.best_model is None for p in between] == [p.step < 10 for p in between]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_in_blocks_that_is_stopped_again_and_again_ends_in_the_bits_of_one_without(
    small_run, tmp_path, monkeypatch, method
):
    experiment = small_run(
        train={"optimizer": "momentum", "lr": 0.02, "batch": 50, "eval_every": 10, "steps": 60},
        prune={"method": method, "levels": 1} | METHODS[method],
        run={"engine": "torch", "threads": 1},
    )
    whole, stops, steps = run(experiment, out=tmp_path / "whole"), 0, []
    for block, blocks in ((7, 1), (1, 2), (1000, 1), (7, 1000)):
        monkeypatch.setattr(TorchEngine, "block", block)
        try:
            done = run(experiment, out=tmp_path / "stopped", reporter=Stop(blocks))
        except Interrupted:
            stops += 1
            steps.append(saved_step(next((tmp_path / "stopped").glob("*/seed-0"))))
    assert stops == len(set(steps)) == 3
    assert list(kill_resume.differences(whole.path, done.path)) == []
