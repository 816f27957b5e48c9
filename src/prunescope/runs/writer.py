"""Writers create and change run directories, one process at a time, and each file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.errors import CORRECTABLE, FULL, InputError, described
from prunescope.experiment import Experiment, load
from prunescope.files import append_text, remove_leftovers, write_bytes, write_text
from prunescope.locks import Locked, held
from prunescope.model import WEIGHT_MASK, Arrays, Model, Ticket
from prunescope.network.network_input import NetworkInput
from prunescope.runs import stored_input
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.checkpoint import Checkpoint, read_checkpoint
from prunescope.runs.directory import LOCK, Run, sha256
from prunescope.runs.packed_weights import packed
from prunescope.runs.record import SEEDS
from prunescope.runs.same_data import Fingerprints, same_place

if TYPE_CHECKING:
    import polars

# The errors that mean a wrong choice of folder; others, such as a full disk, are raised as they are.
UNWRITABLE = CORRECTABLE - FULL - {errno.EIO}


class RunWriter(Run):
    """A run directory, for the one process that may write it; open_run makes it."""

    packs_weights = False  # whether the weights of levels are stored packed (runs.packed_weights)

    def write_about(self, **changes: Any) -> None:
        """Write these entries into run.json and keep the others."""
        write_text(self.path / "run.json", json.dumps(self.about | changes, indent=2) + "\n")

    def write_level(self, level: int, ticket: Ticket, model: Model, observed: Arrays) -> None:
        """Write the files of a level; it counts as finished only once write_table has written its rows."""
        folder = self.level_path(level)
        folder.mkdir(exist_ok=True)
        shapes = {
            WEIGHT_MASK.format(n): f"{n_out}x{n_in}" for n, (n_out, n_in) in enumerate(ticket.shapes, 1)
        }
        whose = self.owner.at(level).metadata
        write_arrays(folder / "masks.safetensors", ticket.to_arrays(), shapes | whose)
        weights = packed(model.to_arrays()) if self.packs_weights else (model.to_arrays(), {})
        write_arrays(folder / "weights.safetensors", weights[0], weights[1] | whose)
        write_arrays(folder / "observations.safetensors", observed, whose)

    def write_input(self, pixels: NetworkInput) -> None:
        """Write what turns pixels into the networks' input, unless it is there."""
        path = self.path / stored_input.FILE
        if not path.exists():
            arrays, notes = stored_input.packed_input(pixels)
            write_arrays(path, arrays, notes | self.owner.metadata)

    def write_table(self, rows: list[dict[str, Any]], schema: dict[str, type[polars.DataType]]) -> None:
        """Write levels.parquet with the rows of all finished levels; ``schema`` has the polars type of each column."""
        import polars

        path, buffer = self.path / "levels.parquet", io.BytesIO()
        polars.DataFrame(rows, schema=schema).write_parquet(buffer)
        # Both checksums are valid until the new table is in place, so that a crash in between does no harm.
        before = [sha256(path.read_bytes())] if path.is_file() else []
        self.write_about(tables=[sha256(buffer.getvalue()), *before])
        write_bytes(path, buffer.getvalue())

    def write_rewind(self, model: Model) -> None:
        """Write the parameters that levels rewind to."""
        write_arrays(self.path / "rewind.safetensors", model.to_arrays(), self.owner.metadata)

    def write_checkpoint(self, level: int, checkpoint: Checkpoint) -> None:
        """Write the state inside a level, in place of an earlier one."""
        write_arrays(
            self.path / "checkpoint.safetensors", checkpoint.to_arrays(), self.owner.at(level).metadata
        )

    def read_checkpoint(self, level: int) -> Checkpoint | None:
        """Read the state inside ``level``; None when there is none. Raises InputError when it is damaged."""
        path = self.path / "checkpoint.safetensors"
        if not path.exists():
            return None
        try:
            arrays, notes = read_arrays(path)
            if notes.get("level") != str(level):
                return None
            if not self.owner.at(level).owns(path, notes):
                self._say_unowned()
            return read_checkpoint(path, arrays, level, self._sizes)
        except InputError as error:
            raise InputError(f"{error}; delete it to start level {level} again") from None

    @property
    def has_training(self) -> bool:
        """Whether something that was trained is stored: a level, or the state inside one."""
        return bool(self.levels) or (self.path / "checkpoint.safetensors").exists()

    def drop_checkpoint(self) -> None:
        """Delete the state inside a level."""
        (self.path / "checkpoint.safetensors").unlink(missing_ok=True)

    def append_metrics(self, entry: dict[str, Any]) -> None:
        """Append one evaluation to metrics.jsonl."""
        owner = self.owner
        line = json.dumps(entry | {"identity": owner.identity, "seed": owner.seed})
        append_text(self.path / "metrics.jsonl", line + "\n")

    def truncate_metrics(self, level: int, step: int) -> None:
        """Delete the evaluations after ``step`` of ``level``, which a resumed level makes again."""
        path = self.path / "metrics.jsonl"
        if path.exists():
            ahead = (
                line
                for line in self._metrics_lines()
                if (line.entry["level"], line.entry["step"]) <= (level, step)
            )
            write_text(path, "".join(f"{line.text}\n" for line in ahead))


