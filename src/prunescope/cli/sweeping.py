"""What the verb ``sweep`` prints: the plan, and the run directories."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from prunescope.analysis.formats import gigabytes, span
from prunescope.analysis.labels import labels
from prunescope.cli.sweep_progress import SweepLines, SweepLive
from prunescope.sweep.executing import Results, execute
from prunescope.sweep.planning import Plan, Planned, check_room, plan
from prunescope.sweep.ray.cluster import LOCAL, check_address, connected
from prunescope.sweep.reading import read_jobs
from prunescope.sweep.resources import free_disk
from prunescope.sweep.room import Room


def sweep(
    source: str,
    overrides: list[str],
    seeds: int | None,
    out: Path,
    *,
    at_once: int | None,
    threads: int | None,
    dry_run: bool,
    ray: str | None = None,
    track: Sequence[str] = (),
) -> int:
    """Plan and run; the exit code: 0 done, 1 when a run failed. Run directories go to stdout, one a line."""
    if ray is not None:
        check_address(ray, out)
    jobs = read_jobs(source, overrides, seeds)
    if dry_run:
        planned = plan(jobs, out, threads)
        check_room(planned)
        room = _room(planned, at_once, ray)
        print("\n".join([*run_lines(planned), *plan_lines(planned, room, threads)]))
        return 0
    reporter = SweepLive(plan_lines) if sys.stderr.isatty() else SweepLines(plan_lines)
    try:
        with _silence_on_stdout() if ray else contextlib.nullcontext():
            results = execute(
                jobs, out, jobs_at_once=at_once, threads=threads, reporter=reporter, ray=ray, track=track
            )
    finally:
        reporter.close()
    return _print_results(results)


def _room(planned: Plan, at_once: int | None, ray: str | None) -> Room:
    """What the runs will share; a local instance of Ray has what this machine has."""
    if ray is None or ray == LOCAL:
        return Room.of_this_machine(planned, at_once)
    with _silence_on_stdout(), connected(ray) as cluster:
        return cluster.room(planned, at_once)


@contextlib.contextmanager
def _silence_on_stdout() -> Iterator[None]:
    """Ray says there what it thinks of lost workers; stdout is for run directories."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _print_results(results: Results) -> int:
    for path in results.done:
        print(path)
    for path, message in results.failed.items():
        print(f"prunescope: {path}: {message}", file=sys.stderr)
    if results.failed:
        count = len(results.failed)
        print(f"prunescope: {count} of {count + len(results.done)} runs failed", file=sys.stderr)
    return 1 if results.failed else 0


def run_lines(planned: Plan) -> list[str]:
    """Every run: its state, the time it will take, its directory."""
    return [
        f"{_state(run):24}{span(run.seconds) if run.estimate else '':>14}  {run.path}" for run in planned.runs
    ]


def plan_lines(planned: Plan, room: Room, threads: int | None) -> list[str]:
    """A line for each experiment with the states of its seeds, then time, memory and disk in all."""
    by_identity: dict[str, list[Planned]] = {}
    for run in planned.runs:
        by_identity.setdefault(run.job.experiment.identity, []).append(run)
    names = labels([runs[0].job.experiment for runs in by_identity.values()])
    width = max(map(len, names))
    lines = [f"{_many(len(planned.runs), 'run')} of {_many(len(names), 'experiment')}"]
    for name, runs in zip(names, by_identity.values(), strict=True):
        seeds = ", ".join(str(run.job.seed) for run in runs)
        states = ", ".join(f"{count} {state}" for state, count in Counter(run.status for run in runs).items())
        lines.append(f"  {name:{width}}  seed{'s' * (len(runs) > 1)} {seeds}: {states}{_each(runs)}")
    return lines + _needs(planned, room, threads)


def _needs(planned: Plan, room: Room, threads: int | None) -> list[str]:
    if not planned.todo:
        return ["nothing to do"]
    slots = room.slots(planned, threads)
    estimates = [run.estimate for run in planned.todo if run.estimate]
    largest, free = gigabytes(planned.memory_bytes), gigabytes(free_disk(planned.out.absolute()))
    lines = [
        f"at once  {_many(slots, 'run')}",
        f"time     about {span(planned.seconds(slots))}",
        f"memory   about {largest} the largest run, {gigabytes(room.memory)} available",
        f"disk     about {gigabytes(planned.disk_bytes, 2)}, {free} free",
    ]
    if planned.memory_bytes > room.memory:
        lines.append("memory   too little for the largest run by its estimate: it will run alone")
    assumed = dict.fromkeys(text for estimate in estimates for text in estimate.assumed)
    return lines + [f"assumed  {text}" for text in assumed]


def _state(run: Planned) -> str:
    reached = run.status not in ("new", "done") and run.levels
    return f"{run.status}, {_many(run.levels, 'level')}" if reached else run.status


def _each(runs: list[Planned]) -> str:
    """The time of a whole run, where one is left to do."""
    estimate = next((run.estimate for run in runs if run.estimate), None)
    return f", about {span(estimate.seconds)} each" if estimate else ""


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
