"""A Ray cluster: connecting to it, what its nodes have, and checking that they can do the runs of a sweep."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError, first_line
from prunescope.experiment.device import read_device
from prunescope.memory import available_memory
from prunescope.runs.machine import cores
from prunescope.sweep.capacity import Capacity
from prunescope.sweep.options import LOCAL_RAY, ExecutionOptions
from prunescope.sweep.planning import Plan
from prunescope.sweep.ray.liveness import LivenessLock
from prunescope.sweep.ray.node import UNFIT, SweepContext, versions
from prunescope.sweep.status import Event, SweepReporter

if TYPE_CHECKING:
    from prunescope.sweep.ray.executor import RayExecutor

WAIT = 3.0  # seconds that an address has to answer
# the first words of an HTTP/2 client, which Ray's server answers with settings of its own
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS = 4
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_NUM_REDIS_GET_RETRIES": "3",  # seconds for what answers and is not Ray; 20 unless told
}
OBJECTS = 100_000_000  # bytes for Ray's objects, of which we have hardly any


@dataclass(frozen=True)
class Node:
    """A node of the cluster, and what Ray may give away there."""

    name: str
    address: str
    cpus: float
    gpus: float
    memory: float


@dataclass(frozen=True)
class Cluster:
    """The cluster that this process is connected to; ``local`` where it was started for this process, on this machine."""

    nodes: tuple[Node, ...]
    local: bool

    @property
    def largest(self) -> dict[str, float]:
        """The most of each resource that any one node has, by the names of Ray's options."""
        return {
            "num_cpus": max(node.cpus for node in self.nodes),
            "num_gpus": max(node.gpus for node in self.nodes),
            "memory": max(node.memory for node in self.nodes),
        }

    def capacity(self, plan: Plan, options: ExecutionOptions) -> Capacity:
        """Return what all nodes have together; raise InputError for runs on CUDA where no node has a device."""
        options.check()
        names = [(run, read_device(run.job.experiment.run.device)) for run in plan.todo]
        for run, name in names:
            if name.kind == "cuda" and name.index:
                raise InputError(
                    f"{run.path}: run.device is cuda:{name.index} and Ray gives each run its card; use run.device=cuda"
                )
        wanted = [run for run, name in names if name.kind == "cuda"]
        if wanted and not self.largest["num_gpus"]:
            raise InputError(
                f"{wanted[0].path}: run.device is cuda and no node has a GPU; try run.device=cpu"
            )
        cpus, memory, gpus = (
            sum(getattr(node, name) for node in self.nodes) for name in ("cpus", "memory", "gpus")
        )
        devices = tuple(map(str, range(int(gpus)))) if wanted else ()
        return Capacity(int(cpus), int(memory), devices, options.at_once, options.threads)

    @contextlib.contextmanager
    def executor(
        self, plan: Plan, options: ExecutionOptions, reporter: SweepReporter
    ) -> Iterator[RayExecutor]:
        """Yield the executor of a plan's runs, while the liveness lock of the sweep is held.

        Raises InputError for a node that cannot do them, unless the cluster is this machine.
        """
        from prunescope.sweep.ray.executor import RayExecutor

        with LivenessLock(plan.out) as liveness:
            context = SweepContext(liveness.path, Path.cwd(), versions())
            if not self.local:
                self._check(plan, options, context, liveness, reporter)
            yield RayExecutor(context, liveness, self.largest, options.at_once, options.trackers)

    def _check(
        self,
        plan: Plan,
        options: ExecutionOptions,
        context: SweepContext,
        liveness: LivenessLock,
        reporter: SweepReporter,
    ) -> None:
        """Open the data on every node, which prepares them there once; raise InputError for a node that cannot.

        Nodes also check that they have the packages of the trackers. A node that is lost meanwhile is ignored.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from prunescope.sweep.ray.executor import LOST, RayWorker, remote_task

        data = {run.job.experiment.data: run.job.seed for run in plan.todo}
        fields_and_seeds = [(fields.model_dump(mode="json"), seed) for fields, seed in data.items()]
        request = {"data": fields_and_seeds, "track": list(options.trackers)}
        messages: SimpleQueue[tuple[RayWorker, Event | None]] = SimpleQueue()
        checking = {}
        for node in self.nodes:
            where = NodeAffinitySchedulingStrategy(node.name, soft=False)
            worker = RayWorker(
                remote_task(num_cpus=0, scheduling_strategy=where), context, liveness, messages
            )
            worker.send(request, 1)
            checking[worker] = node
        problem = ""
        while checking:
            worker, event = messages.get()
            address = checking[worker].address
            if event is None:
                del checking[worker]
                code, message = worker.wait()
                if code != LOST:
                    problem = problem or f"node {address}: {message}"
            elif event["event"] == "preparing":
                reporter.preparing(event["done"], event["total"], f"node {address}, {event['what']}")
            elif event["event"] == "ended" and event["code"] and not problem:
                problem = f"{'' if event['code'] == UNFIT else f'node {address}: '}{event['message']}"
            if problem:
                liveness.release()  # the other nodes need not go on
        if problem:
            raise InputError(problem)


def check_address(address: str, out: Path) -> None:
    """Raise InputError for what can be no address of a cluster, and for a folder that its nodes may read differently."""
    if address == LOCAL_RAY:
        return
    if "://" in address:
        raise InputError(
            f"--ray {address}: run the sweep on a node of the cluster and give HOST:PORT, or auto"
        )
    if address != "auto" and not re.fullmatch(r"[^\s/]+:\d{1,5}", address):
        raise InputError(f"--ray {address}: give HOST:PORT of a cluster's head, or auto on one of its nodes")
    if not out.is_absolute():
        raise InputError(f"--out is {out}: with --ray {address} give a whole path, as in --out /shared/runs")


@contextlib.contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Yield the cluster at HOST:PORT, ``auto`` (the one that this machine is a node of) or ``local`` (one started for this purpose).

    One that this process is connected to already is taken as it is. Raises InputError for one that does not answer.
    """
    if address not in (LOCAL_RAY, "auto"):
        _check_answers(address)
    for name, value in ENVIRONMENT.items():  # Ray reads it when it is imported
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise InputError("--ray needs Ray: pip install 'prunescope[ray]'") from None
    if ray.is_initialized():
        yield Cluster(_nodes(ray), local=False)
        return
    try:
        _connect(ray, address)
        nodes = _nodes(ray)
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        ray.shutdown()
        raise InputError(f"--ray {address}: {_reason(error)}") from None
    try:
        yield Cluster(nodes, local=address == LOCAL_RAY)
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == LOCAL_RAY:
        # Ray listens on every interface: let nobody in but this process
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ.setdefault("RAY_worker_niceness", "0")
        options |= {"num_cpus": cores(), "include_dashboard": False}
        options |= {"object_store_memory": OBJECTS, "_memory": max(available_memory() - OBJECTS, OBJECTS)}
    ray.init(address, **options)


