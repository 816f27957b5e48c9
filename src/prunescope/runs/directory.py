"""Run directories hold what one experiment with one seed leaves on disk; `Run` reads them.

The files are listed in docs/architecture.md, "Run directory".
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.errors import InputError, first_line
from prunescope.experiment import Experiment, load
from prunescope.locks import is_held
from prunescope.mask import BoolArray, ImageShape, Mask
from prunescope.model import WEIGHT_MASK, Arrays, Model, Ticket
from prunescope.runs.arrays import read_arrays

if TYPE_CHECKING:
    import polars


ABOUT = {"name", "identity", "seed", "status"}
HALF = re.compile(r"\\u[dD][89a-fA-F]")  # half of a character in JSON, as of a name that is not UTF-8
LOCK = ".lock"  # The process that writes the run holds this lock.


class Run:
    """A run directory, for reading: the source of everything that figures and reports say of a run."""

    def __init__(self, path: str | Path) -> None:
        """Open the directory; raise InputError when ``path`` holds no run."""
        self.path = Path(path)
        # The table as it was last read, after the numbers that identify the file.
        self._read: tuple[tuple[int, ...], polars.DataFrame] | None = None
        if not (self.path / "experiment.toml").is_file() or not (self.path / "run.json").is_file():
            raise InputError(f"{self.path}: not a run directory (no experiment.toml and run.json)")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment, with every field."""
        return load(self.path / "experiment.toml")

    @property
    def about(self) -> dict[str, Any]:
        """The contents of run.json: status, seed, versions, machine, engine, data; raises InputError when damaged."""
        try:
            text = (self.path / "run.json").read_text("utf-8")
            about: dict[str, Any] = json.loads(text)
        except ValueError:
            raise InputError(f"{self.path / 'run.json'}: damaged (not JSON)") from None
        if HALF.search(text):
            about = _whole_characters(about)
        if not isinstance(about, dict) or not about.keys() >= ABOUT:
            raise InputError(f"{self.path / 'run.json'}: damaged (needs {', '.join(sorted(ABOUT))})")
        return about

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.about["seed"])

    @property
    def status(self) -> str:
        """The status of the run: running, interrupted, failed or done."""
        return str(self.about["status"])

    @property
    def data(self) -> dict[str, Any]:
        """The description of the data in run.json: shape, classes, numbers of images, fingerprint, split.

        Empty until the run has opened its data.
        """
        return dict(self.about.get("data") or {})

    @property
    def shape(self) -> ImageShape:
        """The shape of the inputs, (C, H, W) or for series (C, 1, L); raises InputError for inputs without geometry."""
        if self.experiment.data.geometry == "none":
            raise InputError(
                f"{self.path}: its inputs have no geometry (data.geometry=none), which this needs"
            )
        channels, height, width = self.data["shape"]
        return channels, height, width

    @property
    def split_rule(self) -> str | None:
        """How validation images were chosen (``Dataset.split_rule``); None until the run has opened its data.

        Earlier versions stored nothing and took the first images in the order of the source.
        """
        return str(self.data.get("split_rule", "source order")) if self.data else None

    @property
    def classes(self) -> list[str]:
        """The names of the classes."""
        return list(self.data["classes"])

    @property
    def table(self) -> polars.DataFrame:
        """The level table (levels.parquet): one row per finished level and hidden layer.

        It is read again when the file has been replaced since it was last read. Raises InputError before the first
        level is finished, and when the file is damaged.
        """
        path = self.path / "levels.parquet"
        if not self._has_table():
            raise InputError(f"{self.path}: no level is finished yet")
        with path.open("rb") as file:
            entry = os.fstat(file.fileno())  # Writers replace the file, so that these numbers change.
            which = (entry.st_mtime_ns, entry.st_size, entry.st_dev, entry.st_ino)
            if self._read is None or self._read[0] != which:
                self._read = which, self._table_in(path, file.read())
        return self._read[1].clone()

    def _table_in(self, path: Path, data: bytes) -> polars.DataFrame:
        import polars

        known = self.about.get("tables")
        # Some damaged files make polars abort the process, so that the digest is checked before it reads.
        if known and sha256(data) not in known:
            raise InputError(f"{path}: damaged (its contents do not match their checksum in run.json)")
        try:
            table = polars.read_parquet(io.BytesIO(data))
        except Exception as error:
            raise InputError(f"{path}: damaged ({first_line(error)})") from None
        if not {"level", "layer"} <= set(table.columns):
            raise InputError(f"{path}: damaged (no columns level and layer)")
        return table

    @property
    def levels(self) -> list[int]:
        """The numbers of the finished levels, ascending; empty before the first."""
        if not self._has_table():
            return []
        return sorted(self.table["level"].unique().to_list())

    def _has_table(self) -> bool:
        """Return whether levels.parquet is there; raise InputError where it was and is not any more."""
        if (self.path / "levels.parquet").is_file():
            return True
        about = self.about
        # Two checksums mean that a table was replaced. With one, the first table may not have been written yet.
        if about["status"] == "done" or len(about.get("tables") or ()) > 1:
            raise InputError(
                f"{self.path / 'levels.parquet'}: missing, but the run has finished levels: restore the file, or delete "
                "the run directory to run it again"
            )
        return False

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The evaluations (metrics.jsonl), one entry each: level, step, train_loss, val_accuracy, …"""
        path = self.path / "metrics.jsonl"
        if not path.is_file():
            return []
        try:
            with path.open(encoding="utf-8") as lines:
                return [json.loads(line) for line in lines if line.endswith("\n")]
        except ValueError:
            raise InputError(f"{path}: damaged (a line that is not JSON)") from None

    def level_path(self, level: int) -> Path:
        """Return the directory of a level."""
        return self.path / f"level-{level:03d}"

    def ticket(self, level: int) -> Ticket:
        """Read the masks at the end of a level; raise InputError for a missing or damaged file."""
        path = self.level_path(level) / "masks.safetensors"
        arrays, notes = read_arrays(path)
        shapes = (notes[WEIGHT_MASK.format(n)].split("x") for n in range(1, len(arrays) // 2 + 1))
        return Ticket.from_arrays(arrays, [(int(n_out), int(n_in)) for n_out, n_in in shapes])

    def mask(self, level: int, layer: int = 1) -> Mask:
        """Read the mask of one hidden layer (1 = first); raise InputError for a level or layer that does not exist."""
        if level not in self.levels:
            raise InputError(f"{self.path}: no level {level}; finished levels are {self.levels}")
        masks = self.ticket(level).masks
        if not 1 <= layer <= len(masks):
            raise InputError(f"{self.path}: no layer {layer}; hidden layers are 1 to {len(masks)}")
        return masks[layer - 1]

    def model(self, level: int) -> Model:
        """Read the model at the end of a level, pruned entries 0; raise InputError for a missing or damaged file."""
        return Model.from_arrays(read_arrays(self.level_path(level) / "weights.safetensors")[0])

    def observations(self, level: int) -> Arrays:
        """Read the arrays that the run measured with its data at the end of a level.

        ``nodes`` [K] first-layer nodes, most connected first; ``top_images`` [K, 3, n0] the
        uint8 validation images that activate each of them most; ``top_activations`` [K, 3];
        ``layer2_nodes`` [12], ``layer2_top_images`` the same of the second-layer nodes that most pixels reach;
        ``ablation_removed`` [P] numbers of removed nodes; ``ablation_decreasing``,
        ``ablation_increasing``, ``ablation_random`` [P] validation accuracy (0 to 1) with so
        many nodes removed in that order of fan-in; ``kurtosis``, ``cavity_place`` and the others of
        runs.preactivations.kurtosis_observations. ``validation_right_best``, ``validation_right_end``,
        ``heldout_right_best``, ``heldout_right_end``: which images were classified right, eight to a byte
        (Run.right unpacks them); runs of earlier versions have none.
        """
        return read_arrays(self.level_path(level) / "observations.safetensors")[0]

    def right(self, level: int, images: str = "heldout", at: str = "best") -> BoolArray:
        """Return which ``images``, "heldout" or "validation", a level classified right, bool [N], in their order.

        ``at`` is "best", the parameters and masks at the best validation step, or "end", those at the level's end.
        Raises InputError for other names, and for a level that an earlier version stored without this.
        """
        if images not in ("heldout", "validation") or at not in ("best", "end"):
            raise InputError(f"images is {images!r}, at {at!r}: use heldout or validation, and best or end")
        packed = self.observations(level).get(f"{images}_right_{at}")
        if packed is None:
            raise InputError(
                f"{self.level_path(level)}: does not say which images were classified right (an earlier version "
                "wrote it): run the experiment into another --out"
            )
        return np.unpackbits(packed, count=self.data[f"{images}_images"]).astype(np.bool_)


def _whole_characters(value: Any) -> Any:
    """Return values of JSON with a replacement for each half of a character, which no table, page or figure can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_characters(one) for one in value]
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(one) for key, one in value.items()}
    return value


def is_done(path: Path) -> bool:
    """Return whether a run directory's run is done; False where there is none. Raises InputError when it is damaged."""
    if not (path / "run.json").is_file():
        return False
    run = Run(path)
    return run.status == "done" and run._has_table()


def is_in_use(path: Path) -> bool:
    """Return whether a process is writing a run directory; False where there is none."""
    return is_held(path / LOCK)


def sha256(data: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
