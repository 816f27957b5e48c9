"""The driver executes one experiment with one seed: it trains, measures and stores the levels of a procedure."""

from __future__ import annotations

import contextlib
import platform
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError, damaged, described
from prunescope.experiment import Experiment
from prunescope.model import layer_sizes
from prunescope.runs.checkpoint import Checkpoint
from prunescope.runs.device_memory import check_device_fits, on_device
from prunescope.runs.directory import Run, is_done
from prunescope.runs.packed_weights import is_packed
from prunescope.runs.reporting import Reporter, silent
from prunescope.runs.resource_checks import check_fits, check_space, weights_of
from prunescope.runs.same_data import check_inputs
from prunescope.runs.writer import RunWriter, check_same, open_run, run_path
from prunescope.signals import raise_stopped, receiving, stop_signals
from prunescope.training.levels import ExplainedProcedure, Level, Outcome, Setting, UpdateRule
from prunescope.training.loop import Callbacks, Evaluation, Progress, train_level

if TYPE_CHECKING:
    from prunescope.data import Dataset
    from prunescope.training.engine import Engine


class Interrupted(KeyboardInterrupt):
    """Raised when a signal has stopped the run and everything is saved."""


@dataclass(frozen=True)
class Method:
    """A pruning method, as the driver needs it.

    ``procedure`` yields the levels. ``update_rule`` says which weights a step changes (training.levels.UpdateRule).
    ``about`` describes the method in run.json, so that the run can be shown where the method is not installed.
    ``inputs`` has the digests of what the method reads beside the images, by the field that names it.
    """

    procedure: Callable[[Setting], ExplainedProcedure]
    update_rule: UpdateRule = "kept"
    about: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


def drive(
    experiment: Experiment, method: Method, seed: int, out: str | Path, reporter: Reporter = silent
) -> Run:
    """Train the levels of ``method`` with one seed, store them below ``out`` and return the run.

    A finished run is returned as it is, once its data are known to be the same, and an interrupted one goes on from its
    last checkpoint. ``prunescope.pruning.running.run`` calls this with the method that the experiment names. Raises InputError for
    wrong input and for a directory in use, and Interrupted after Ctrl-C, SIGTERM or SIGHUP, when everything is saved.
    """
    path = run_path(experiment, seed, out)
    if is_done(path):  # It is only read, also from where nothing may be written.
        finished = Run(path)
        check_same(finished, experiment, seed)
        check_inputs(finished, method.inputs)
        _checked_data(finished, experiment, reporter)
        return finished
    with open_run(experiment, seed, out) as directory:
        check_inputs(directory, method.inputs)
        driver = _Driver(experiment, method, seed, directory, reporter)
        if directory.status == "done":  # Another process has just finished it.
            driver.open_data()
        else:
            driver.run()
        return Run(directory.path)


def _checked_data(run: Run, experiment: Experiment, reporter: Reporter) -> tuple[Dataset, dict[str, Any]]:
    """Open a run's data; return them and their description. Raises InputError where the run was begun with others."""
    from prunescope.data import open_dataset
    from prunescope.runs.same_data import check, described

    dataset = open_dataset(experiment.data, run.seed, progress=reporter.preparing, split_rule=run.split_rule)
    found = described(dataset)
    check(run, found)
    for note in dataset.notes:
        reporter.note(note)
    return dataset, found


