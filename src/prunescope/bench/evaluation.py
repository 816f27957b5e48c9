"""Measure the evaluation of a validation set by every trainer, from dense to sparse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from prunescope.bench.problem import SEED, make_problem, random_ticket
from prunescope.bench.sizes import Sizes
from prunescope.bench.timing import Turn, alternate, seconds_of
from prunescope.bench.trainers import Trainer, compare, make_trainers
from prunescope.data import Images
from prunescope.model import Ticket, initial


def measure_evaluations(sizes: Sizes, threads: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return rows {u, classes, images, competitor, seconds, …} of one evaluation of a sequence's validation images.

    Raises Disagreement unless all competitors find the same loss.
    """
    problem = make_problem(replace(sizes, images=sizes.sequence_images), sizes.sequence_classes)
    images = Images(problem.pixels, problem.labels)
    trainers = make_trainers(sizes, threads, problem)
    rows: list[dict[str, Any]] = []
    for u in sizes.evaluation_densities:
        say(f"evaluation: u = {u:g}")
        model, ticket = initial(problem.layers, "before", SEED), random_ticket(problem.layers, u)
        for trainer in trainers.values():
            trainer.start(model, ticket)
            trainer.step(problem.batch(0))
        check_evaluations(trainers, images, ticket, f"evaluation, u = {u:g}")
        turns = {name: _turn(trainer, images) for name, trainer in trainers.items()}
        timings = alternate(turns, sizes.evaluation_rounds)
        place: dict[str, Any] = {"u": u, "classes": sizes.sequence_classes, "images": len(images)}
        rows += [place | {"competitor": name} | timings[name].to_dict() for name in trainers]
    return rows


def check_evaluations(
    trainers: Mapping[str, Trainer], images: Images, ticket: Ticket, where: str
) -> dict[str, float]:
    """Return the relative errors of the losses of plain PyTorch's model by each trainer, as ``compare`` does.

    All evaluate the same model, since an engine's moving averages begin with the first batch, and those of
    ``torch.nn.BatchNorm1d`` with 0 and 1.
    """
    model = ticket.applied_to(trainers["plain"].model())
    return compare({name: trainer.evaluate(images, model).loss for name, trainer in trainers.items()}, where)


def _turn(trainer: Trainer, images: Images) -> Turn:
    return lambda _: seconds_of(partial(trainer.evaluate, images))
