"""Run the benchmark of a device: its limits, steps, evaluation, the end of a level, and what a sequence takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch

from prunescope.bench.device.clock import Deadline, DeviceClock
from prunescope.bench.device.competitors import ALL_COMPILED, checked_device
from prunescope.bench.device.limits import measure_device_limits
from prunescope.bench.device.points import DeviceBench, Row, Say
from prunescope.bench.device.sequence import sequence_rows
from prunescope.bench.device.sizes import DevicePoint, DeviceRequest, DeviceSizes
from prunescope.bench.observables import measure_level_end
from prunescope.bench.sizes import Sizes
from prunescope.data import Images
from prunescope.runs.machine import machine_facts
from prunescope.training.torch.device import on_device

# The points that a sequence is made of.
FIRST_POINTS = 3
WHOLE_END = "all"


@dataclass(frozen=True)
class Turn:
    """What is measured at one time: a point, with so many ``compiled`` competitors, or the end of a level (None).

    ``again``: the point was measured before, and is measured for the sake of those that were not there.
    """

    point: DevicePoint | None
    compiled: int = 0
    again: bool = False


def run_device_bench(
    request: DeviceRequest, say: Say = lambda line: None, keep: Callable[..., None] = lambda **row: None
) -> dict[str, Any]:
    """Measure a device and return the results as one JSON value.

    ``keep`` is called with each row of the steps as it comes; of those of one competitor at one point the last counts.
    Returns {machine, notes, limits, step, evaluation, level_end, sequence}. Raises InputError for a device that torch
    does not have here.
    """
    device = checked_device(request.sizes, request.device)
    with on_device(device):  # Events and streams belong to the current one.
        return _measured(request, device, say, keep)


def _measured(
    request: DeviceRequest, device: torch.device, say: Say, keep: Callable[..., None]
) -> dict[str, Any]:
    sizes = request.sizes
    bench = DeviceBench(sizes, DeviceClock(device), Deadline.after(request.seconds), say)
    machine = machine_facts(torch.get_num_threads(), request.quick) | {"device": _named(device)}
    say(f"limits of {machine['device']}")
    layers = bench.problem(sizes.most_classes).layers
    bench.limits.update(measure_device_limits(sizes, layers, bench.clock))
    keep(limits=bench.limits)
    steps: list[Row] = []
    evaluations: list[Row] = []
    ends: list[Row] = []
    for turn in turns(sizes):
        if turn.point is None:
            ends = level_ends(bench)
            keep(level_end=ends)
            continue
        point = turn.point
        if steps and bench.deadline.left < 0:
            if not turn.again:
                bench.notes.append(f"{point.classes} classes, u = {point.u:g} left out: no time was left")
            continue
        measured = (
            bench.measure_again(point, turn.compiled) if turn.again else bench.measure(point, turn.compiled)
        )
        steps = merged(sizes, steps, measured)
        for row in measured:
            keep(**row)
        if not evaluations and point.classes == sizes.most_classes:
            evaluations = _evaluations(bench)
            keep(evaluation=evaluations)
    seconds = {row["precision"]: row["seconds"] for row in evaluations}
    whole = {row["u"]: row["seconds"] for row in ends if row["piece"] == WHOLE_END}
    return {
        "machine": machine,
        "notes": bench.notes,
        "limits": bench.limits,
        "step": steps,
        "evaluation": evaluations,
        "level_end": ends,
        "sequence": sequence_rows(sizes, steps, seconds, whole),
    }


def turns(sizes: DeviceSizes) -> Iterator[Turn]:
    """Yield what is measured, in order of worth.

    The engine beside plain and beside compiled PyTorch comes first. Compiling takes a quarter of a minute for each
    competitor, so that one of them is enough until a sequence's points and the end of a level are measured.
    """
    first, rest = sizes.points[:FIRST_POINTS], sizes.points[FIRST_POINTS:]
    one = int(sizes.compiled)
    yield Turn(first[0])
    if sizes.compiled:
        yield Turn(first[0], one, again=True)
    yield Turn(None)
    for point in first[1:]:
        yield Turn(point, one)
    if sizes.compiled:
        yield Turn(first[0], ALL_COMPILED, again=True)
    for point in rest:
        yield Turn(point, ALL_COMPILED)


def merged(sizes: DeviceSizes, earlier: Sequence[Row], later: Sequence[Row]) -> list[Row]:
    """Return the rows in the order of the points: the later of those that were measured twice, and all others."""
    found = {_place(row): row for row in earlier} | {_place(row): row for row in later}
    return sorted(found.values(), key=lambda row: [_is_at(row, point) for point in sizes.points].index(True))


def _place(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in ("classes", "u", "alive", "competitor", "precision"))


def _is_at(row: Row, point: DevicePoint) -> bool:
    return {name: row[name] for name in vars(point)} == vars(point)


def level_ends(bench: DeviceBench) -> list[Row]:
    """Return rows {u, piece, seconds} of what is measured at the end of a level, as ``bench.observables`` times it."""
    if bench.deadline.left < 0:
        bench.notes.append("the end of a level left out: no time was left")
        return []
    bench.say("end of a level")
    sizes = bench.sizes
    drawn = Sizes(
        shape=sizes.shape,
        hidden=sizes.hidden,
        batch=sizes.batch,
        images=min(sizes.images, 20_000),
        end_classes=sizes.most_classes,
        end_validation=sizes.validation,
        end_heldout=sizes.heldout,
    )
    try:
        return measure_level_end(drawn, str(bench.clock.device), 1)
    except Exception as error:  # what fails here must not cost the steps' times
        bench.notes.append(f"the end of a level left out: {type(error).__name__}: {error}".partition("\n")[0])
        return []


def _evaluations(bench: DeviceBench) -> list[Row]:
    """Return rows {precision, images, seconds, model_seconds} of each engine's evaluation and copy of its model."""
    problem = bench.problem(bench.sizes.most_classes)
    count = bench.sizes.validation
    images = Images(problem.pixels[:count].copy(), problem.labels[:count])
    rows = []
    for precision, trainer in bench.engines(bench.sizes.most_classes).items():
        engine = trainer.engine
        engine.evaluate(images)
        walls = [
            bench.clock.measure(partial(engine.evaluate, images)).wall for _ in range(bench.sizes.rounds)
        ]
        copies = [bench.clock.measure(engine.model).wall for _ in range(3)]
        snapshots = [bench.clock.measure(engine.snapshot).wall for _ in range(3)]
        rows.append(
            {
                "precision": precision,
                "images": count,
                "seconds": median(walls),
                "model_seconds": median(copies),
                "snapshot_seconds": median(snapshots),
            }
        )
    return rows


def _named(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
