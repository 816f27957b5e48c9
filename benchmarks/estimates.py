"""Compare what `--dry-run` says of time, memory and disk with what runs then take.

    python benchmarks/estimates.py [--only NAME ...] [--wall] [--device cuda]

Each experiment is estimated and then run in processes of its own, in a temporary folder, without prepared images. On one
thread, times are processor time of both, which other work on the machine changes less; with --wall they are those of the
clock, and so they are on another device than the CPU. Prints a Markdown table: estimate, truth and their ratio for seconds, peak memory without memory-mapped images (MB), and
the run's directory (MB).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.analysis.markdown import markdown_line, markdown_table

ESTIMATE = """
import json, sys, time
from prunescope.runs import clock
if sys.argv[1] == "cpu":
    clock.now = time.process_time
from prunescope.experiment import load
from prunescope.pruning.running import estimate
from prunescope.runs.estimate import Estimate
began = time.perf_counter()
cost = estimate(load(sys.argv[2], sys.argv[3:]))
print(json.dumps([cost.seconds + cost.preparing, cost.memory_bytes, cost.disk_bytes, time.perf_counter() - began]))
"""

TINY = ["run.threads=1", "prune.levels=4", "train.steps=300", "train.eval_every=100", "prune.rewind_step=30"]
PHOTOGRAPHS = [*TINY, "data.patches=20000", "data.validation=2000", "data.heldout=2000"]
DENSITY = ["prune.levels=0", "prune.density=[0.3,0.1,0.03]", "train.steps=600"]
EXPERIMENTS: dict[str, list[str]] = {
    "quickstart": ["run.threads=1"],
    "short": PHOTOGRAPHS,
    "wide and short": [*PHOTOGRAPHS, "network.hidden=[1024,1024,1024]", "data.size=32", "prune.levels=2"],
    "8x8 pixels": [*PHOTOGRAPHS, "data.size=8", "train.steps=1000"],
    "64x64 pixels": [*PHOTOGRAPHS, "data.size=64", "data.patches=8000"],
    "torch engine": [*PHOTOGRAPHS, "run.engine=torch"],
    "norm after": [*PHOTOGRAPHS, "network.norm=after"],
    "adam": [*PHOTOGRAPHS, "train.optimizer=adam", "train.lr=0.001"],
    "momentum, bf16": [*PHOTOGRAPHS, "train.optimizer=momentum", "train.precision=bf16", "train.lr=0.05"],
    "fraction": [*PHOTOGRAPHS, "data.fraction=0.1", "train.sampling=epochs"],
    "translate and flip": [*PHOTOGRAPHS, "data.translate=true", "data.flip=true"],
    "snip": [*PHOTOGRAPHS, *DENSITY, "prune.method=snip"],
    "synflow": [*PHOTOGRAPHS, *DENSITY, "prune.method=synflow"],
    "grasp": [*PHOTOGRAPHS, *DENSITY, "prune.method=grasp"],
    "rigl": [*PHOTOGRAPHS, *DENSITY, "prune.method=rigl", "prune.update_every=20"],
    "streams": [*TINY, "data.source=nlgp", "data.flip=false", "data.validation=2000", "data.heldout=2000"],
    "npz folder": [*TINY, "data.source=npz", "data.root={images}", "data.validation=1000"],
    "series": [
        *TINY,
        "data.source=npz",
        "data.geometry=series",
        "data.root={series}",
        "data.validation=1000",
    ],
    "two threads": [*PHOTOGRAPHS, "run.threads=2"],
}


def main() -> None:
    """Estimate and run the experiments, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=list(EXPERIMENTS))
    parser.add_argument("--wall", action="store_true")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    wall = given.wall or given.device != "cpu"
    measured = [title for name in ("seconds", "memory, MB", "disk, MB") for title in (name, "ratio")]
    print(markdown_table(["experiment", *measured, "dry run"]))
    for name in given.only:
        with tempfile.TemporaryDirectory() as folder:
            place = Place(Path(folder), given.device, wall or name == "two threads")
            print(row(name, place), flush=True)


@dataclass(frozen=True)
class Place:
    """Where an experiment is estimated and run, and whether times are those of the clock, ``wall``."""

    folder: Path
    device: str
    wall: bool


def row(name: str, place: Place) -> str:
    """Return the table's row of one experiment: everything as estimated → true, then estimated / true."""
    folder = place.folder
    files = {"images": folder / "images.npz", "series": folder / "series.npz"}
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 20_000)
    images = rng.integers(0, 256, (20_000, 28, 28), np.uint8)
    series = rng.normal(size=(20_000, 200)).astype(np.float32)
    for form, rows in (("images", images), ("series", series)):
        arrays = {
            "train_images": rows,
            "train_labels": labels,
            "val_images": rows[:4000],
            "val_labels": labels[:4000],
        }
        np.savez(files[form], **arrays)
    fields = [text.format(**files) for text in EXPERIMENTS[name]] + [f"run.device={place.device}"]
    environment = os.environ | {"PRUNESCOPE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    if name == "two threads":
        del environment["OMP_NUM_THREADS"]
    clock = "wall" if place.wall else "cpu"
    said = subprocess.run(
        [sys.executable, "-c", ESTIMATE, clock, "quickstart", *fields],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds, memory, disk, took = json.loads(said.stdout)
    began = time.perf_counter()
    command = [
        "-c",
        "from prunescope.cli import main; main()",
        "run",
        "quickstart",
        *fields,
        "--out",
        str(folder / "runs"),
    ]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, *command], env=environment, text=True, **streams)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return markdown_line([name, f"failed: {errors.strip().splitlines()[-1]}"])
    true = time.perf_counter() - began if place.wall else usage.ru_utime + usage.ru_stime
    size = sum(path.stat().st_size for path in (folder / "runs").rglob("*") if path.is_file())
    mapped = sum(path.stat().st_size for path in (folder / "cache").rglob("*.npy"))
    cells = [
        *pair(seconds, true, 1),
        *pair(memory, 1024 * usage.ru_maxrss - mapped, 1e6),
        *pair(disk, size, 1e6),
    ]
    return markdown_line([name, *cells, f"{took:.1f} s"])


def pair(estimated: float, true: float, unit: float) -> tuple[str, str]:
    """Return two cells: both values, and their ratio."""
    return f"{estimated / unit:.1f} → {true / unit:.1f}", f"{estimated / true:.2f}"


if __name__ == "__main__":
    main()
