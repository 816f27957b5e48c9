"""prunescope.training.loop: run with `pytest tests/training/test_loop.py`."""

import numpy as np
import pytest

import tiny
from prunescope.model import Ticket, initial
from prunescope.training.engine import Engine, Score
from prunescope.training.levels import Level, Setting
from prunescope.training.loop import Callbacks, Diverged, Progress, train_level
from prunescope.training.state import EngineState
from prunescope.training.torch.engine import TorchEngine

SIZES = (108, 8, 3)


class Script(Engine):
    """An engine that counts its steps and returns given scores and losses."""

    name = "script"
    ticket = None

    def __init__(self, correct=(), losses=()):
        self.correct, self.losses = list(correct), list(losses)
        self.steps, self.drawn = 0, []

    def start(self, model, ticket):
        self.base = model

    def step(self, batch):
        self.steps += 1
        self.drawn.append(batch.indices)

    def take_loss(self):
        return self.losses.pop(0) if self.losses else 1.0

    def model(self):
        arrays = {name: array + self.steps for name, array in self.base.to_arrays().items()}
        return type(self.base).from_arrays(arrays)

    def evaluate(self, images, model=None):
        return Score(100, self.correct.pop(0) if self.correct else 50, 90, 120.0)

    def state(self):
        return EngineState(self.base, None, steps=self.steps)

    def restore(self, state):
        self.steps = state.steps


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def level(number=0, steps=30, keep_at=None):
    return Level(number, Ticket.dense(SIZES), initial(SIZES, "before", 0), steps, 1.0, keep_at)


def updates(model):
    """Return how many steps a Script had made when it returned this model."""
    return int(model.layers[0].bias[0])


def train(engine, data, at, eval_every=10, **callbacks):
    chosen = tiny.experiment(train={"steps": 30, "batch": 20, "eval_every": eval_every})
    return train_level(engine, at, Setting(chosen, SIZES, 0, data), callbacks=Callbacks(**callbacks))


def test_the_best_evaluation_is_the_first_of_the_highest(data):
    trained = train(Script(correct=[50, 70, 60, 70]), data, level(steps=40))
    assert (trained.best, trained.best_step, updates(trained.best_model)) == (0.7, 20, 20)
    assert updates(trained.model) == 40
    assert trained.last.step == 40
    assert trained.last.val.correct == 70


def test_a_level_is_evaluated_regularly_and_at_its_end(data):
    evaluations = []
    train(Script(), data, level(steps=25), on_evaluation=evaluations.append)
    assert [evaluation.step for evaluation in evaluations] == [10, 20, 25]


@pytest.mark.parametrize("keep_at", [0, 1, 7, 30])
def test_parameters_are_kept_after_so_many_updates(data, keep_at):
    trained = train(Script(), data, level(keep_at=keep_at))
    assert updates(trained.kept) == keep_at


def test_nothing_is_kept_unless_asked(data):
    assert train(Script(), data, level()).kept is None


def test_levels_see_different_batches_and_the_same_level_the_same(data):
    engines = [Script() for _ in range(3)]
    for engine, number in zip(engines, (0, 1, 0), strict=True):
        train(engine, data, level(number))
    first, other, again = (np.array(engine.drawn) for engine in engines)
    assert (first != other).any(axis=1).all()
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first, axis=0)) == 30


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_training_loss_that_is_not_finite_stops_the_level(data, value):
    with pytest.raises(Diverged, match=r"level 0, step 20: the training loss is .*; lower train\.lr"):
        train(Script(losses=[1.0, value]), data, level())


def test_overflow_in_the_last_update_is_seen_too(data):
    experiment = tiny.experiment(train={"lr": 1e38, "steps": 1, "eval_every": 1}, prune={"rewind_step": 0})
    engine = TorchEngine(experiment, data.mean, data.live_pixels)
    with pytest.raises(Diverged, match="step 1: the validation loss is nan"):
        train_level(engine, level(steps=1), Setting(experiment, SIZES, 0, data))


@pytest.mark.parametrize("stop", [1, 9, 10, 11, 29, 30])
def test_a_level_stopped_after_any_step_ends_as_if_it_had_not(data, stop):
    experiment = tiny.experiment()
    at = level(keep_at=10)

    def engine():
        return TorchEngine(experiment, data.mean, data.live_pixels)

    setting = Setting(experiment, SIZES, 0, data)
    evaluations, resumed, saved = [], [], []
    whole = train_level(engine(), at, setting, callbacks=Callbacks(on_evaluation=evaluations.append))

    class Stopped(Exception):
        pass

    first = engine()

    def save(progress):
        if progress.step == stop:
            saved.extend([progress.to_arrays(), first.state().to_arrays()])
            raise Stopped

    with pytest.raises(Stopped):
        train_level(first, at, setting, callbacks=Callbacks(resumed.append, save))
    resume = Progress.from_arrays(saved[0], 0), EngineState.from_arrays(saved[1])
    trained = train_level(engine(), at, setting, resume=resume, callbacks=Callbacks(resumed.append))
    assert resumed == evaluations
    assert (trained.best, trained.best_step, trained.last) == (whole.best, whole.best_step, whole.last)
    for name in ("model", "kept", "best_model"):
        for key, array in getattr(trained, name).to_arrays().items():
            np.testing.assert_array_equal(
                array, getattr(whole, name).to_arrays()[key], err_msg=f"{name} {key}"
            )
