"""The training loop runs the steps of one level in blocks, and can stop and resume between any two of them.

A block is one step, but for engines that take more at once (Engine.block).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from prunescope.data import Batch, Dataset
from prunescope.model import Arrays, Model, Ticket
from prunescope.training.drawing import drawing, drawn_together
from prunescope.training.engine import Engine, HostSnapshot, Score, Snapshot
from prunescope.training.levels import Dynamics, Level, Setting
from prunescope.training.state import KEPT, EngineState, kept_ticket, under


class Diverged(RuntimeError):
    """Raised when training reaches a loss that is not finite."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on the validation set. ``train_loss`` is the mean over the steps since the last one, in nats."""

    level: int
    step: int
    train_loss: float
    val: Score


@dataclass(frozen=True)
class Progress:
    """The progress of a level after ``step`` updates; together with the engine's state it is all a resume needs.

    ``best_snapshot`` and ``kept_snapshot`` are the parameters of the best evaluation and those kept for rewinding; as
    models, which may have to be copied from a device, they are ``best_model`` and ``kept``. Only levels with dynamics
    set ``best_ticket`` (the masks of ``best_model``), ``ended`` (True once the level has ended before its last step)
    and ``dynamics`` (the state of its dynamics).
    """

    step: int = 0
    best: float = -1.0
    best_step: int = 0
    best_snapshot: Snapshot | None = None
    kept_snapshot: Snapshot | None = None
    last: Evaluation | None = field(default=None, compare=False)
    best_ticket: Ticket | None = None
    ended: bool = False
    dynamics: Arrays = field(default_factory=dict, compare=False)

    @property
    def best_model(self) -> Model | None:
        """The model of the best evaluation that counts so far; None before there was one."""
        return None if self.best_snapshot is None else self.best_snapshot.model()

    @property
    def kept(self) -> Model | None:
        """The model kept for rewinding; None before there is one."""
        return None if self.kept_snapshot is None else self.kept_snapshot.model()

    def to_arrays(self) -> Arrays:
        """Return the progress as named arrays, for a checkpoint."""
        last = self.last
        evaluation = [last.train_loss, *vars(last.val).values(), last.step] if last else []
        arrays: Arrays = {
            "progress": np.array([self.step, self.best, self.best_step, self.ended], np.float64),
            "last": np.array(evaluation, np.float64),
        }
        for name, model in (("best", self.best_model), ("kept", self.kept)):
            if model is not None:
                arrays |= {f"{name}.{k}": v for k, v in model.to_arrays().items()}
        if self.best_ticket is not None:
            arrays |= {f"best.{k}": v for k, v in self.best_ticket.to_arrays(*KEPT).items()}
        return arrays | {f"dynamics.{k}": v for k, v in self.dynamics.items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays, level: int) -> Progress:
        """Read the progress from what to_arrays returned; ``level`` is the number of the level."""

        def model(name: str) -> Model | None:
            return Model.from_arrays(under(arrays, name)) if under(arrays, name) else None

        step, best, best_step, *ended = arrays["progress"].tolist()
        last, best_model, kept = None, model("best."), model("kept.")
        if arrays["last"].size:
            loss, images, correct, correct5, loss_sum, at = arrays["last"].tolist()
            last = Evaluation(level, int(at), loss, Score(int(images), int(correct), int(correct5), loss_sum))
        return cls(
            step=int(step),
            best=best,
            best_step=int(best_step),
            best_snapshot=None if best_model is None else HostSnapshot(best_model),
            kept_snapshot=None if kept is None else HostSnapshot(kept),
            last=last,
            best_ticket=kept_ticket(under(arrays, "best."), best_model) if best_model else None,
            ended=any(ended),  # Checkpoints of versions without early ends do not have this number.
            dynamics=under(arrays, "dynamics."),
        )


@dataclass(frozen=True)
class Trained:
    """A trained level: ``model`` under ``ticket`` at its end, ``best_model`` under ``best_ticket`` at its best.

    ``best`` is the highest validation accuracy (0 to 1) of the evaluations that count (Level.best_from).
    """

    model: Model
    kept: Model | None
    best: float
    best_step: int
    best_model: Model
    last: Evaluation
    ticket: Ticket
    best_ticket: Ticket


@dataclass(frozen=True)
class Callbacks:
    """The functions that `train_level` calls while it trains.

    ``on_evaluation`` is called after each evaluation, and ``between_steps`` after every block of updates (Engine.block:
    after every update, unless the engine takes more at once), with the progress so far; it may save, or raise an
    exception to stop.
    """

    on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None
    between_steps: Callable[[Progress], None] = lambda progress: None


