"""Levels with dynamics in prunescope.training.loop: run with `pytest tests/training/test_loop_dynamics.py`."""

from dataclasses import replace

import numpy as np
import pytest

import tiny
from prunescope.mask import Mask
from prunescope.model import Ticket, initial
from prunescope.training.engine import Engine, Score
from prunescope.training.levels import Dynamics, Level, Setting
from prunescope.training.loop import Callbacks, Progress, train_level
from prunescope.training.state import EngineState

SIZES = (108, 8, 3)


class Script(Engine):
    """An engine that counts its steps, returns given scores and logs the calls that it gets."""

    name = "script"

    def __init__(self, correct=()):
        self.correct, self.steps, self.log = list(correct), 0, []
        self.kept = Ticket.dense(SIZES)

    @property
    def ticket(self):
        return self.kept

    def start(self, model, ticket):
        self.base = model

    def step(self, batch):
        self.steps += 1
        self.log.append(f"step {self.steps}")

    def take_loss(self):
        assert self.log[-1] != "evaluate", "no step since the last evaluation"
        return 1.0

    def model(self):
        arrays = {name: array + self.steps for name, array in self.base.to_arrays().items()}
        return type(self.base).from_arrays(arrays)

    def evaluate(self, images, model=None):
        self.log.append("evaluate")
        return Score(100, self.correct.pop(0) if self.correct else 50, 90, 120.0)

    def state(self):
        return EngineState(self.base, None, steps=self.steps)

    def restore(self, state):
        self.steps = state.steps


class Narrowing(Dynamics):
    """Keeps ``step`` weights after each step; ends the level after step ``end``; counts its calls."""

    def __init__(self, end=None):
        self.end, self.calls = end, 0

    def after_step(self, step, engine):
        engine.log.append(f"dynamics {step}")
        self.calls += 1
        mask = np.arange(8 * 108).reshape(8, 108) < step
        engine.kept = Ticket((Mask(mask),), engine.kept.biases)
        return step == self.end

    def state(self):
        return {"calls": np.array([self.calls])}

    def restore(self, state):
        self.calls = int(state["calls"][0])


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def level(end=None, steps=12, keep_at=None, best_from=0):
    def dynamics():
        return Narrowing(end)

    start = initial(SIZES, "before", 0)
    return Level(0, Ticket.dense(SIZES), start, steps, 1.0, keep_at, dynamics, best_from)


def train(engine, data, at, eval_every=5, resume=None, **callbacks):
    chosen = tiny.experiment(train={"steps": 30, "batch": 20, "eval_every": eval_every})
    setting = Setting(chosen, SIZES, 0, data)
    return train_level(engine, at, setting, resume=resume, callbacks=Callbacks(**callbacks))


def kept(ticket):
    return ticket.masks[0].kept


def test_masks_move_after_the_evaluation_and_not_after_the_last_step(data):
    engine = Script()
    train(engine, data, level(steps=6, keep_at=5))
    assert engine.log[-5:] == ["step 5", "evaluate", "dynamics 5", "step 6", "evaluate"]


def test_the_trained_level_has_the_masks_of_its_end_and_those_of_its_best(data):
    trained = train(Script(correct=[50, 70, 60]), data, level(steps=12))
    assert (trained.best, trained.best_step) == (0.7, 10)
    assert kept(trained.best_ticket) == 9  # at step 10 the masks of step 9 are evaluated
    assert kept(trained.ticket) == 11


def test_a_level_without_dynamics_has_the_masks_it_was_given(data):
    ticket = Ticket((Mask(np.eye(8, 108, dtype=bool)),), (np.ones(8, bool),))
    trained = train(Script(), data, replace(level(), dynamics=None, ticket=ticket))
    assert trained.ticket is trained.best_ticket is ticket


@pytest.mark.parametrize(("end", "evaluated_at"), [(7, [5, 7]), (10, [5, 10]), (3, [3])])
def test_a_level_may_end_early_and_is_then_evaluated(data, end, evaluated_at):
    seen, between = [], []
    engine = Script()
    trained = train(engine, data, level(end), on_evaluation=seen.append, between_steps=between.append)
    assert engine.steps == end
    assert [evaluation.step for evaluation in seen] == evaluated_at
    assert trained.last.step == end
    assert [progress.ended for progress in between] == [False] * (end - 1) + [True]


def test_evaluations_before_best_from_do_not_count(data):
    trained = train(Script(correct=[90, 60, 50]), data, level(best_from=6))
    assert (trained.best, trained.best_step) == (0.6, 10)
    assert train(Script(correct=[90, 60, 50]), data, level(best_from=11)).best_step == 12


@pytest.mark.parametrize("end", [7, 10])
def test_the_last_evaluation_always_counts(data, end):
    trained = train(Script(correct=[90, 60]), data, level(end, best_from=12))
    assert (trained.best, trained.best_step) == (0.6, end)


@pytest.mark.parametrize("end", [None, 7])
@pytest.mark.parametrize("stop", [1, 5, 6, 7])
def test_progress_is_written_down_with_masks_and_the_dynamics_state(data, stop, end):
    class Stopped(Exception):
        pass

    def save(progress):
        if progress.step == stop:
            saved.append(progress.to_arrays())
            raise Stopped

    saved, first = [], Script(correct=[70, 60, 60])
    with pytest.raises(Stopped):
        train(first, data, level(end), between_steps=save)
    found = Progress.from_arrays(saved[0], 0)
    assert (found.step, found.ended, int(found.dynamics["calls"][0])) == (stop, stop == end, stop)
    assert (found.best_ticket is None) == (stop < 5)
    if stop >= 5:
        assert kept(found.best_ticket) == 4
    engine = Script(correct=first.correct)
    engine.kept = first.kept
    trained = train(engine, data, level(end), resume=(found, first.state()))
    assert (trained.best_step, kept(trained.best_ticket)) == (5, 4)
    assert trained.last.step == (end or 12)


def test_a_checkpoint_of_before_there_were_early_ends_is_read(data):
    progress = []
    train(Script(), data, replace(level(), dynamics=None), between_steps=progress.append)
    arrays = progress[6].to_arrays()
    arrays["progress"] = arrays["progress"][:3]
    assert Progress.from_arrays(arrays, 0) == progress[6]
