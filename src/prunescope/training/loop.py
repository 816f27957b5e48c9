"""The steps of one level: draw, step, evaluate, keep; resumable between any two steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from prunescope.data import Dataset
from prunescope.experiment import Train
from prunescope.levels import Level
from prunescope.model import Arrays, Model
from prunescope.training.engine import Engine, Score


class Diverged(RuntimeError):
    """Training reached a loss that is not finite."""


@dataclass(frozen=True)
class Evaluation:
    """One look at the validation set. ``train_loss``: mean over the steps since the last look, nats."""

    level: int
    step: int
    train_loss: float
    val: Score


@dataclass(frozen=True)
class Progress:
    """Where a level stands after ``step`` updates; with the engine's state, all a resume needs."""

    step: int = 0
    best: float = -1.0
    best_step: int = 0
    best_model: Model | None = None
    kept: Model | None = None
    last: Evaluation | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Trained:
    """A trained level. ``best`` is the highest validation accuracy (0 to 1) of all evaluations."""

    model: Model
    kept: Model | None
    best: float
    best_step: int
    best_model: Model
    last: Evaluation


def train_level(
    engine: Engine,
    dataset: Dataset,
    level: Level,
    train: Train,
    seed: int,
    *,
    resume: tuple[Progress, Arrays] | None = None,
    on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None,
    between_steps: Callable[[Progress], None] = lambda progress: None,
) -> Trained:
    """Train one level to its end.

    ``resume`` is the progress and engine state of an earlier call that stopped. ``between_steps``
    is called after every update and may save, or raise to stop. Raises Diverged when the
    training or the validation loss is not finite.
    """
    engine.start(level.model, level.ticket)
    now = Progress(kept=engine.model() if level.keep_at == 0 else None)
    if resume is not None:
        now, state = resume
        engine.restore(state)
    while now.step < level.steps:
        engine.step(dataset.draw(seed, level.number, now.step, train.batch, train.sampling))
        now = replace(now, step=now.step + 1)
        if now.step == level.keep_at:
            now = replace(now, kept=engine.model())
        if now.step % train.eval_every == 0 or now.step == level.steps:
            now = _evaluated(engine, dataset, level, now)
            assert now.last is not None
            on_evaluation(now.last)
        between_steps(now)
    assert now.last is not None
    assert now.best_model is not None
    return Trained(engine.model(), now.kept, now.best, now.best_step, now.best_model, now.last)


def _evaluated(engine: Engine, dataset: Dataset, level: Level, now: Progress) -> Progress:
    loss = engine.take_loss()
    if not math.isfinite(loss):
        raise Diverged(f"level {level.number}, step {now.step}: the training loss is {loss}; lower train.lr")
    look = Evaluation(level.number, now.step, loss, engine.evaluate(dataset.validation))
    if not math.isfinite(look.val.loss):  # the last update may be the one that overflowed
        raise Diverged(
            f"level {level.number}, step {now.step}: the validation loss is {look.val.loss}; lower train.lr"
        )
    if look.val.accuracy > now.best:
        return Progress(now.step, look.val.accuracy, now.step, engine.model(), now.kept, look)
    return replace(now, last=look)


def to_arrays(progress: Progress) -> Arrays:
    """The progress as named arrays, for a checkpoint."""
    last = progress.last
    look = [last.train_loss, *vars(last.val).values(), last.step] if last else []
    arrays: Arrays = {
        "progress": np.array([progress.step, progress.best, progress.best_step], np.float64),
        "last": np.array(look, np.float64),
    }
    for name, model in (("best", progress.best_model), ("kept", progress.kept)):
        if model is not None:
            arrays |= {f"{name}.{k}": v for k, v in model.to_arrays().items()}
    return arrays


def from_arrays(arrays: Arrays, level: int) -> Progress:
    """The inverse of to_arrays."""

    def model(name: str) -> Model | None:
        own = {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(f"{name}.")}
        return Model.from_arrays(own) if own else None

    step, best, best_step = arrays["progress"].tolist()
    last = None
    if arrays["last"].size:
        loss, images, correct, correct5, loss_sum, at = arrays["last"].tolist()
        last = Evaluation(level, int(at), loss, Score(int(images), int(correct), int(correct5), loss_sum))
    return Progress(int(step), best, int(best_step), model("best"), model("kept"), last)
