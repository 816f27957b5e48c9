"""The verb ``sweep``: its options, the plan that it prints, and the run directories."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunescope.cli.options import AtOnce, DryRun, RunsFolder, Trackers

if TYPE_CHECKING:
    from prunescope.sweep import ExecutionOptions, Job, Plan, Results
    from prunescope.sweep.capacity import Capacity
    from prunescope.sweep.planning import PlannedRun
    from prunescope.sweep.status import SweepReporter


def sweep_command(
    source: Annotated[
        str, typer.Argument(help="a preset's name, a TOML file or a SWEEP.toml", metavar="EXPERIMENT")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help='fields; lists span a grid, as in "train.lr=[0.1,0.05]"', metavar="[KEY=VALUE]..."
        ),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="N: seeds 0 to N-1 of each experiment")] = None,
    out: RunsFolder = Path("runs"),
    jobs: AtOnce = None,
    threads: Annotated[int | None, typer.Option(min=1, help="threads of a run; run.threads, else 1")] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:PORT]", help="as tasks of a Ray cluster, or of one started for it on this machine"
        ),
    ] = None,
    track: Trackers = None,
    dry_run: DryRun = False,
) -> None:
    """Run a grid of experiments and seeds, many at once; resume what was begun. Prints the run directories."""
    from prunescope.sweep import ExecutionOptions
    from prunescope.sweep.sweep_file import read_jobs

    options = ExecutionOptions(jobs, threads, ray, tuple(track or ()))
    if ray is not None:
        from prunescope.sweep.ray.cluster import check_address

        check_address(ray, out)
    found = read_jobs(source, overrides or (), seeds)
    if dry_run:
        print_plan(found, out, options)
        return
    results = _executed(found, out, options)
    _print_results(results)
    raise typer.Exit(1 if results.failed else 0)


def _executed(jobs: Sequence[Job], out: Path, options: ExecutionOptions) -> Results:
    from prunescope.sweep import execute

    reporter = make_reporter()
    try:
        with _silence_on_stdout() if options.ray else contextlib.nullcontext():
            return execute(jobs, out, options, reporter)
    finally:
        reporter.close()


def make_reporter() -> SweepReporter:
    """Return a live table on a terminal, and a reporter of plain lines elsewhere."""
    from prunescope.cli.sweep_progress import SweepLines, SweepLive

    return SweepLive(plan_lines) if sys.stderr.isatty() else SweepLines(plan_lines)


def print_plan(jobs: Sequence[Job], out: Path, options: ExecutionOptions) -> None:
    """Print every run with its state, and the time, memory and disk that those left to do will take."""
    from prunescope.runs.same_data import Fingerprints
    from prunescope.sweep import plan
    from prunescope.sweep.checks import check_devices, check_methods, check_roots
    from prunescope.sweep.planning import check_disk

    options.check()
    check_roots(jobs, options)
    check_devices(jobs, out, options)
    here = options.cluster_address is None
    planned = plan(jobs, out, options.threads, Fingerprints(prepare=False), here)
    check_methods(planned)
    check_disk(planned)
    capacity = _capacity(planned, options)
    print("\n".join([*run_lines(planned), *plan_lines(planned, capacity)]))


def _capacity(planned: Plan, options: ExecutionOptions) -> Capacity:
    """Return what the runs will share; a Ray that is started for the sweep has what this machine has."""
    from prunescope.sweep.capacity import machine_capacity

    if options.cluster_address is None:
        return machine_capacity(planned, options)
    from prunescope.sweep.ray.cluster import connected

    with _silence_on_stdout(), connected(options.cluster_address) as cluster:
        return cluster.capacity(planned, options)


@contextlib.contextmanager
def _silence_on_stdout() -> Iterator[None]:
    """Discard what Ray prints to stdout about lost workers: stdout is for run directories."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _print_results(results: Results) -> None:
    for path in results.done:
        print(path)
    for path, message in results.failed.items():
        print(f"prunescope: {path}: {message}", file=sys.stderr)
    if results.failed:
        count = len(results.failed)
        print(f"prunescope: {count} of {count + len(results.done)} runs failed", file=sys.stderr)


