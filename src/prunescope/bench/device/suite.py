"""Run the benchmark of a device: its limits, steps, evaluation, the end of a level, and what a sequence takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch

from prunescope.bench.device.clock import Deadline, DeviceClock
from prunescope.bench.device.competitors import checked_device
from prunescope.bench.device.limits import measure_device_limits
from prunescope.bench.device.points import DeviceBench, Row, Say
from prunescope.bench.device.sequence import sequence_rows
from prunescope.bench.device.sizes import DeviceRequest
from prunescope.data import Images
from prunescope.runs.machine import machine_facts


def run_device_bench(
    request: DeviceRequest, say: Say = lambda line: None, keep: Callable[..., None] = lambda **row: None
) -> dict[str, Any]:
    """Measure a device and return the results as one JSON value.

    ``keep`` is called with each row of the steps as it comes. Returns {machine, notes, limits, step, evaluation, level_end, sequence}. Raises InputError for a device that
    torch does not have here.
    """
    sizes, device = request.sizes, checked_device(request.sizes, request.device)
    bench = DeviceBench(sizes, DeviceClock(device), Deadline.after(request.seconds), say)
    machine = machine_facts(torch.get_num_threads(), request.quick) | {"device": _named(device)}
    say(f"limits of {machine['device']}")
    layers = bench.problem(sizes.most_classes).layers
    bench.limits.update(measure_device_limits(sizes, layers, bench.clock))
    steps: list[Row] = []
    evaluations: list[Row] = []
    for number, point in enumerate(sizes.points):
        if number and bench.deadline.left < 0:
            bench.notes.append(f"{point.classes} classes, u = {point.u:g} left out: no time was left")
            continue
        measured = bench.measure(point)
        steps += measured
        for row in measured:
            keep(**row)
        if not evaluations and point.classes == sizes.most_classes:
            evaluations = _evaluations(bench)
    ends = level_ends(bench)
    seconds = {row["precision"]: row["seconds"] for row in evaluations}
    total = ends[0]["seconds"] if ends else None
    return {
        "machine": machine,
        "notes": bench.notes,
        "limits": bench.limits,
        "step": steps,
        "evaluation": evaluations,
        "level_end": ends,
        "sequence": sequence_rows(sizes, steps, seconds, total),
    }


def level_ends(bench: DeviceBench) -> list[Row]:
    """Return rows {name, seconds} of what is measured at the end of a level, the whole first; none until it is timed."""
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
        rows.append(
            {
                "precision": precision,
                "images": count,
                "seconds": median(walls),
                "model_seconds": median(copies),
            }
        )
    return rows


def _named(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
