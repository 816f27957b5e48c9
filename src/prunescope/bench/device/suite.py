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
from prunescope.bench.device.sizes import DevicePoint, DeviceRequest, DeviceSizes
from prunescope.bench.observables import measure_level_end
from prunescope.bench.sizes import Sizes
from prunescope.data import Images
from prunescope.runs.machine import machine_facts

# The points that a sequence is made of; then the end of a level is timed.
FIRST_POINTS = 3
WHOLE_END = "all"


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
    keep(limits=bench.limits)
    steps: list[Row] = []
    evaluations: list[Row] = []
    ends: list[Row] = []
    for point, compiled in _order(sizes):
        if steps and bench.deadline.left < 0:
            bench.notes.append(f"{point.classes} classes, u = {point.u:g} left out: no time was left")
            continue
        if compiled and not ends:
            ends = level_ends(bench)
            keep(level_end=ends)
        measured = bench.measure(point, compiled)
        steps = [row for row in steps if not _is_at(row, point)] + measured
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


def _order(sizes: DeviceSizes) -> list[tuple[DevicePoint, bool]]:
    """Return the points and whether compiled competitors take part, which may take a minute to begin.

    Therefore the first points are measured without them, and the first of all once more with them.
    """
    first, rest = sizes.points[:FIRST_POINTS], sizes.points[FIRST_POINTS:]
    again = first[:1] if sizes.compiled or not rest else ()
    return [(point, False) for point in first] + [(point, True) for point in (*again, *rest)]


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
