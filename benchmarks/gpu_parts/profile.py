"""The part profile: the time of a step by kernel, in each precision."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gpu_parts.check import precisions
from gpu_parts.output import table
from gpu_parts.setting import Request

STEPS = 60
SHOWN = 30
DEVICE_EVENTS = ("kernel", "gpu_memcpy", "gpu_memset")


def run_profile(request: Request, skip: int = 0) -> bool:
    """Profile the steps of the paper's network in each precision, and print what a step consists of."""
    import torch

    from prunescope.bench.device.sizes import DEVICE_FULL, DEVICE_TINY, DevicePoint

    sizes = DEVICE_TINY if request.tiny else DEVICE_FULL
    point = DevicePoint(sizes.most_classes, 0.1)
    for precision in precisions(request.device)[skip:]:
        if request.left < 0:
            request.output.say(f"left out: profile {precision}: no time was left")
            request.output.row("profile", name=precision, state="left out")
            continue
        with request.output.recorded("profile", precision) as facts:
            steps = _stepping(request, sizes, point, precision)
            cuda = request.device.startswith("cuda")
            wait = partial(torch.cuda.synchronize, request.device) if cuda else lambda: None
            wall = _wall(steps, wait)
            rows = _kernels(steps, wait, request.device)
            total = sum(row["us"] for row in rows)
            facts |= {"wall_us": wall, "kernels_us": total, "kernels": sum(row["calls"] for row in rows)}
            for row in rows:
                request.output.row("profile", precision=precision, **row)
            for line in _lines(precision, rows, wall):
                request.output.say(line)
    return all(row.get("state") != "FAILED" for row in request.output.rows() if row["part"] == "profile")


def _stepping(request: Request, sizes: Any, point: Any, precision: str) -> Callable[[], None]:
    """Return what makes STEPS steps, warmed up, each time on other images."""
    from prunescope.bench.device.competitors import device_experiment, take_steps
    from prunescope.bench.device.points import living_ticket
    from prunescope.bench.problem import make_problem
    from prunescope.bench.sizes import Sizes
    from prunescope.model import initial
    from prunescope.training import make_engine

    drawn = Sizes(sizes.shape, sizes.hidden, sizes.batch, min(sizes.images, 50_000))
    problem = make_problem(drawn, point.classes)
    live = np.ones(len(problem.mean), np.bool_)
    engine = make_engine(device_experiment(sizes, request.device, precision), problem.mean, live)
    engine.start(initial(problem.layers, "before", 0), living_ticket(problem.layers, point))
    batches = [problem.batch(step) for step in range(STEPS)]
    take_steps(engine, batches)
    return lambda: take_steps(engine, batches)


def _wall(steps: Callable[[], None], wait: Callable[[], object]) -> float:
    """Return the microseconds of a step without the profiler, the least of five blocks."""
    import time

    found = []
    for _ in range(5):
        wait()
        began = time.perf_counter()
        steps()
        wait()
        found.append(time.perf_counter() - began)
    return 1e6 * min(found) / STEPS


def _kernels(steps: Callable[[], None], wait: Callable[[], object], device: str) -> list[dict[str, Any]]:
    """Return rows {kernel, calls, us, share} of one step, the slowest first; of operations on a CPU."""
    from torch.profiler import ProfilerActivity, profile

    cuda = device.startswith("cuda")
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as profiled:
        steps()
        wait()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(path))
        events = json.loads(path.read_text("utf-8", "replace"))["traceEvents"]
    kinds = DEVICE_EVENTS if cuda else ("cpu_op",)
    seconds: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") in kinds and "dur" in event:
            seconds[event["name"]].append(float(event["dur"]))
    total = sum(map(sum, seconds.values())) or 1.0
    rows = [
        {
            "kernel": name,
            "calls": len(each) / STEPS,
            "us": sum(each) / STEPS,
            "share": sum(each) / total,
        }
        for name, each in seconds.items()
    ]
    if not rows:
        raise RuntimeError(f"the profiler saw none of {', '.join(kinds)}")
    return sorted(rows, key=lambda row: -row["us"])


def _lines(precision: str, rows: list[dict[str, Any]], wall: float) -> list[str]:
    cells = [
        [f"{row['us']:.1f}", f"{row['calls']:.2f}", f"{100 * row['share']:.1f} %", row["kernel"][:110]]
        for row in rows[:SHOWN]
    ]
    total = sum(row["us"] for row in rows)
    title = f"{precision}: {total:.0f} µs in kernels, {wall:.0f} µs by the clock, a step"
    return list(table(title, ["µs a step", "calls", "share", "kernel"], cells))