def _check_answers(address: str) -> None:
    """Raise InputError when nothing like Ray answers: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    hint = "is the cluster's head running (ray start --head), and is this its address?"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=WAIT) as connection:
            connection.settimeout(WAIT)
            connection.sendall(HELLO)
            answer = connection.recv(9)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--ray {address}: no answer ({reason}); {hint}") from None
    if len(answer) < 4 or answer[3] != SETTINGS:
        raise InputError(f"--ray {address}: what answers there is not Ray; {hint}")


def _reason(error: Exception) -> str:
    """Return in a line why Ray could not be connected to."""
    if "uthentication token" in f"{error} {error.__cause__}":
        return (
            "wants a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or ~/.ray/auth_token as on its head"
        )
    return first_line(error)


def _nodes(ray: Any) -> tuple[Node, ...]:
    """Return the nodes that runs may go to; raise InputError where there is none."""
    found = []
    for node in ray.nodes():
        has = node["Resources"]
        if node["Alive"] and has.get("CPU", 0) >= 1:
            numbers = (has["CPU"], has.get("GPU", 0.0), has.get("memory", 0.0))
            found.append(Node(node["NodeID"], node["NodeManagerAddress"], *numbers))
    if not found:
        raise InputError(
            "the Ray cluster has no node with a CPU to give; start one: ray start --address=HOST:PORT"
        )
    return tuple(found)
