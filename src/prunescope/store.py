"""Run directories: what one experiment with one seed leaves on disk. Atomic, checked, resumable."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.arrays_file import read_arrays, replacing, sweep, write_arrays, write_text
from prunescope.errors import InputError
from prunescope.experiment import Experiment, load
from prunescope.mask import ImageShape, Mask
from prunescope.model import Arrays, Model, Ticket

if TYPE_CHECKING:
    import polars


ABOUT = {"name", "identity", "seed", "status"}
# what says that a folder was chosen wrongly, unlike a full disk
UNWRITABLE = {getattr(errno, name) for name in ("EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOENT")}


class Run:
    """A run directory, for reading. Everything a figure or a report may know of a run."""

    def __init__(self, path: str | Path) -> None:
        """Raises InputError when ``path`` holds no run."""
        self.path = Path(path)
        if not (self.path / "experiment.toml").is_file() or not (self.path / "run.json").is_file():
            raise InputError(f"{self.path}: not a run directory (no experiment.toml and run.json)")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @cached_property
    def experiment(self) -> Experiment:
        """The resolved experiment."""
        return load(self.path / "experiment.toml")

    @property
    def about(self) -> dict[str, Any]:
        """run.json: status, seed, versions, machine, timings, data."""
        try:
            about: dict[str, Any] = json.loads((self.path / "run.json").read_text("utf-8"))
        except ValueError:
            raise InputError(f"{self.path / 'run.json'}: damaged (not JSON)") from None
        if not isinstance(about, dict) or not about.keys() >= ABOUT:
            raise InputError(f"{self.path / 'run.json'}: damaged (needs {', '.join(sorted(ABOUT))})")
        return about

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.about["seed"])

    @property
    def status(self) -> str:
        """running, interrupted, failed or done."""
        return str(self.about["status"])

    @property
    def shape(self) -> ImageShape:
        """(C, H, W) of the inputs."""
        channels, height, width = self.about["data"]["shape"]
        return channels, height, width

    @property
    def classes(self) -> list[str]:
        """Class names."""
        return list(self.about["data"]["classes"])

    @property
    def table(self) -> polars.DataFrame:
        """levels.parquet: one row a finished level and layer; raises InputError before the first."""
        import polars

        path = self.path / "levels.parquet"
        if not path.is_file():
            raise InputError(f"{self.path}: no level is finished yet")
        data = path.read_bytes()
        known = self.about.get("tables")
        if (
            known and _sha256(data) not in known
        ):  # polars does not survive every damage: check before it reads
            raise InputError(f"{path}: damaged (its contents do not match their checksum in run.json)")
        try:
            table = polars.read_parquet(io.BytesIO(data))
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{path}: damaged ({reason})") from None
        if not {"level", "layer"} <= set(table.columns):
            raise InputError(f"{path}: damaged (no columns level and layer)")
        return table

    @property
    def levels(self) -> list[int]:
        """Numbers of the finished levels, ascending; empty before the first."""
        if not (self.path / "levels.parquet").is_file():
            return []
        return sorted(self.table["level"].unique().to_list())

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """metrics.jsonl: one entry an evaluation (level, step, train_loss, val_accuracy, …)."""
        path = self.path / "metrics.jsonl"
        if not path.is_file():
            return []
        try:
            with path.open(encoding="utf-8") as lines:
                return [json.loads(line) for line in lines if line.endswith("\n")]
        except ValueError:
            raise InputError(f"{path}: damaged (a line that is not JSON)") from None

    def level_path(self, level: int) -> Path:
        """The directory of a level."""
        return self.path / f"level-{level:03d}"

    def ticket(self, level: int) -> Ticket:
        """The masks a level was trained under."""
        path = self.level_path(level) / "masks.safetensors"
        arrays, notes = read_arrays(path)
        masks, biases = [], []
        for number in range(1, len(arrays) // 2 + 1):
            shape = notes[f"layer{number}.weight_mask"].split("x")
            masks.append(Mask.unpack(arrays[f"layer{number}.weight_mask"], int(shape[0]), int(shape[1])))
            packed = arrays[f"layer{number}.bias_mask"]
            biases.append(np.unpackbits(packed, count=masks[-1].n_out).astype(np.bool_))
        return Ticket(tuple(masks), tuple(biases))

    def mask(self, level: int, layer: int = 1) -> Mask:
        """One layer's mask (1 = first hidden); raises InputError for a level or layer that is not there."""
        if level not in self.levels:
            raise InputError(f"{self.path}: no level {level}; finished levels are {self.levels}")
        masks = self.ticket(level).masks
        if not 1 <= layer <= len(masks):
            raise InputError(f"{self.path}: no layer {layer}; hidden layers are 1 to {len(masks)}")
        return masks[layer - 1]

    def model(self, level: int) -> Model:
        """The model at the end of a level, pruned entries 0."""
        return Model.from_arrays(read_arrays(self.level_path(level) / "weights.safetensors")[0])

    def observations(self, level: int) -> Arrays:
        """What the run observed with its data at the end of a level.

        ``nodes`` [K] first-layer nodes, most connected first; ``top_images`` [K, 3, n0] the
        uint8 validation images that activate each most; ``top_activations`` [K, 3];
        ``ablation_removed`` [P] numbers of removed nodes; ``ablation_decreasing``,
        ``ablation_increasing``, ``ablation_random`` [P] validation accuracy (0 to 1) with so
        many nodes removed in that order of fan-in.
        """
        return read_arrays(self.level_path(level) / "observations.safetensors")[0]