def train_level(
    engine: Engine,
    level: Level,
    setting: Setting,
    *,
    resume: tuple[Progress, EngineState] | None = None,
    callbacks: Callbacks = Callbacks(),
) -> Trained:
    """Train one level to its end, which its dynamics may set before its last step, and return what came of it.

    ``setting`` has the data, the seed that decides the batches, and the experiment's section ``train``. ``resume`` is
    the progress and the engine state of an earlier call that stopped. The engine makes the updates up to the next event,
    at most ``engine.block`` of them. Then the parameters are kept for rewinding, the validation set is evaluated, the
    dynamics act and ``between_steps`` is called, in this order, where each is due: an evaluation thus belongs to the
    masks that were trained. The dynamics do not act after the last step. Raises Diverged when the training or the
    validation loss is not finite. See docs/science.md, "Training".
    """
    dataset, train = setting.dataset, setting.experiment.train
    assert dataset is not None
    engine.start(level.model, level.ticket)
    dynamics = level.dynamics() if level.dynamics is not None else None
    now = Progress(
        kept_snapshot=engine.snapshot() if level.keep_at == 0 else None,
        dynamics={} if dynamics is None else dynamics.state(),
    )
    if resume is not None:
        now, state = resume
        engine.restore(state)
        if dynamics is not None:
            dynamics.restore(now.dynamics)

    def draw(step: int) -> Batch:
        return dataset.draw(setting.seed, level.number, step, train.batch, train.sampling)

    most = engine.block
    steps = range(now.step, level.steps)
    single = drawn_together(draw, steps)
    with drawing(draw, steps, most) as next_batches:
        moves_at = _next_move(dynamics, now.step)
        while now.step < level.steps and not now.ended:
            if most == 1:
                engine.step(next(single))
                now = replace(now, step=now.step + 1)
            else:
                until = _next_event(level, train.eval_every, moves_at, now.step)
                block = next_batches(min(until - now.step, most))
                engine.steps(block)
                now = replace(now, step=now.step + len(block))
            if now.step == level.keep_at:
                now = replace(now, kept_snapshot=engine.snapshot())
            if now.step % train.eval_every == 0 or now.step == level.steps:
                now = _evaluated(engine, dataset, level, now)
                callbacks.on_evaluation(_last(now))
            if dynamics is not None and now.step == moves_at and now.step < level.steps:
                now = replace(now, ended=dynamics.after_step(now.step, engine), dynamics=dynamics.state())
                moves_at = _next_move(dynamics, now.step)
                if now.ended and now.last is not None and now.last.step == now.step:
                    now = _counted(engine, level, now)
                elif now.ended:
                    now = _evaluated(engine, dataset, level, now)
                    callbacks.on_evaluation(_last(now))
            callbacks.between_steps(now)
    best_model = now.best_model
    assert best_model is not None
    return Trained(
        model=engine.model(),
        kept=now.kept,
        best=now.best,
        best_step=now.best_step,
        best_model=best_model,
        last=_last(now),
        ticket=level.ticket if dynamics is None else engine.ticket,
        best_ticket=now.best_ticket or level.ticket,
    )


def _next_move(dynamics: Dynamics | None, step: int) -> int | None:
    """Return after which step the dynamics act next; raise ValueError where that is not after ``step``."""
    at = None if dynamics is None else dynamics.next_step(step)
    if at is not None and at <= step:
        raise ValueError(f"{type(dynamics).__name__}.next_step({step}) is {at}: it must be greater, or None")
    return at


def _next_event(level: Level, eval_every: int, moves_at: int | None, step: int) -> int:
    """Return the next step after which there is something to do between the updates."""
    events = (step - step % eval_every + eval_every, level.steps, level.keep_at, moves_at)
    return min(event for event in events if event is not None and event > step)


def _last(now: Progress) -> Evaluation:
    assert now.last is not None
    return now.last


def _evaluated(engine: Engine, dataset: Dataset, level: Level, now: Progress) -> Progress:
    loss = engine.take_loss()
    if not math.isfinite(loss):
        raise Diverged(f"level {level.number}, step {now.step}: the training loss is {loss}; lower train.lr")
    evaluation = Evaluation(level.number, now.step, loss, engine.evaluate(dataset.validation))
    if not math.isfinite(evaluation.val.loss):  # The last update may have overflowed.
        raise Diverged(
            f"level {level.number}, step {now.step}: the validation loss is {evaluation.val.loss}; lower train.lr"
        )
    return _counted(engine, level, replace(now, last=evaluation))


def _counted(engine: Engine, level: Level, now: Progress) -> Progress:
    """Return the progress with what was just evaluated as the best, if it is."""
    best, at_end = _last(now).val.accuracy, now.ended or now.step == level.steps
    if best <= now.best or (now.step < level.best_from and not at_end):
        return now
    ticket = None if level.dynamics is None else engine.ticket
    return replace(now, best=best, best_step=now.step, best_snapshot=engine.snapshot(), best_ticket=ticket)
