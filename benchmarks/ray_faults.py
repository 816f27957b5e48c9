"""Kill parts of a sweep on a Ray cluster, and compare every bit with runs made one after the other.

    python benchmarks/sweep_faults.py [ROUNDS] --ray

A round is a sweep of eight runs on a head and two nodes of one core each, all on this machine, with a SIGKILL
at a random moment for each of: a run's process, the Ray worker that started one, a node, and the sweep
itself, which is then started again.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kill_resume
from fault_tally import RETRY, Tally

KINDS = ("process", "worker", "node", "sweep")
GRID = ("train.lr=[0.1,0.05]",)
SEEDS = 4
SPAN = 2.5  # seconds after a run's process was started within which a kill hits
OBJECTS = 80 * 2**20
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_AUTH_MODE": "token",
    "OMP_NUM_THREADS": "1",
}


class Nodes:
    """A Ray cluster on this machine: a head without cores, and two nodes with one each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": OBJECTS},
        )
        self._nodes = [self._added(), self._added()]
        self._cluster.wait_for_nodes()
        self.address = str(self._cluster.address)

    def _added(self) -> Any:
        return self._cluster.add_node(wait=False, num_cpus=1, object_store_memory=OBJECTS)

    def kill_node_of(self, worker: int) -> None:
        """Kill the node of this Ray worker, and add a node in its place."""
        raylet = parent_of(worker)
        for node in self._nodes:
            if any(info.process.pid == raylet for info in node.all_processes["raylet"]):
                self._cluster.remove_node(node, allow_graceful=False)
                self._nodes.remove(node)
                self._nodes.append(self._added())
                return
        raise RuntimeError(f"no node has the worker {worker}")

    def close(self) -> None:
        """Shut the cluster down."""
        self._cluster.shutdown()


@contextlib.contextmanager
def nodes(cache: Path) -> Iterator[Nodes]:
    """Start a cluster whose nodes prepare data in ``cache``, and shut it down at the end."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT | {"PRUNESCOPE_CACHE": str(cache)})
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    cluster = Nodes()
    try:
        yield cluster
    finally:
        cluster.close()
        os.environ.clear()
        os.environ.update(before)


def parent_of(process: int) -> int:
    """Return the process that started ``process``; raise OSError when it is gone."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def start(
    experiment: Path, out: Path, address: str, grid: Sequence[str] = GRID, seeds: int = SEEDS
) -> subprocess.Popen[str]:
    """Start ``prunescope sweep --ray`` as a process of its own."""
    command = [*kill_resume.MAIN, "sweep", str(experiment), *grid, "--seeds", str(seeds), "--threads", "1"]
    command += ["--out", str(out), "--ray", address]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def one_sweep(
    sweep: subprocess.Popen[str], kills: dict[int, Callable[[int], None]], rng: random.Random, span: float
) -> tuple[list[Path], list[str]]:
    """Follow a sweep to its end, and return its run directories and its lines.

    ``kills[n]`` is called within ``span`` seconds of the start of its n-th process.
    """
    lines, started = [], 0
    with sweep:
        for line in sweep.stderr or ():
            lines.append(line)
            if ", process " not in line:
                continue
            started += 1
            if started in kills:
                time.sleep(rng.uniform(0, span))
                kills[started](int(line.partition(", process ")[2].split()[0]))
        paths = [Path(line.rstrip()) for line in sweep.stdout or ()]
    if sweep.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"exit {sweep.returncode}: {''.join(lines)}")
    return paths, lines


@dataclass(frozen=True)
class SweptRuns:
    """The runs of a sweep: an experiment's path, the folder of the runs, fields with several values, and seeds."""

    experiment: Path
    out: Path
    grid: Sequence[str] = GRID
    seeds: int = SEEDS

    def start(self, address: str) -> subprocess.Popen[str]:
        """Start the sweep on the Ray cluster at ``address``."""
        return start(self.experiment, self.out, address, self.grid, self.seeds)


@dataclass(frozen=True)
class Kills:
    """The kills of a round, one of each of ``kinds``, within ``span`` seconds of a process's start."""

    kinds: Sequence[str]
    rng: random.Random
    span: float


def one_round(runs: SweptRuns, cluster: Nodes, planned: Kills, tally: Tally) -> list[Path]:
    """Make a sweep with the planned kills, starting it again when it is killed; return its run directories."""
    kinds, rng, span = planned.kinds, planned.rng, planned.span

    def kill(kind: str) -> Callable[[int], None]:
        def strike(process: int) -> None:
            tally.kills += 1
            try:
                if kind == "sweep":
                    sweep.kill()
                elif kind == "process":
                    os.kill(process, signal.SIGKILL)
                elif kind == "worker":
                    os.kill(parent_of(process), signal.SIGKILL)
                else:
                    cluster.kill_node_of(parent_of(process))
            except OSError:  # the run had ended
                tally.missed += 1

        return strike

    others = [kind for kind in kinds if kind != "sweep"]
    moments = sorted(rng.sample(range(1, 2 * runs.seeds - 1), len(others)))
    kills = dict(zip(moments, map(kill, rng.sample(others, len(others))), strict=True))
    if "sweep" in kinds:
        kills[moments[-1] + 1 if moments else 2] = kill("sweep")
    sweep = runs.start(cluster.address)
    paths, lines = one_sweep(sweep, kills, rng, span)
    if sweep.returncode:
        sweep = runs.start(cluster.address)
        paths, more = one_sweep(sweep, {}, rng, span)
        lines += more
    tally.retries += sum(RETRY in line for line in lines)
    return paths


def sequential(experiment: Path, out: Path, grid: Sequence[str] = GRID) -> list[Path]:
    """Make the same runs one after the other in this process."""
    from prunescope.pruning.running import run
    from prunescope.sweep.sweep_file import read_jobs

    jobs = read_jobs(str(experiment), grid, SEEDS)
    return [run(job.experiment, seed=job.seed, out=out).path for job in jobs]


def compare(whole: Sequence[Path], paths: Sequence[Path], tally: Tally) -> None:
    """Count the runs of a round, and name what differs from those of ``whole``."""
    tally.rounds += 1
    tally.runs += len(paths)
    same = {path.parts[-2:]: path for path in whole}
    for path in paths:
        one = same[path.parts[-2:]]
        tally.differences += tuple(
            f"{'/'.join(path.parts[-2:])}/{name}" for name in kill_resume.differences(one, path)
        )


def repeat(folder: Path, rounds: int, seed: int, *, steps: int = 200, span: float = SPAN) -> Tally:
    """Make ``rounds`` rounds on one cluster."""
    rng = random.Random(seed)
    experiment = kill_resume.write_inputs(folder, steps)
    tally = Tally()
    with nodes(folder / "cache") as cluster:
        whole = sequential(experiment, folder / "whole")
        for number in range(rounds):
            out, began = folder / "swept", time.monotonic()
            paths = one_round(SweptRuns(experiment, out), cluster, Kills(KINDS, rng, span), tally)
            tally.seconds += time.monotonic() - began
            compare(whole, paths, tally)
            if len(paths) != len(whole):
                raise RuntimeError(f"{len(paths)} run directories, not {len(whole)}")
            print(f"{number + 1}: {tally}", file=sys.stderr, flush=True)
            shutil.rmtree(out)
    return tally