class RunWriter(Run):
    """A run directory, for the one process that may write it. Use open_run."""

    def write_about(self, **changes: Any) -> None:
        """Update run.json."""
        write_text(self.path / "run.json", json.dumps(self.about | changes, indent=2) + "\n")

    def write_level(self, level: int, ticket: Ticket, model: Model, observed: Arrays) -> None:
        """Write a level's files. It counts as finished only once write_table has its rows."""
        folder = self.level_path(level)
        folder.mkdir(exist_ok=True)
        masks: Arrays = {}
        shapes = {}
        for number, (mask, bias) in enumerate(zip(ticket.masks, ticket.biases, strict=True), 1):
            masks[f"layer{number}.weight_mask"] = mask.pack()
            masks[f"layer{number}.bias_mask"] = np.packbits(bias)
            shapes[f"layer{number}.weight_mask"] = f"{mask.n_out}x{mask.n_in}"
        write_arrays(folder / "masks.safetensors", masks, shapes)
        write_arrays(folder / "weights.safetensors", model.to_arrays())
        write_arrays(folder / "observations.safetensors", observed)

    def write_table(self, rows: list[dict[str, Any]], schema: dict[str, Any]) -> None:
        """Write levels.parquet whole: the rows of every finished level."""
        import polars

        path, buffer = self.path / "levels.parquet", io.BytesIO()
        polars.DataFrame(rows, schema=schema).write_parquet(buffer)
        # both checksums are good until the new table is in place, so a crash in between does no harm
        before = [_sha256(path.read_bytes())] if path.is_file() else []
        self.write_about(tables=[_sha256(buffer.getvalue()), *before])
        with replacing(path) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def write_rewind(self, model: Model) -> None:
        """Write the parameters that levels rewind to."""
        write_arrays(self.path / "rewind.safetensors", model.to_arrays())

    def read_rewind(self) -> Model:
        """The parameters that levels rewind to."""
        return Model.from_arrays(read_arrays(self.path / "rewind.safetensors")[0])

    def write_checkpoint(self, level: int, arrays: Arrays) -> None:
        """Write the state inside a level."""
        write_arrays(self.path / "checkpoint.safetensors", arrays, {"level": str(level)})

    def read_checkpoint(self, level: int) -> Arrays | None:
        """The state inside ``level``, None when there is none; raises InputError when it is damaged."""
        path = self.path / "checkpoint.safetensors"
        if not path.is_file():
            return None
        try:
            arrays, notes = read_arrays(path)
        except InputError as error:
            raise InputError(f"{error}; delete it to start level {level} again") from None
        return arrays if notes.get("level") == str(level) else None

    def drop_checkpoint(self) -> None:
        """Forget the state inside a level."""
        (self.path / "checkpoint.safetensors").unlink(missing_ok=True)

    def append_metrics(self, entry: dict[str, Any]) -> None:
        """Append one evaluation."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def truncate_metrics(self, level: int, step: int) -> None:
        """Drop evaluations after ``step`` of ``level``: those that a resumed level makes again."""
        path = self.path / "metrics.jsonl"
        if path.is_file():
            keep = [m for m in self.metrics if (m["level"], m["step"]) <= (level, step)]
            write_text(path, "".join(json.dumps(m) + "\n" for m in keep))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def run_path(experiment: Experiment, seed: int, out: str | Path) -> Path:
    """``<out>/<name>-<identity>/seed-<N>``; raises InputError for a negative seed."""
    if seed < 0:
        raise InputError(f"seed is {seed}; it must be 0 or more")
    return Path(out) / f"{experiment.name}-{experiment.identity}" / f"seed-{seed}"


@contextlib.contextmanager
def open_run(experiment: Experiment, seed: int, out: str | Path) -> Iterator[RunWriter]:
    """Create or reopen a run directory and hold its lock.

    Raises InputError when another process holds it or the directory is another experiment's. An
    InputError in the block, before anything was trained, leaves no new directory behind.
    """
    from filelock import FileLock, Timeout

    path = run_path(experiment, seed, out)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{path}: another process is running this; wait for it or choose another seed"
        ) from None
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise InputError(f"{path}: cannot write there ({error.strerror}); choose another --out") from None
    sweep(path)
    fresh = not (path / "run.json").is_file()
    try:
        yield _opened(path, experiment, seed)
    except InputError:
        if fresh:
            _forget(path, Path(out))
        raise
    finally:
        lock.release()


def _forget(path: Path, out: Path) -> None:
    """Remove a run directory that holds nothing but its description, and folders left empty below ``out``."""
    description = {"experiment.toml", "run.json", ".lock"}
    if {entry.name for entry in path.iterdir()} <= description:
        for name in description:
            (path / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty: other seeds, other runs
            while path != out:
                path.rmdir()
                path = path.parent


def _opened(path: Path, experiment: Experiment, seed: int) -> RunWriter:
    if not (path / "run.json").is_file():
        write_text(path / "experiment.toml", experiment.to_toml())
        about = {"name": experiment.name, "identity": experiment.identity, "seed": seed, "status": "running"}
        write_text(path / "run.json", json.dumps(about, indent=2) + "\n")
    run = RunWriter(path)
    stored = run.experiment
    if stored.identity != experiment.identity or run.seed != seed:
        raise InputError(
            f"{path}: holds another run (identity {stored.identity}, seed {run.seed}); this one is "
            f"identity {experiment.identity}, seed {seed}: choose another --out"
        )
    return run