@dataclass
class _Driver:
    """Executes the levels of a procedure in their order; stored levels are read and not trained again."""

    experiment: Experiment
    method: Method
    seed: int
    directory: RunWriter
    reporter: Reporter
    rows: list[dict[str, Any]] = field(default_factory=list)
    device: str = "cpu"

    def run(self) -> None:
        from prunescope.training import check_place, engine_note, make_engine

        check_place(self.experiment)
        check_fits(self.experiment)
        dataset = self.open_data()  # before torch is imported, which takes longer than to refuse wrong data
        sizes = layer_sizes(len(dataset.mean), self.experiment.network.hidden, len(dataset.classes))
        check_fits(self.experiment, sizes)
        check_space(self.experiment, sizes, self.directory.path)
        if on_device(self.experiment):
            check_device_fits(self.experiment, sizes)
        self.directory.packs_weights = is_packed(self.experiment.run.weights, weights_of(sizes))
        import torch

        from prunescope.training.torch.device import device_errors, device_name

        place = self.experiment.run.device
        self.device = device_name(place)
        before = self._moved_from()
        self._pin_threads(torch)
        if before is None:
            self._pin_engine()
        rule = self.method.update_rule
        with device_errors(place):
            engine = make_engine(self.experiment, dataset.mean, dataset.live_pixels, rule)
        setting = Setting(self.experiment, sizes, self.seed, dataset)
        procedure = self.method.procedure(setting)

        finished = set(self.directory.levels)
        self.rows = self.directory.table.to_dicts() if finished else []
        self.directory.write_about(status="running", **self._places(engine.name), **_versions(torch, place))
        note = engine_note(self.experiment, rule)
        self.directory.write_about(engine=engine.name, engine_note=note, method=dict(self.method.about))
        if self.method.inputs:
            self.directory.write_about(inputs=dict(self.method.inputs))
        self.reporter.started(self.directory.path, self.experiment, self.rows, note)
        if before is not None:
            self.reporter.note(
                f"was trained on {before} so far, and from here on {self.device}: its numbers agree within rounding, not to the bit"
            )
        try:
            with device_errors(place):
                ended = self._train_levels(procedure, setting, engine, finished)
        except (Interrupted, KeyboardInterrupt):
            self.directory.write_about(status="interrupted")
            raise
        except BaseException as error:
            with contextlib.suppress(OSError):  # On a full disk the status cannot be written either.
                said = described(error) if isinstance(error, OSError) else str(error)
                self.directory.write_about(status="failed", error=said)
            raise
        self.directory.drop_checkpoint()
        self.directory.write_about(status="done", error=None, ended=ended)
        if ended is not None:
            self.reporter.note(f"ended: {ended}")
        self.reporter.finished(self.directory.path, self.rows)

    def _train_levels(
        self, procedure: ExplainedProcedure, setting: Setting, engine: Engine, finished: set[int]
    ) -> str | None:
        """Train the levels of the procedure that are not finished; return why it ended, None where it went to its end."""
        try:
            level = next(procedure)
            while True:
                stored = level.number in finished
                outcome = self._stored(level) if stored else self._trained(level, setting, engine)
                before, level = level, procedure.send(outcome)
                if level.dynamics is None and level.ticket == outcome.ticket:
                    self.reporter.note(f"level {level.number}: its masks are those of level {before.number}")
        except StopIteration as end:
            reason: str | None = end.value
            return reason

    def open_data(self) -> Dataset:
        """Open the run's data and return them; raise InputError where they are not those that it was begun with."""
        dataset, found = _checked_data(self.directory, self.experiment, self.reporter)
        if self.directory.status != "done":
            self.directory.write_about(data=self.directory.data | found)
        return dataset

    def _stored(self, level: Level) -> Outcome:
        ticket = self.directory.ticket(level.number)
        if level.dynamics is None and ticket != level.ticket:
            raise InputError(
                f"{self.directory.level_path(level.number)}: its masks do not follow from the level before; "
                "the directory was changed since: run into another --out"
            )
        kept = self.directory.read_rewind() if level.keep_at is not None else None
        best = next(row["best_val_accuracy"] for row in self.rows if row["level"] == level.number)
        return Outcome(self.directory.model(level.number), kept, ticket, best)

    def _trained(self, level: Level, setting: Setting, engine: Engine) -> Outcome:
        from prunescope.runs.columns import LevelEnd, schema
        from prunescope.runs.level_measurements import level_observations, level_rows
        from prunescope.runs.stored_input import input_of_dataset

        dataset, saved = setting.dataset, self._saved(level)
        assert dataset is not None
        began, before = time.monotonic(), saved.seconds if saved else 0.0
        with _signals_wait() as stop_asked:
            keeper = _Checkpoints(self, level, engine, stop_asked, began - before)
            self.reporter.level_started(level, saved.progress.step if saved else 0, dataset.shape)
            trained = train_level(
                engine,
                level,
                setting,
                resume=(saved.progress, saved.engine) if saved else None,
                callbacks=Callbacks(on_evaluation=self._evaluated, between_steps=keeper),
            )
        if stop_asked():  # A stop after the last step loses nothing, because that step was saved.
            raise Interrupted
        if trained.kept is not None:
            self.directory.write_rewind(trained.kept)
        self.directory.write_input(input_of_dataset(dataset))
        observed = level_observations(level, trained, setting, engine)
        seconds = time.monotonic() - began + before
        end = LevelEnd(
            level=level,
            trained=trained,
            dataset=dataset,
            observed=observed,
            seconds=seconds,
            engine=engine.name,
            device=self.device,
        )
        # Files are written while the columns are measured; the level counts once the table has its rows.
        with ThreadPoolExecutor(1) as beside:
            written = beside.submit(
                self.directory.write_level, level.number, trained.ticket, trained.model, observed
            )
            self.rows += level_rows(end)
            written.result()
        self.directory.write_table(self.rows, schema())
        self.directory.drop_checkpoint()
        self.reporter.level_finished(self.rows)
        if not trained.ticket.live_inputs(dataset.live_pixels)[-1].any():
            self.reporter.note(
                f"level {level.number}: no path of kept weights leads from the images to the output, "
                "which is the same for every image"
            )
        return Outcome(trained.model, trained.kept, trained.ticket, trained.best)

    def _saved(self, level: Level) -> Checkpoint | None:
        saved = self.directory.read_checkpoint(level.number)
        self.directory.truncate_metrics(level.number, saved.progress.step if saved else 0)
        return saved

    def _evaluated(self, evaluation: Evaluation) -> None:
        self.directory.append_metrics(
            {
                "level": evaluation.level,
                "step": evaluation.step,
                "train_loss": evaluation.train_loss,
                "val_loss": evaluation.val.loss / evaluation.val.images,
                "val_accuracy": evaluation.val.accuracy,
                "val_top5": evaluation.val.correct5 / evaluation.val.images,
            }
        )
        self.reporter.evaluated(evaluation)

    def _pin_threads(self, torch: ModuleType) -> None:
        # The number of threads decides the order of float sums, so that a resumed run keeps that of its start.
        asked = self.experiment.run.threads
        threads = asked or self.directory.record.threads or torch.get_num_threads()
        torch.set_num_threads(threads)
        self.directory.write_about(threads=threads)

    def _moved_from(self) -> str | None:
        """Return the device that has trained the run so far; None where that is this one, or none has."""
        if not self.directory.has_training:
            return None
        if known := self.directory.record.devices:
            return known[-1] if known[-1] != self.device else None
        # Versions before 0.2 kept only what run.device was at first, which does not say which card it was.
        stored, here = (one.run.device for one in (self.directory.experiment, self.experiment))
        return stored if stored.partition(":")[0] != here.partition(":")[0] else None

    def _places(self, engine: str) -> dict[str, list[str]]:
        """Return the engines and the devices that have trained the run, those of now at the end."""
        record, before = self.directory.record, self._moved_from()
        engines = record.engines or ([record.engine] if record.engine else [])
        devices = record.devices or ([before] if before else [])
        if not self.directory.has_training:
            engines, devices = [], []
        return {
            name: known if known[-1:] == [now] else [*known, now]
            for name, known, now in (("engines", engines, engine), ("devices", devices, self.device))
        }

    def _pin_engine(self) -> None:
        # Engines agree only within rounding, so that a resumed run keeps that of its start unless told otherwise. On another
        # device its bits are others all the same, and its engine may not be there.
        place = self.experiment.run
        stored = self.directory.record.engine
        if place.engine == "auto" and stored:
            if stored not in ("torch", "native"):
                raise damaged(self.directory.path / "run.json", f"engine is {stored[:40]!a}: torch or native")
            pinned = place.model_copy(update={"engine": stored})
            self.experiment = self.experiment.model_copy(update={"run": pinned})


