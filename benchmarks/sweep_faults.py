"""Kill runs of a sweep and the sweep at random moments, start it again, and compare every bit with other runs.

    python benchmarks/sweep_faults.py [ROUNDS] [--seed N] [--ray]

The other runs are not interrupted. A round is a sweep of six runs, two at once: one run's process gets SIGKILL, then
the sweep's own, and the same command is given again at once; with --ray see ray_faults. Prints one line: rounds, runs,
kills, retries, seconds, all identical or what differs.
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
from pathlib import Path

import kill_resume
from fault_tally import RETRY, Tally

GRID = ["train.lr=[0.1,0.05]", "--seeds", "3", "--jobs", "2", "--threads", "1"]
RUNS = 6
SPAN = 2.5  # seconds after a run's process was started within which a kill hits


def start(experiment: Path, out: Path) -> subprocess.Popen[str]:
    """Start ``prunescope sweep`` as a process of its own."""
    return kill_resume.start(experiment, out, "sweep", GRID)


def finish(sweep: subprocess.Popen[str]) -> tuple[list[Path], int]:
    """Wait for the end of a sweep and return its run directories and the number of retries.

    Raises RuntimeError on failure.
    """
    stdout, stderr = sweep.communicate()
    if sweep.returncode != 0:
        raise RuntimeError(f"exit {sweep.returncode}: {stderr}")
    return [Path(line) for line in stdout.splitlines()], stderr.count(RETRY)


def one_round(experiment: Path, out: Path, rng: random.Random, span: float, tally: Tally) -> list[Path]:
    """Make a sweep in which a run is killed, then the sweep, which is started again; return the run directories."""
    run_kill_at = rng.randint(1, 3)
    parent_at = rng.randint(run_kill_at + 1, RUNS)
    starts = 0
    with start(experiment, out) as sweep:
        for line in sweep.stderr or ():
            tally.retries += RETRY in line
            if ", process " not in line:
                continue
            starts += 1
            if starts == run_kill_at:
                time.sleep(rng.uniform(0, span))
                tally.missed += not killed(int(line.rpartition(" ")[2]))
            if starts == parent_at:
                time.sleep(rng.uniform(0, span))
                sweep.kill()
    if sweep.returncode == 0:  # It had ended before it was killed, since this process got no time.
        tally.missed += 1
    elif sweep.returncode != -signal.SIGKILL:
        raise RuntimeError(f"exit {sweep.returncode} before the kill")
    tally.kills += 2
    paths, retries = finish(start(experiment, out))
    tally.retries += retries
    return paths


def killed(process: int) -> bool:
    """Kill a run's process; return False when it is gone already."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def repeat(folder: Path, rounds: int, seed: int, *, steps: int = 200, span: float = SPAN) -> Tally:
    """Make ``rounds`` rounds, each compared with the same runs one after the other in this process."""
    from prunescope.pruning.running import run
    from prunescope.sweep.sweep_file import read_jobs

    rng = random.Random(seed)
    experiment = kill_resume.write_inputs(folder, steps)
    os.environ["PRUNESCOPE_CACHE"] = str(folder / "cache")
    jobs = read_jobs(str(experiment), GRID[:1], 3)
    whole = [run(job.experiment, seed=job.seed, out=folder / "whole").path for job in jobs]
    tally = Tally()
    for _ in range(rounds):
        out, began = folder / "swept", time.monotonic()
        paths = one_round(experiment, out, rng, span, tally)
        tally.rounds += 1
        tally.runs += len(paths)
        tally.seconds += time.monotonic() - began
        if len(paths) != RUNS:
            raise RuntimeError(f"{len(paths)} run directories, not {RUNS}")
        for one, other in zip(whole, paths, strict=True):
            tally.differences += tuple(f"{other.name}/{name}" for name in kill_resume.differences(one, other))
        shutil.rmtree(out)
    return tally


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ray", action="store_true", help="on a Ray cluster of a head and two nodes")
    arguments = parser.parse_args()
    if arguments.ray:
        from ray_faults import repeat
    with tempfile.TemporaryDirectory() as scratch:
        result = repeat(Path(scratch), arguments.rounds, arguments.seed)
    print(result)
    sys.exit(bool(result.differences))
