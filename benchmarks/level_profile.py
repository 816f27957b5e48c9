"""Measure what a level costs on a CPU besides its training steps.

    python benchmarks/level_profile.py [quickstart] [paper] [--threads 1] [--classes 10] [--save rows.json]

A run goes through the real driver, engine and method: five levels of few steps and evaluations, at densities from 1 to
0.01 each about a third of the one before, on random images. Functions of the package are wrapped in timers, each of
which counts what the others inside it do not. Steps and batches are scaled to 2000 steps a level and evaluations to as
many as they have in it; everything else happens once a level and counts as it is.

Prints a Markdown table for each size: the seconds of 2000 steps, and for each part its share of them, as processor time
of all threads and, in brackets, by the clock. On a machine that does nothing else the two agree with one thread, but for
the time that the disk takes; beside other work only processor time means something.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunescope.analysis.markdown import markdown_table

STEPS = 2000
LEVELS, RATE = 4, 1 - 10**-0.5  # densities 1, 0.32, 0.1, 0.032, 0.01
# Parts that happen once a step and once an evaluation; the others happen once a level.
EACH_STEP = ("steps", "batches", "between steps")
EACH_EVALUATION = ("validation", "copies of the model", "metrics")


@dataclass(frozen=True)
class Size:
    """The size of a network and of its images, and the steps and evaluations of which a level is run."""

    fields: tuple[str, ...]
    pixels: int
    images: tuple[int, int]  # for training, and for validation and held out together
    eval_every: int
    steps: int
    evaluations: int


SIZES = {
    "quickstart": Size(
        ("network.hidden=[256,256,256]", "train.batch=256", "data.validation=4000", "data.flip=true"),
        16, (120_000, 8_000), 200, 400, 4,
    ),
    "paper": Size(
        ("network.hidden=[1024,1024,1024]", "train.batch=1000", "data.validation=10000"),
        32, (20_000, 50_000), 100, 24, 4,
    ),
}  # fmt: skip


@dataclass
class Times:
    """Seconds of parts by name, as (processor time, time of the clock); a part's own, without those inside it."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stack: list[str] = field(default_factory=list)
    last: tuple[float, float] = (0.0, 0.0)
    thread: int = field(default_factory=threading.get_ident)

    def turn(self) -> None:
        """Add the time since the last turn to the innermost part."""
        now = time.process_time(), time.perf_counter()
        if self.stack:
            for index, (before, after) in enumerate(zip(self.last, now, strict=True)):
                self.seconds[self.stack[-1]][index] += after - before
        self.last = now

    def wrapped(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Return the function with its time added to a part, where the main thread calls it."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            if threading.get_ident() != self.thread:
                return function(*arguments, **named)
            self.turn()
            self.stack.append(part)
            self.calls[part] += 1
            try:
                return function(*arguments, **named)
            finally:
                self.turn()
                self.stack.pop()

        return timed


class AtOnce:
    """An executor whose work is done before ``submit`` returns, so that the times of two threads do not mix."""

    def __init__(self, threads: int) -> None:
        """Take the number of threads, which has no meaning here."""

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Do the work and return its result."""
        done: Future[Any] = Future()
        done.set_result(work(*arguments))
        return done


def wrap(times: Times) -> None:
    """Put timers around the functions of the package that a level calls."""
    from prunescope import observables
    from prunescope.data.dataset import Dataset
    from prunescope.pruning.methods import imp
    from prunescope.runs import columns, driver, level_measurements
    from prunescope.runs.writer import RunWriter
    from prunescope.training.native_engine import NativeEngine

    parts: list[tuple[Any, str, str]] = [
        (imp, "prune_smallest", "start: selection"),
        (NativeEngine, "start", "start: engine"),
        (NativeEngine, "step", "steps"),
        (NativeEngine, "evaluate", "validation"),
        (NativeEngine, "snapshot", "copies of the model"),
        (NativeEngine, "model", "copies of the model"),
        (Dataset, "draw", "batches"),
        (driver._Checkpoints, "__call__", "between steps"),
        (NativeEngine, "state", "checkpoint"),
        (RunWriter, "write_checkpoint", "checkpoint"),
        (RunWriter, "append_metrics", "metrics"),
        (RunWriter, "write_level", "files"),
        (RunWriter, "write_table", "files"),
        (RunWriter, "write_rewind", "files"),
        (RunWriter, "drop_checkpoint", "files"),
        (RunWriter, "write_about", "files"),
        (level_measurements, "right_at_end", "end: right images"),
        (level_measurements, "right_at_best", "end: right images"),
        (level_measurements, "kurtosis_observations", "end: kurtosis"),
        (level_measurements, "first_layer_inputs", "end: kurtosis"),
        (level_measurements._Measured, "_accuracies", "end: ablation"),
        (level_measurements._Measured, "_top_images", "end: top images"),
        (observables, "measure", "end: columns"),
        (columns, "row", "end: columns"),
        (driver._Driver, "_trained", "rest"),
    ]  # fmt: skip
    for owner, name, part in parts:
        setattr(owner, name, timed_by_place(times, getattr(owner, name), part))
    driver.ThreadPoolExecutor = AtOnce  # type: ignore[misc, assignment]


def timed_by_place(times: Times, function: Callable[..., Any], part: str) -> Callable[..., Any]:
    """Return the function with a timer; an evaluation or a copy inside another part belongs to that part."""
    timed = times.wrapped(function, part)
    if part not in EACH_EVALUATION:
        return timed

    @functools.wraps(function)
    def placed(*arguments: Any, **named: Any) -> Any:
        inside = times.stack and times.stack[-1] != "rest"
        return function(*arguments, **named) if inside else timed(*arguments, **named)

    return placed


def write_images(size: Size, classes: int, folder: Path) -> Path:
    """Write random images with random labels as an .npz file."""
    import numpy as np

    rng = np.random.default_rng(0)
    arrays = {}
    for name, count in zip(("train", "test"), size.images, strict=True):
        arrays[f"x_{name}"] = rng.integers(0, 256, (count, size.pixels, size.pixels, 3), np.uint8)
        arrays[f"y_{name}"] = rng.permutation(np.arange(count) % classes)
    path = folder / "images.npz"
    np.savez(path, **arrays)
    return path


def profiled(name: str, classes: int, threads: int, folder: Path) -> list[dict[str, Any]]:
    """Run the levels of a size; return for each its density and the seconds of each part in a level of STEPS steps."""
    from prunescope.experiment import load
    from prunescope.pruning.running import run
    from prunescope.runs import driver

    size = SIZES[name]
    experiment = load(
        "quickstart",
        [
            *size.fields, "data.source=npz", f"data.root={write_images(size, classes, folder)}", "train.lr=0.001",
            *([] if "data.flip=true" in size.fields else ["data.flip=false"]),
            f"train.steps={size.steps}", f"train.eval_every={size.steps // size.evaluations}", "prune.rewind_step=2",
            f"prune.rate={RATE}", f"prune.levels={LEVELS}", f"run.threads={threads}", "run.engine=native",
        ],
    )  # fmt: skip
    times, rows = Times(), []
    wrap(times)
    trained = driver._Driver._trained

    def level(self: Any, one: Any, *others: Any) -> Any:
        outcome = trained(self, one, *others)
        seconds = {part: tuple(both) for part, both in times.seconds.items()}
        rows.append({"size": name, "classes": classes, "u": one.ticket.weight_density, "seconds": seconds})
        times.seconds.clear()
        return outcome

    driver._Driver._trained = level  # type: ignore[method-assign]
    run(experiment, out=folder / "runs")
    for row in rows:
        scale = dict.fromkeys(EACH_STEP, STEPS / size.steps)
        scale |= dict.fromkeys(EACH_EVALUATION, STEPS / size.eval_every / size.evaluations)
        row["seconds"] = {
            part: [scale.get(part, 1.0) * value for value in both] for part, both in row["seconds"].items()
        }
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table of the levels of one size: each part as a share of the steps."""
    order = sorted({part for row in rows for part in row["seconds"]} - {"steps"})
    steps = [row["seconds"]["steps"] for row in rows]
    lines = [[f"{STEPS} steps, s", *(f"{cpu:.1f} ({wall:.1f})" for cpu, wall in steps)]]
    for part in (*order, "all of these"):
        cells = []
        for row, whole in zip(rows, steps, strict=True):
            chosen = [
                both
                for name, both in row["seconds"].items()
                if name in (order if part not in order else (part,))
            ]
            cpu, wall = (sum(both[index] for both in chosen) / whole[index] for index in (0, 1))
            cells.append(f"{100 * cpu:.2f} % ({100 * wall:.2f})")
        lines.append([part, *cells])
    return markdown_table(["part", *(f"u = {row['u']:.2g}" for row in rows)], lines)


def main() -> None:
    """Profile the sizes that are named, all by default, and print a table for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", help=" or ".join(SIZES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--classes", type=int, nargs="*", default=[10])
    parser.add_argument("--save", help="file for the seconds, as JSON")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    rows = []
    for name in given.sizes or SIZES:
        for classes in given.classes:
            with tempfile.TemporaryDirectory() as temporary:
                os.environ["PRUNESCOPE_CACHE"] = str(Path(temporary) / "cache")
                found = profiled(name, classes, given.threads, Path(temporary))
            print(f"\n{name}, {classes} classes, {given.threads} thread(s)\n\n{table(found)}", flush=True)
            rows += found
    if given.save:
        Path(given.save).write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
