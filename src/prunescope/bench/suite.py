"""Run the whole benchmark: measure the parts asked for, one after the other, into one JSON value."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from prunescope.bench.sizes import FULL, PARTS, Sizes
from prunescope.errors import InputError
from prunescope.runs.machine import cores, machine_facts


def run_bench(
    sizes: Sizes = FULL,
    *,
    parts: Sequence[str] = PARTS,
    threads: int | None = None,
    quick: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure ``parts`` of the benchmark and return the results as one JSON value.

    ``threads``: the number of threads, by default one for each core. ``quick``: noted with the facts about
    the machine. ``say``: is called with a line about what is being measured. Returns {machine, notes, step,
    evaluation, layer, layer_threads, imp, observables, threads, limits, sequence, seconds}; parts left out are
    empty lists, ``sequence`` without step or evaluation, and seconds are medians over rounds but for the last, which
    are those of the whole benchmark. Raises InputError for an unknown part or more threads than cores, Disagreement (a RuntimeError)
    when competitors do not compute the same.
    """
    parts = checked_parts(parts)
    threads = checked_threads(threads)
    from prunescope.training.torch.threads import torch_threads

    with torch_threads(threads):
        return _measure(sizes, parts, threads, quick, say)


def checked_parts(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the parts in the order they are measured; raise InputError for an unknown one or none."""
    for part in parts:
        if part not in PARTS:
            raise InputError(f"--only names {part!r}: parts are {', '.join(PARTS)}")
    if not parts:
        raise InputError(f"--only names no part: parts are {', '.join(PARTS)}")
    return tuple(part for part in PARTS if part in parts)


def checked_threads(threads: int | None) -> int:
    """Return the number of threads, all cores for None; raise InputError unless there are so many cores."""
    if threads is None:
        return cores()
    if not 1 <= threads <= cores():
        raise InputError(f"--threads is {threads}: use 1 to {cores()}, the cores there are")
    return threads


def _measure(
    sizes: Sizes, parts: tuple[str, ...], threads: int, quick: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    from prunescope.bench.evaluation import measure_evaluations
    from prunescope.bench.imp import measure_imp
    from prunescope.bench.layer import measure_layers
    from prunescope.bench.observables import measure_observables
    from prunescope.bench.scaling import measure_threads
    from prunescope.bench.sequence import sequence_rows
    from prunescope.bench.step import measure_limits, measure_steps
    from prunescope.bench.trainers import check_engines

    began = time.perf_counter()
    notes, instructions = check_engines(sizes, threads)
    machine = machine_facts(threads, quick) | {"native_instructions": instructions}
    found: dict[str, Any] = {"machine": machine, "notes": notes} | {part: [] for part in PARTS}
    if "step" in parts:
        found["step"], limits = measure_steps(sizes, threads, say)
    else:
        limits = measure_limits(sizes, say)
    if "evaluation" in parts:
        found["evaluation"] = measure_evaluations(sizes, threads, say)
    found["layer_threads"] = []
    if "layer" in parts:
        found["layer"], missing = measure_layers(sizes, 1, say)
        notes += missing
        if sizes.layer_all_threads and threads > 1:
            found["layer_threads"], _ = measure_layers(sizes, threads, say)
    if "imp" in parts:
        found["imp"] = measure_imp(sizes, threads, say)
    if "observables" in parts:
        found["observables"] = measure_observables(sizes, say)
    if "threads" in parts:
        found["threads"] = measure_threads(sizes, threads, say)
    sequence = sequence_rows(sizes, found["step"], found["evaluation"])
    return found | {"limits": limits, "sequence": sequence, "seconds": time.perf_counter() - began}
