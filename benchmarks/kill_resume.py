"""Kill real runs at random moments, resume them, and compare every bit with an uninterrupted run.

    python benchmarks/kill_resume.py [KILLS] [--seed N]

prints one line: kills (of which so many while Python was still starting), resumed runs, all identical or what
differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAIN = [sys.executable, "-c", "from prunescope.cli import main; main()"]
STARTUP_KILLS = 0.1  # share of the kills that hit while Python is importing
SPAN = 1.3  # seconds of training within which the others hit

EXPERIMENT = """
name = "killed"
[data]
source = "npz"
validation = 400
[network]
hidden = [96, 64]
[train]
steps = 200
batch = 64
eval_every = 20
[prune]
levels = 3
rewind_step = 50
[run]
threads = 1
checkpoint_seconds = 0.05
"""


def write_inputs(folder: Path, steps: int = 200) -> Path:
    """Write images with a bright spot for each class and an experiment on them; return the experiment's path."""
    rng = np.random.default_rng(0)
    labels = np.arange(1200) % 4
    images = rng.integers(0, 200, (1200, 12, 12, 3))
    for label in range(4):
        images[labels == label, 3 * label : 3 * label + 3] += 30
    images = images.astype(np.uint8)
    np.savez(
        folder / "images.npz",
        x_train=images[:800],
        y_train=labels[:800],
        x_test=images[800:],
        y_test=labels[800:],
    )
    experiment = folder / "killed.toml"
    text = EXPERIMENT.replace('source = "npz"', f'source = "npz"\nroot = "{folder / "images.npz"}"')
    experiment.write_text(text.replace("steps = 200", f"steps = {steps}"), "utf-8")
    return experiment


def start(
    experiment: Path, out: Path, verb: str = "run", fields: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start ``prunescope run`` (or another verb) as a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PRUNESCOPE_CACHE": str(experiment.parent / "cache")}
    return subprocess.Popen(
        [*MAIN, verb, str(experiment), *fields, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Path:
    """Wait for the end of a run and return its directory; raise RuntimeError with its messages if it failed."""
    stdout, stderr = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"exit {process.returncode}: {stderr}")
    return Path(stdout.splitlines()[-1])


def kill_after(process: subprocess.Popen[str], startup: float, training: float) -> bool:
    """Kill a run ``training`` seconds after its training starts, or ``startup`` seconds after the process did.

    Returns whether it was still running. ``startup`` is used unless it is 0.
    """
    assert process.stderr is not None
    if startup:
        time.sleep(startup)
    else:
        for line in process.stderr:
            if ": starting " in line or ": resuming " in line:
                break
        time.sleep(training)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


@dataclass
class Tally:
    """The counts of a benchmark with kills; ``differences`` names files that were not the same."""

    kills: int = 0
    while_starting: int = 0
    runs: int = 0
    differences: tuple[str, ...] = ()

    def __str__(self) -> str:
        same = f"differ: {', '.join(self.differences)}" if self.differences else "all identical"
        return f"{self.kills} kills ({self.while_starting} while starting), {self.runs} resumed runs, {same}"


def kill_and_resume(folder: Path, kills: int, seed: int, *, steps: int = 200, span: float = SPAN) -> Tally:
    """Kill and resume until ``kills`` kills have hit and the last run is done."""
    rng = random.Random(seed)
    experiment = write_inputs(folder, steps)
    whole = finish(start(experiment, folder / "whole"))
    tally = Tally()
    while tally.kills < kills:
        out = folder / "killed"
        hits = 0
        while tally.kills < kills and hits < 8:
            early = rng.random() < STARTUP_KILLS
            delays = (rng.uniform(0.05, 2.0), 0.0) if early else (0.0, rng.uniform(0, span))
            if not kill_after(start(experiment, out), *delays):
                break
            hits += 1
            tally.kills += 1
            tally.while_starting += early
        path = finish(start(experiment, out))
        tally.runs += hits > 0
        tally.differences += tuple(differences(whole, path))
        shutil.rmtree(out)
    return tally


def differences(whole: Path, resumed: Path) -> Iterator[str]:
    """Return the names of what differs between two run directories, but for seconds and the trackers' locks."""
    from prunescope.runs.arrays import read_arrays
    from prunescope.runs.directory import Run

    files, others = (
        {str(f.relative_to(p)) for f in p.rglob("*") if f.is_file() and not f.name.startswith(".track-")}
        for p in (whole, resumed)
    )
    yield from (f"{name} (in one of them)" for name in sorted(files ^ others))
    for name in sorted(files & others):
        if name.endswith(".safetensors"):
            (own, notes), (its, its_notes) = read_arrays(whole / name), read_arrays(resumed / name)
            same = own.keys() == its.keys() and all(own[k].tobytes() == its[k].tobytes() for k in own)
            if not same or notes != its_notes:
                yield name
    tables = [Run(path).table.drop("seconds") for path in (whole, resumed)]
    if not tables[0].equals(tables[1]):
        yield "levels.parquet"
    for name in ("metrics.jsonl", "experiment.toml"):
        if (whole / name).read_bytes() != (resumed / name).read_bytes():
            yield name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tally = kill_and_resume(Path(scratch), arguments.kills, arguments.seed)
    print(tally)
    sys.exit(bool(tally.differences))
