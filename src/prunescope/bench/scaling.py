"""Measure how a step's time falls with the number of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from prunescope.bench.problem import SEED, make_experiment, make_problem, random_ticket
from prunescope.bench.sizes import Sizes
from prunescope.bench.step import step_turn
from prunescope.bench.timing import Turn, alternate
from prunescope.bench.trainers import ENGINES, make_trainer
from prunescope.model import initial


def thread_counts(most: int) -> list[int]:
    """Return 1, 2, 4 … below ``most``, and ``most`` itself."""
    return sorted({2**power for power in range(most.bit_length())} | {most})


def measure_threads(sizes: Sizes, most: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return rows {competitor, threads, seconds, …} of each engine's step with 1 to ``most`` threads in turn."""
    say(f"threads: {', '.join(map(str, thread_counts(most)))}")
    problem = make_problem(sizes, sizes.threads_classes)
    model = initial(problem.layers, "before", SEED)
    ticket = random_ticket(problem.layers, sizes.threads_density)
    turns: dict[str, Turn] = {}
    places = {}
    for threads in thread_counts(most):
        torch.set_num_threads(threads)
        for name in ENGINES:
            trainer = make_trainer(make_experiment(sizes, name, threads), problem)
            if isinstance(trainer, str):
                continue
            trainer.start(model, ticket)
            key = f"{name} {threads}"
            turns[key] = _with_threads(threads, step_turn(trainer, problem, sizes.turn_seconds))
            places[key] = {"competitor": name, "threads": threads}
    timings = alternate(turns, sizes.rounds)
    torch.set_num_threads(most)
    return [places[key] | timings[key].to_dict() for key in turns]


def _with_threads(threads: int, turn: Turn) -> Turn:
    def with_threads(number: int) -> float:
        torch.set_num_threads(threads)  # of the process: both engines' dense products go by it
        return turn(number)

    return with_threads