def run_lines(planned: Plan) -> list[str]:
    """Return a line for every run: its state, the time that it will take, its directory."""
    from prunescope.analysis.formats import span

    return [
        f"{_state(run):24}{span(run.seconds) if run.estimate else '':>14}  {run.path}" for run in planned.runs
    ]


def plan_lines(planned: Plan, capacity: Capacity) -> list[str]:
    """Return a line for each experiment with the states of its seeds, then time, memory and disk in all."""
    from prunescope.analysis.labels import labels

    by_experiment: dict[tuple[str, str], list[PlannedRun]] = {}
    for run in planned.runs:
        by_experiment.setdefault(run.job.experiment_key, []).append(run)
    names = labels([runs[0].job.experiment for runs in by_experiment.values()])
    width = max(map(len, names))
    lines = [f"{_many(len(planned.runs), 'run')} of {_many(len(names), 'experiment')}"]
    for name, runs in zip(names, by_experiment.values(), strict=True):
        seeds = ", ".join(str(run.job.seed) for run in runs)
        states = ", ".join(f"{count} {state}" for state, count in Counter(run.status for run in runs).items())
        lines.append(f"  {name:{width}}  seed{'s' * (len(runs) > 1)} {seeds}: {states}{_each(runs)}")
    return lines + _needs(planned, capacity)


def _needs(planned: Plan, capacity: Capacity) -> list[str]:
    from prunescope.analysis.formats import gigabytes, span
    from prunescope.sweep.planning import free_disk

    if not planned.todo:
        return ["nothing to do"]
    slots = capacity.slots(planned)
    estimates = [run.estimate for run in planned.todo if run.estimate]
    largest, free = gigabytes(planned.memory_bytes), gigabytes(free_disk(planned.out.absolute()))
    preparing = f", {span(planned.preparing)} of it for preparing images once" if planned.preparing else ""
    lines = [
        f"at once  {_many(slots, 'run')}",
        f"time     about {span(planned.seconds(slots))}{preparing}",
        f"memory   about {largest} the largest run, {gigabytes(capacity.memory)} available",
        f"disk     about {gigabytes(planned.disk_bytes, 2)}, {free} free",
    ]
    lines += _on_cards(planned, slots)
    if planned.memory_bytes > capacity.memory:
        lines.append("memory   too little for the largest run by its estimate: it will run alone")
    ends = dict.fromkeys(estimate.ends for estimate in estimates if estimate.ends)
    lines += [f"time     less where a run ends because {text}" for text in ends]
    assumed = dict.fromkeys(text for estimate in estimates for text in estimate.assumed)
    return lines + [f"assumed  {text}" for text in assumed]


def _on_cards(planned: Plan, slots: int) -> list[str]:
    """Return what the largest run takes of a device's memory, and as many of them as share one."""
    from prunescope.analysis.formats import gigabytes
    from prunescope.sweep.run_shares import runs_a_card

    found = [(run, run.estimate.device) for run in planned.todo if run.estimate and run.estimate.device]
    if not found:
        return []
    run, largest = max(found, key=lambda pair: pair[1].needed.whole)
    needed, shared = largest.needed.whole, runs_a_card(run.job.experiment, slots)
    line = f"device   about {gigabytes(needed)} of {largest.card} the largest run, {gigabytes(largest.free)} free"
    lines = [line]
    if shared > 1:
        lines.append(f"device   {shared} runs share one and take turns: {gigabytes(shared * needed)}")
    if shared * largest.needed.least > largest.free:
        lines.append("device   too little for so many: raise run.gpus, or the last ones may fail")
    elif shared * needed > largest.free:
        lines.append("device   images that do not fit stay on the host: the runs may wait for them")
    return lines


def _state(run: PlannedRun) -> str:
    reached = run.status not in ("new", "done") and run.levels
    return f"{run.status}, {_many(run.levels, 'level')}" if reached else run.status


def _each(runs: list[PlannedRun]) -> str:
    """Return the time of a whole run, where one is left to do."""
    from prunescope.analysis.formats import span

    estimate = next((run.estimate for run in runs if run.estimate), None)
    return f", about {span(estimate.seconds)} each" if estimate else ""


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