def run_path(experiment: Experiment, seed: int, out: str | Path) -> Path:
    """Return the path ``<out>/<name>-<identity>/seed-<N>``; raise InputError unless the seed is whole, 0 or more, of 64 bits."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise InputError(f"seed is {seed!a}; it must be a whole number of at least 0")
    if seed < 0:
        raise InputError(f"seed is {seed}; it must be 0 or more")
    if seed >= SEEDS:  # Tables hold seeds as numbers of 64 bits.
        raise InputError(f"seed is {seed:.3g}; it must be at most {SEEDS - 1}")
    return Path(out) / f"{experiment.name}-{experiment.identity}" / f"seed-{seed}"


def as_stored(
    experiment: Experiment, seed: int, out: str | Path, fingerprints: Fingerprints | None = None
) -> Experiment:
    """Return the experiment under the name of its run directory in ``out``, which an earlier version may have begun.

    Versions before 0.2 did not put the name of the data set into that of the directory. Such a directory is taken when its
    data set has the same place or the same name, or the same fingerprint. ``fingerprints`` opens the data for that, and
    only where such a directory is there; without it no data are opened. What is returned is found unchanged again.
    """
    earlier = experiment.earlier_name
    if earlier is None or (run_path(experiment, seed, out) / "run.json").is_file():
        return experiment
    renamed = experiment.model_copy(update={"name": earlier})
    path = run_path(renamed, seed, out)
    if not (path / "run.json").is_file() or not (path / "experiment.toml").is_file():
        return experiment
    run = Run(path)
    stored = run.experiment.data
    alike = stored.set_name == experiment.data.set_name or same_place(stored, experiment.data)
    if not alike and fingerprints is not None and (known := run.data.get("fingerprint")):
        alike = known == fingerprints.of(experiment.data, seed)
    return renamed if alike else experiment


@contextlib.contextmanager
def open_run(experiment: Experiment, seed: int, out: str | Path) -> Iterator[RunWriter]:
    """Create or reopen a run directory and hold its lock inside the ``with`` block.

    Raises InputError when another process holds the lock, when the directory is of another experiment or seed, and
    when it cannot be written. An InputError inside the block, before anything was trained, removes a new directory, and so
    does whatever else ends the block before the data are opened. What ends it later is the run's status: interrupted, or
    failed.
    """
    path = run_path(experiment, seed, out)
    with contextlib.ExitStack() as lock:
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock.enter_context(held(path / LOCK))
        except Locked:
            raise InputError(
                f"{path}: another process is running this; wait for it or choose another seed"
            ) from None
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            other = "another name or data.name" if error.errno == errno.ENAMETOOLONG else "another --out"
            raise InputError(f"{path}: cannot write there ({error.strerror}); choose {other}") from None
        remove_leftovers(path)
        fresh = not (path / "run.json").is_file()
        try:
            yield _opened(path, experiment, seed)
        except BaseException as error:
            with contextlib.suppress(
                OSError, InputError
            ):  # On a full disk the status cannot be written either.
                if fresh and (isinstance(error, InputError) or not _has_data(path)):
                    _forget(path, Path(out))
                elif not isinstance(error, InputError):
                    _end(RunWriter(path), error)
            raise


def _has_data(path: Path) -> bool:
    """Return whether the run has opened its data."""
    return (path / "run.json").is_file() and bool(Run(path).data)


def _end(run: RunWriter, error: BaseException) -> None:
    """Write what ended a run into its status, where that still says that it is running."""
    if run.status == "running" and isinstance(error, KeyboardInterrupt):
        run.write_about(status="interrupted")
    elif run.status == "running":
        run.write_about(status="failed", error=described(error) if isinstance(error, OSError) else str(error))


def _forget(path: Path, out: Path) -> None:
    """Remove a run directory that holds nothing but its description, and folders left empty below ``out``."""
    description = {"experiment.toml", "run.json", LOCK}
    if {entry.name for entry in path.iterdir()} <= description:
        for name in description:
            (path / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Folders with other seeds or runs are not empty and stay.
            while path != out:
                path.rmdir()
                path = path.parent


def _opened(path: Path, experiment: Experiment, seed: int) -> RunWriter:
    if not (path / "run.json").is_file():
        write_text(path / "experiment.toml", experiment.to_toml())
        about = {"name": experiment.name, "identity": experiment.identity, "seed": seed, "status": "running"}
        write_text(path / "run.json", json.dumps(about, indent=2) + "\n")
    run = RunWriter(path)
    check_same(run, experiment, seed)
    return run


def check_same(run: Run, experiment: Experiment, seed: int) -> None:
    """Raise InputError where a run directory is of another experiment or seed."""
    stored = load(run.path / "experiment.toml")
    if stored.identity != experiment.identity or run.seed != seed:
        raise InputError(
            f"{run.path}: holds another run (identity {stored.identity}, seed {run.seed}); this one is "
            f"identity {experiment.identity}, seed {seed}: choose another --out"
        )
    _ = run.experiment  # This raises where run.json is another experiment's.
