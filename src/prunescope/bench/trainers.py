"""Make the trainers that compete, plain PyTorch and the engines, and check that they compute the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from prunescope.bench.plain import PlainTrainer
from prunescope.bench.problem import RATE, Problem, make_experiment, make_problem
from prunescope.bench.sizes import Sizes
from prunescope.data import Batch, Images
from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.model import Model, Ticket
from prunescope.native import kernels
from prunescope.training import make_engine
from prunescope.training.engine import Score

ENGINES = ("torch", "native")
TOLERANCE = 1e-3


class Trainer(Protocol):
    """The interface of what is timed: an Engine, or plain PyTorch."""

    def start(self, model: Model, ticket: Ticket) -> None: ...

    def step(self, batch: Batch) -> None: ...

    def take_loss(self) -> float: ...

    def evaluate(self, images: Images, model: Model | None = None) -> Score: ...

    def model(self) -> Model: ...


class Disagreement(RuntimeError):
    """Two competitors that should compute the same do not, so that their times cannot be compared."""


def make_trainer(experiment: Experiment, problem: Problem) -> Trainer | str:
    """Return the engine that ``run.engine`` names, or the reason in a sentence why it is not available."""
    wanted = experiment.run.engine
    try:
        engine = make_engine(experiment, problem.mean, np.ones(len(problem.mean), np.bool_))
    except InputError as error:
        return str(error)
    if engine.name != wanted:
        return f"run.engine={wanted} gives the {engine.name} engine here"
    return engine


def make_trainers(sizes: Sizes, threads: int, problem: Problem) -> dict[str, Trainer]:
    """Return plain PyTorch first, then every engine that is available, by name."""
    found: dict[str, Trainer] = {"plain": PlainTrainer(problem.mean, RATE)}
    for name in ENGINES:
        engine = make_trainer(make_experiment(sizes, name, threads), problem)
        if not isinstance(engine, str):
            found[name] = engine
    return found


def check_engines(sizes: Sizes, threads: int) -> tuple[list[str], str | None]:
    """Return a note for every engine that is not available, and the native engine's instruction set."""
    tiny = make_problem(replace(sizes, images=2), 2)
    made = {name: make_trainer(make_experiment(sizes, name, threads), tiny) for name in ENGINES}
    notes = [f"{name} engine left out ({engine})" for name, engine in made.items() if isinstance(engine, str)]
    return notes, None if isinstance(made["native"], str) else kernels().instruction_sets()[0]


def loss_errors(trainers: Mapping[str, Trainer], batches: Iterable[Batch]) -> dict[str, float]:
    """Step every trainer once for each batch, and return the largest relative error of its losses.

    The error is the difference from plain's loss. Raises Disagreement as ``compare`` does.
    """
    worst = dict.fromkeys(trainers, 0.0)
    for number, batch in enumerate(batches, 1):
        losses = {}
        for name, trainer in trainers.items():
            trainer.step(batch)
            losses[name] = trainer.take_loss()
        errors = compare(losses, f"step {number}")
        worst = {name: max(worst[name], error) for name, error in errors.items()}
    return worst


def compare(losses: Mapping[str, float], where: str) -> dict[str, float]:
    """Return each loss's relative difference from plain's; raise Disagreement above TOLERANCE or if not finite."""
    expected = losses["plain"]
    errors = {name: abs(loss - expected) / abs(expected) for name, loss in losses.items()}
    for name, error in errors.items():
        if not error <= TOLERANCE:
            raise Disagreement(
                f"{where}: the {name} engine's loss is {losses[name]:.6g}, plain PyTorch's {expected:.6g}: "
                "they do not compute the same, and their times would mean nothing"
            )
    return errors
