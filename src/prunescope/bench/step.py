"""Measure one training step of every competitor, from dense to sparse, beside the machine's limits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from prunescope.bench.limits import MachineProbes, machine_limits, step_work
from prunescope.bench.problem import SEED, Problem, make_problem, random_ticket
from prunescope.bench.sizes import Sizes
from prunescope.bench.timing import Timing, Turn, alternate, seconds_of, turn_of
from prunescope.bench.trainers import Trainer, loss_errors, make_trainers
from prunescope.model import initial

CHECKED_STEPS = 3
Say = Callable[[str], None]
Rows = list[dict[str, Any]]


def measure_steps(sizes: Sizes, threads: int, say: Say) -> tuple[Rows, dict[str, Any]]:
    """Return rows {classes, u, competitor, seconds, loss_error, …}, and the machine's limits.

    The limits hold the machine's rates, and for every row the seconds its ``flops`` and ``bytes`` would take
    at the rates of the same alternations, with their ``share`` of the measured seconds. Raises Disagreement
    unless all competitors' losses agree in the first steps.
    """
    rows: Rows = []
    limit_rows: Rows = []
    probed = []
    problem = make_problem(sizes, sizes.points[0][0])
    probes = MachineProbes(sizes)
    for classes, u in sizes.points:
        say(f"step: {classes} classes, u = {u:g}")
        problem = problem.with_classes(classes)
        trainers = make_trainers(sizes, threads, problem)
        errors, timings = _measure_point(sizes, problem, trainers, probes, u)
        work = step_work(random_ticket(problem.layers, u), problem.layers, sizes.batch)
        probed.append((timings["matmul"], timings["copy"]))
        least = work.seconds(*probes.rates(*probed[-1]))
        for name in trainers:
            point = {"classes": classes, "u": u, "competitor": name}
            timing = timings[name]
            rows.append(point | timing.to_dict() | {"loss_error": errors[name]})
            share = least / timing.seconds
            limit_rows.append(point | vars(work) | {"seconds": least, "share": share})
    return rows, machine_limits(probed, probes) | {"step": limit_rows}


def measure_limits(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Measure the machine's rates alone, for a benchmark without steps."""
    say("limits")
    probes = MachineProbes(sizes)
    timings = alternate(probes.turns, sizes.rounds)
    return machine_limits([(timings["matmul"], timings["copy"])], probes) | {"step": []}


def _measure_point(
    sizes: Sizes, problem: Problem, trainers: dict[str, Trainer], probes: MachineProbes, u: float
) -> tuple[dict[str, float], dict[str, Timing]]:
    model, ticket = initial(problem.layers, "before", SEED), random_ticket(problem.layers, u)
    for trainer in trainers.values():
        trainer.start(model, ticket)
    errors = loss_errors(trainers, [problem.batch(step) for step in range(CHECKED_STEPS)])
    turns = {name: step_turn(trainer, problem, sizes.turn_seconds) for name, trainer in trainers.items()}
    return errors, alternate(turns | probes.turns, sizes.rounds)


def step_turn(trainer: Trainer, problem: Problem, least: float) -> Turn:
    """Make a turn of at least ``least`` seconds of steps; all trainers get the same batches in the same order."""
    numbers = count(CHECKED_STEPS)

    def timed() -> float:
        batch = problem.batch(next(numbers))
        return seconds_of(lambda: trainer.step(batch))

    return turn_of(timed, least)
