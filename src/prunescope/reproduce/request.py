"""Reproduce figures: run the experiments that they need and that are missing, then draw them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError
from prunescope.experiment import Experiment, load
from prunescope.experiment.following import OWN_IMAGES
from prunescope.experiment.loading import to_stderr
from prunescope.files import check_file, check_folder
from prunescope.reproduce.images import overrides_for
from prunescope.reproduce.recipes import MINIATURE, RUN_AT, SEEDS, RequiredExperiment, recipe

if TYPE_CHECKING:
    from prunescope.experiment import Data
    from prunescope.runs.directory import Run
    from prunescope.sweep import Job, Plan
    from prunescope.sweep.status import SweepReporter

ALL = "all"
PAGE = "miniature.html"


@cache
def _say_once(note: str) -> None:
    to_stderr(note)


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
        return self.figures == (ALL,) and self.run_at == "miniature"

    @property
    def run_at(self) -> str:
        """The scale of the experiments, which at mini is the miniature's."""
        return RUN_AT.get(self.scale, self.scale)

    @property
    def wanted(self) -> list[str]:
        """The names of the figures asked for, each once."""
        from prunescope.figures import FIGURES

        return list(dict.fromkeys(FIGURES if ALL in self.figures else self.figures))

    def experiment(self, need: RequiredExperiment) -> Experiment:
        """Return the experiment ``need`` at the request's scale and on its images."""
        images = overrides_for(load(need.preset), self.data, self.scale)
        words = [f"scale={self.run_at}", *images, *need.overrides, *self.overrides]
        return load(need.preset, words, _say_once)

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
    found: dict[tuple[str, int, str], Job] = {}
    for job in jobs:
        found.setdefault(job.key, job)
    return list(found.values())


def missing(request: Request) -> list[Job]:
    """Return the jobs of the request without a finished run directory under another name.

    One in the directory of the job's own name is compared with its data when the job is executed, so that it is left out
    where no data are given.
    """
    found, wanted = FinishedRuns(request.out), []
    for job in needed(request):
        run, data = found.of(job), job.experiment.data
        given = bool(data.root) or data.source in OWN_IMAGES
        if run is None or (given and run.path == job.path(request.out)):
            wanted.append(job)
    return wanted


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
    # Before the runs, which take their time.
    if request.miniature:
        check_file(request.out / PAGE, "--out")
    else:
        check_folder(request.drawn, "--figures")
    failed = execute(missing(request), request.out, options, reporter or silent).failed
    if request.miniature:
        from prunescope.reproduce.page.writing import write_page

        found = FinishedRuns(request.out)
        kinds = {kind: found.of_all(request.jobs([need])) for kind, need in MINIATURE.items()}
        return Reproduced(tuple(write_page(kinds, request.out / PAGE)), failed)
    found = FinishedRuns(request.out)
    written: list[Path] = []
    undrawn: dict[str, str] = {}
    for figure in request.wanted:
        try:
            written += _drawn(request, figure, found)
        except InputError as error:  # the other figures can still be drawn
            undrawn[figure] = str(error)
    return Reproduced(tuple(written), failed, undrawn)


def _drawn(request: Request, figure: str, found: FinishedRuns) -> list[Path]:
    from prunescope.figures import draw

    jobs = request.jobs(recipe(figure))
    runs = found.of_all(jobs)
    if len(runs) < len(jobs):
        raise InputError("a run that it needs is not done")
    return draw(figure, runs, request.drawn)


def stored(request: Request, jobs: Sequence[Job]) -> list[Run]:
    """Return the finished runs of ``jobs`` below ``request.out``, whatever their directories are called."""
    return FinishedRuns(request.out).of_all(jobs)


_say = cache(to_stderr)  # A line is printed once, however often it is said.


class FinishedRuns:
    """The finished runs below a folder, whatever their directories are called.

    A job whose ``data.root`` is given gets a run of the same images only, so that its data are opened. Other jobs need no
    data: they get the runs of the set that ``data.name`` names, else of the only one there is.
    """

    def __init__(self, out: Path) -> None:
        """Read the descriptions of all runs below ``out``; damaged ones are named on stderr and not finished."""
        from prunescope.runs.directory import Run
        from prunescope.runs.same_data import Fingerprints

        self._found: dict[tuple[str, int], list[Run]] = {}
        self._fingerprints = Fingerprints()
        self._first: dict[Data, Run] = {}
        for folder, folders, files in os.walk(out):
            if "run.json" in files:
                folders.clear()  # a run directory holds no other runs
                try:
                    run = Run(folder)
                    run.check()
                except InputError as error:
                    _say(f"{error}; left out")
                    continue
                if run.status == "done":
                    self._found.setdefault((run.record.identity, run.seed), []).append(run)
            folders.sort()

    def of(self, job: Job) -> Run | None:
        """Return the finished run of ``job``, None where there is none.

        Raises InputError for a ``data.root`` that cannot be opened, and for runs of several data sets where none is given.
        """
        data = job.experiment.data
        runs = self._found.get((job.experiment.identity, job.seed), [])
        if not runs:
            return None
        if data.root:
            wanted = self._fingerprints.of(data, job.seed)
            return next((run for run in runs if run.data.get("fingerprint") == wanted), None)
        if data.name:
            runs = [run for run in runs if run.experiment.data.set_name == data.name]
        for run in runs:
            first = self._first.setdefault(data, run)  # That of other seeds and experiments too.
            if run.data.get("fingerprint") != first.data.get("fingerprint"):
                raise InputError(
                    f"{first.path} and {run.path} are of different images: say by --data FOLDER or data.name=NAME which "
                    "are meant"
                )
        return runs[0] if runs else None

    def of_all(self, jobs: Iterable[Job]) -> list[Run]:
        """Return the finished runs of those ``jobs`` that have one."""
        return [run for run in map(self.of, jobs) if run is not None]
