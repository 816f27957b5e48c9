"""Compare the time of `prunescope sweep` with that of the best schedule of the same runs in shell loops.

    python benchmarks/sweep_throughput.py [ROUNDS] [KEY=VALUE...]

Four runs of the quickstart, shortened, on two cores. The shell loops use nothing but `prunescope run`: "side
by side", two loops of one thread each with two runs, and "in turn", one run after the other on two threads.
The three take turns, in another order each round. Prints the seconds of each round and the ratio of the
medians, sweep to the better shell loop.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import kill_resume

SHORT = ["train.steps=800", "prune.levels=8"]
SEEDS = 4


def shell(fields: list[str], seeds: list[int], threads: int, out: Path) -> subprocess.Popen[bytes]:
    """Start a shell that runs these seeds one after the other."""
    common = [*kill_resume.MAIN, "run", "quickstart", *fields, f"run.threads={threads}", "--out", str(out)]
    line = " && ".join(shlex.join([*common, "--seed", str(seed)]) for seed in seeds)
    return background(["sh", "-c", line], threads)


def background(command: list[str], threads: int) -> subprocess.Popen[bytes]:
    """Start a command without output."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdout=quiet, stderr=quiet, env=os.environ | {"OMP_NUM_THREADS": str(threads)}
    )


def started(schedule: str, fields: list[str], out: Path) -> list[subprocess.Popen[bytes]]:
    """Start the processes of a schedule."""
    if schedule == "side by side":
        return [shell(fields, list(range(core, SEEDS, 2)), 1, out) for core in range(2)]
    if schedule == "in turn":
        return [shell(fields, list(range(SEEDS)), 2, out)]
    options = ["--seeds", str(SEEDS), "--jobs", "2", "--threads", "1", "--out", str(out)]
    return [background([*kill_resume.MAIN, "sweep", "quickstart", *fields, *options], 1)]


def seconds(schedule: str, fields: list[str]) -> float:
    """Return the seconds until a schedule's last run ends; raise RuntimeError when a run is missing."""
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        codes = [process.wait() for process in started(schedule, fields, Path(scratch))]
        took = time.monotonic() - began
        done = len(list(Path(scratch).glob("*/seed-*/levels.parquet")))
    if any(codes) or done != SEEDS:
        raise RuntimeError(f"{schedule}: exit {codes}, {done} runs of {SEEDS}")
    return took


def main() -> None:
    """Measure all schedules and print their times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("fields", nargs="*", default=SHORT)
    arguments = parser.parse_args()
    schedules = ["sweep", "side by side", "in turn"]
    found: dict[str, list[float]] = {schedule: [] for schedule in schedules}
    for number in range(arguments.rounds):
        for schedule in schedules[number % 3 :] + schedules[: number % 3]:
            found[schedule].append(seconds(schedule, arguments.fields))
    for schedule, times in found.items():
        print(f"{schedule}: {', '.join(f'{took:.1f}' for took in times)} s")
    sweep, *loops = (statistics.median(found[schedule]) for schedule in schedules)
    print(f"sweep / the better shell loop: {sweep / min(loops):.2f}")


if __name__ == "__main__":
    main()
