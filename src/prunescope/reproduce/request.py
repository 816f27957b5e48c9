"""Reproduce figures: run the experiments that they need and that are missing, then draw them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError
from prunescope.experiment import Experiment, load
from prunescope.reproduce.images import overrides_for
from prunescope.reproduce.recipes import MINIATURE, SEEDS, RequiredExperiment, recipe

if TYPE_CHECKING:
    from prunescope.runs.directory import Run
    from prunescope.sweep import Job, Plan
    from prunescope.sweep.status import SweepReporter

ALL = "all"
PAGE = "miniature.html"


@dataclass(frozen=True)
class Request:
    """A request to reproduce figures: which ones, at what scale, on what images and into which folders.

    ``figures``: names of figures, or "all". ``data``: values of --data. ``out``: the folder of the runs.
    ``drawn``: the folder of the figures. ``seeds``: the number of seeds of each experiment, in place of the
    recipe's. ``overrides``: KEY=VALUE fields of every experiment. Raises InputError for an unknown scale,
    fewer than one seed, or no figure.
    """

    figures: tuple[str, ...]
    scale: str = "laptop"
    data: tuple[str, ...] = ()
    out: Path = Path("runs")
    drawn: Path = Path("figures")
    seeds: int | None = None
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        from prunescope.experiment.scale import find_scale

        find_scale(self.scale)
        if self.seeds is not None and self.seeds < 1:
            raise InputError(f"--seeds is {self.seeds}; it must be 1 or more")
        if not self.figures:
            raise InputError("no figure given: as in prunescope reproduce 1a, or reproduce all")

    @property
    def miniature(self) -> bool:
        """Whether the request is for the paper in miniature: one page in place of figures."""
        return self.figures == (ALL,) and self.scale == "mini"

    @property
    def wanted(self) -> list[str]:
        """The names of the figures asked for, each once."""
        from prunescope.figures import FIGURES

        return list(dict.fromkeys(FIGURES if ALL in self.figures else self.figures))

    def experiment(self, need: RequiredExperiment) -> Experiment:
        """Return the experiment ``need`` at the request's scale and on its images."""
        images = overrides_for(load(need.preset), self.data, self.scale)
        return load(need.preset, [f"scale={self.scale}", *images, *need.overrides, *self.overrides])

    def jobs(self, needs: Iterable[RequiredExperiment]) -> list[Job]:
        """Return one job for each experiment of ``needs`` and each of its seeds."""
        return [job for need in needs for job in self._seeds(need)]

    def _seeds(self, need: RequiredExperiment) -> list[Job]:
        from prunescope.sweep import Job

        usual = SEEDS[self.scale] if need.several or self.miniature else 1
        experiment = self.experiment(need)
        return [Job(experiment, seed) for seed in range(self.seeds or usual)]


@dataclass(frozen=True)
class Reproduced:
    """The outcome of a reproduction: the files written, the failed runs and the figures not drawn.

    ``written``: the page and its table, or the figures in their order. ``failed``: the error of each failed
    run, by its directory. ``undrawn``: the reason, by figure.
    """

    written: tuple[Path, ...]
    failed: dict[Path, str]
    undrawn: dict[str, str] = field(default_factory=dict)


def needed(request: Request) -> list[Job]:
    """Return every job of the request, each experiment and seed once, in the order they are asked for."""
    if request.miniature:
        jobs = request.jobs(MINIATURE.values())
    else:
        jobs = [job for figure in request.wanted for job in request.jobs(recipe(figure))]
    found: dict[tuple[str, int], Job] = {}
    for job in jobs:
        found.setdefault(_key(job), job)
    return list(found.values())


def missing(request: Request) -> list[Job]:
    """Return the jobs of the request without a finished run directory under another name."""
    found = _finished(request.out)
    return [job for job in needed(request) if found.get(_key(job)) in (None, job.path(request.out))]


def planned(request: Request) -> Plan:
    """Plan the missing runs of the request: which are done, which are to be run, and what they will cost."""
    from prunescope.sweep import plan

    return plan(missing(request), request.out)


def reproduce(
    request: Request, *, at_once: int | None = None, reporter: SweepReporter | None = None
) -> Reproduced:
    """Run what is missing and draw what can be drawn.

    Finished runs below ``request.out`` are used whatever their directories are called. ``at_once``: the
    number of runs at a time, by default as many as the machine's cores and memory allow. Raises InputError
    for wrong input, Interrupted after Ctrl-C.
    """
    from prunescope.sweep import ExecutionOptions, execute
    from prunescope.sweep.status import silent

    options = ExecutionOptions(at_once)
    failed = execute(missing(request), request.out, options, reporter or silent).failed
    if request.miniature:
        from prunescope.reproduce.page.writing import write_page

        kinds = {kind: stored(request, request.jobs([need])) for kind, need in MINIATURE.items()}
        return Reproduced(tuple(write_page(kinds, request.out / PAGE)), failed)
    written: list[Path] = []
    undrawn: dict[str, str] = {}
    for figure in request.wanted:
        try:
            written += _drawn(request, figure)
        except InputError as error:  # the other figures can still be drawn
            undrawn[figure] = str(error)
    return Reproduced(tuple(written), failed, undrawn)


def _drawn(request: Request, figure: str) -> list[Path]:
    from prunescope.figures import draw

    jobs = request.jobs(recipe(figure))
    runs = stored(request, jobs)
    if len(runs) < len(jobs):
        raise InputError("a run that it needs is not done")
    return draw(figure, runs, request.drawn)


def stored(request: Request, jobs: Sequence[Job]) -> list[Run]:
    """Return the finished runs of ``jobs`` below ``request.out``, whatever their directories are called."""
    from prunescope.runs.directory import Run

    found = _finished(request.out)
    return [Run(found[_key(job)]) for job in jobs if _key(job) in found]


def _key(job: Job) -> tuple[str, int]:
    return job.experiment.identity, job.seed


def _finished(out: Path) -> dict[tuple[str, int], Path]:
    """Map identity and seed to the directory of each finished run below a folder."""
    from prunescope.runs.directory import Run

    found = {}
    for folder, folders, files in os.walk(out):
        if "run.json" in files:
            folders.clear()  # a run directory holds no other runs
            with contextlib.suppress(InputError):  # a damaged run is not a finished one
                run = Run(folder)
                if run.status == "done":
                    found[str(run.about["identity"]), run.seed] = run.path
        folders.sort()
    return found