@dataclass
class _Checkpoints:
    """Writes checkpoints between blocks of steps, by the clock, and stops the run when asked, once all is saved."""

    driver: _Driver
    level: Level
    engine: Engine
    stop_asked: Callable[[], bool]
    began: float

    def __post_init__(self) -> None:
        self.saved = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        stop = self.stop_asked()
        # The last step of a level is saved too, so that a stop while the level is measured loses no training.
        due = now - self.saved >= self.driver.experiment.run.checkpoint_seconds
        if stop or due or progress.ended or progress.step == self.level.steps:
            checkpoint = Checkpoint(progress, self.engine.state(), now - self.began)
            self.driver.directory.write_checkpoint(self.level.number, checkpoint)
            self.saved = time.monotonic()
        self.driver.reporter.stepped(self.level, progress.step)
        if stop:
            raise Interrupted


@contextlib.contextmanager
def _signals_wait() -> Iterator[Callable[[], bool]]:
    """Let the first SIGINT, SIGTERM or SIGHUP wait for the end of a block of steps; a second one acts at once.

    Outside the main thread, as in a notebook's worker, signals keep their handlers. SIGHUP stays ignored under nohup.
    """
    asked, numbers = False, stop_signals()

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for name in numbers:
            signal.signal(name, raise_stopped)

    with receiving(ask, numbers):
        yield lambda: asked


def _versions(torch: ModuleType, device: str) -> dict[str, Any]:
    """Return what run.json says of the packages, and of the machine and its ``device``."""
    from importlib.metadata import version

    from prunescope.training.torch.device import device_name, driver_versions

    card = device_name(device)
    return {
        "versions": {
            "prunescope": version("prunescope"),
            "torch": torch.__version__,
            "python": platform.python_version(),
            **driver_versions(device),
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            **({"device": card} if card != "cpu" else {}),
        },
    }
