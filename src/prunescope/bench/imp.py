"""Measure a whole run of iterative magnitude pruning with few steps a level, by every trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prunescope.bench.problem import SEED, Problem, make_experiment, make_problem
from prunescope.bench.sizes import Sizes
from prunescope.bench.timing import seconds_of
from prunescope.bench.trainers import Trainer, compare, make_trainers
from prunescope.pruning.methods.imp import procedure
from prunescope.training.levels import Level, Outcome, Setting


class Runner:
    """One competitor's pruning run: its own masks, from its own trained weights, by the project's procedure."""

    def __init__(self, trainer: Trainer, sizes: Sizes, problem: Problem) -> None:
        self.starts: list[float] = []
        self.steps: list[float] = []
        self.losses: list[float] = []
        self._trainer, self._problem = trainer, problem
        self._experiment = make_experiment(
            sizes, "auto", 0, levels=sizes.imp_levels - 1, rate=sizes.imp_rate, stop_units=0.0
        )
        self._procedure = procedure(Setting(self._experiment, problem.layers, SEED, None))
        self._level: Level | None = next(self._procedure)

    def train_level(self) -> None:
        """Train one level, timed, and derive the next one's masks, untimed; do nothing after the last level."""
        level = self._level
        if level is None:
            return
        batches = [self._problem.batch(step) for step in range(level.steps)]
        self.starts.append(seconds_of(lambda: self._trainer.start(level.model, level.ticket)))

        def train() -> None:
            for batch in batches:
                self._trainer.step(batch)
            self.losses.append(
                self._trainer.take_loss()
            )  # taking the loss waits for an engine that computes asynchronously

        self.steps.append(seconds_of(train))
        kept = level.model if level.keep_at is not None else None
        try:
            self._level = self._procedure.send(Outcome(self._trainer.model(), kept, level.ticket, best=0.0))
        except StopIteration:
            self._level = None


def measure_imp(sizes: Sizes, threads: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return rows {competitor, seconds, ratio, …} of a pruning run.

    The seconds are those of level starts and training steps of all levels. Competitors take turns level by level.
    ``ratio`` is plain's seconds over the row's. Weights go back to the initial ones after every level; selecting
    what is pruned is the same code for all and not timed. Raises Disagreement unless all losses of the dense level
    agree.
    """
    problem = make_problem(sizes, sizes.imp_classes)
    trainers = make_trainers(sizes, threads, problem)
    if "native" in trainers and not sizes.imp_torch:
        del trainers["torch"]
    runners = {name: Runner(trainer, sizes, problem) for name, trainer in trainers.items()}
    for number in range(sizes.imp_levels):
        say(f"imp: level {number} of {sizes.imp_levels}")
        for runner in runners.values():
            runner.train_level()
        if number == 0:  # the same masks for all; later ones differ by ties and rounding
            compare({name: runner.losses[0] for name, runner in runners.items()}, "imp, level 0")
    totals = {name: sum(runner.starts) + sum(runner.steps) for name, runner in runners.items()}
    return [
        {
            "competitor": name,
            "seconds": totals[name],
            "ratio": totals["plain"] / totals[name],
            "start_seconds": sum(runner.starts),
            "levels": len(runner.steps),
            "steps": sizes.imp_steps,
        }
        for name, runner in runners.items()
    ]
