"""Run directories hold what one experiment with one seed leaves on disk; `Run` reads them.

The files are listed in docs/architecture.md, "Run directory".
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope._views import html_of, view
from prunescope.arguments import path_of, whole
from prunescope.errors import InputError, damaged
from prunescope.experiment import Experiment, load
from prunescope.files import open_regular
from prunescope.frames import as_pandas
from prunescope.locks import is_held
from prunescope.mask import BoolArray, ImageShape, Mask
from prunescope.model import Arrays, Model, Ticket
from prunescope.network.network_input import NetworkInput
from prunescope.runs import stored_input
from prunescope.runs.arrays import read_arrays
from prunescope.runs.metrics_file import MetricsLine, read_metrics
from prunescope.runs.owner import Owner
from prunescope.runs.packed_weights import unpacked
from prunescope.runs.record import RunRecord, StoredData, read_record
from prunescope.runs.stored_arrays import RunSizes, read_model, read_observations, read_ticket
from prunescope.runs.stored_table import TABLE_LIMIT, read_table

if TYPE_CHECKING:
    import pandas
    import polars
    from matplotlib.figure import Figure
    from torch import nn

    from prunescope.network.plain import MaskForm, NormForm, PlainNetwork


_SAID: set[Path] = set()  # runs of which it was said that their files do not say whose they are
LOCK = ".lock"  # The process that writes the run holds this lock.


class Run:
    """A run directory, for reading: the source of everything that figures and reports say of a run."""

    def __init__(self, path: str | Path) -> None:
        """Open the directory; raise InputError when ``path`` holds no run."""
        self.path = path_of("path", path)
        # The table as it was last read, after the numbers that identify the file.
        self._read: tuple[tuple[int, ...], polars.DataFrame] | None = None
        # What run.json said, after the numbers that identified it.
        self._record: tuple[tuple[int, ...] | None, RunRecord] | None = None
        if not (self.path / "experiment.toml").is_file() or not (self.path / "run.json").is_file():
            raise InputError(f"{self.path}: not a run directory (no experiment.toml and run.json)")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        return html_of("Run.html", self)

    def plot(
        self,
        figure: str,
        *,
        levels: Sequence[int] | int | None = None,
        nodes: Sequence[int] | int | None = None,
    ) -> Figure:
        """Draw a figure of this run, such as ``run.plot("1a")``, as ``prunescope figure`` does, but write no file.

        ``figure``: a name as in ``prunescope list --figures``; ``levels`` and ``nodes``: which of them it shows, one
        or several, in place of its own choice. Raises InputError for an unknown figure, and for a run that it cannot be drawn from.
        """
        drawn: Figure = view("Run.plot")(figure, [self], levels=levels, nodes=nodes)
        return drawn

    def to_pandas(self) -> pandas.DataFrame:
        """Return the level table as a DataFrame of pandas, which must be installed, but no other package.

        Raises InputError as ``table`` does, and ImportError without pandas.
        """
        return as_pandas(self.table)

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment, with every field; raises InputError when it is damaged or another's than run.json says."""
        experiment, stored = load(self.path / "experiment.toml"), self.record.identity
        if experiment.identity != stored:
            raise InputError(
                f"{self.path}: experiment.toml has identity {experiment.identity}, run.json {ascii(stored[:40])[1:-1]}: "
                "it was made by another version or was edited"
            )
        return experiment

    @property
    def about(self) -> dict[str, Any]:
        """The contents of run.json: status, seed, versions, machine, engine, data; raises InputError when damaged."""
        return read_record(self.path / "run.json")[0]

    @property
    def record(self) -> RunRecord:
        """What run.json says, as a value whose entries have their types; raises InputError when damaged.

        It is read again when the file has been replaced since it was last read, as the table is: every read of arrays
        asks whose they are.
        """
        path = self.path / "run.json"
        which = _which(path)
        if which is None or self._record is None or self._record[0] != which:
            self._record = which, read_record(path)[1]
        return self._record[1]

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.record.seed

    @property
    def status(self) -> str:
        """The status of the run: running, interrupted, failed or done."""
        return self.record.status

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that trained the run, in their order: a card by its own name, a CPU as "cpu".

        Runs of earlier versions have what ``run.device`` was when they were begun, which is no name of a card.
        """
        return tuple(self.record.devices or (self.experiment.run.device,))

    @property
    def data(self) -> dict[str, Any]:
        """The description of the data in run.json: shape, classes, numbers of images, fingerprint, split.

        Empty until the run has opened its data.
        """
        return dict(self.about.get("data") or {})

    @property
    def owner(self) -> Owner:
        """Whose this run's files are, those of no level."""
        record = self.record
        return Owner(record.identity, record.seed)

    def check(self) -> None:
        """Read experiment.toml, run.json and levels.parquet; raise InputError for a damaged one.

        Nothing is raised for a run without a finished level. The other files are checked when they are read.
        """
        _ = self.experiment
        _ = self.levels

    @property
    def shape(self) -> ImageShape:
        """The shape of the inputs, (C, H, W) or for series (C, 1, L); raises InputError for inputs without geometry."""
        if self.experiment.data.geometry == "none":
            raise InputError(
                f"{self.path}: its inputs have no geometry (data.geometry=none), which this needs"
            )
        channels, height, width = self._of_data("shape")
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
        return list(self._of_data("classes"))

    def _of_data(self, name: str) -> list[Any]:
        """Return an entry of the data in run.json; raise InputError where it is missing."""
        found = getattr(self.record.data or StoredData(), name)
        if found is None:
            raise InputError(f"{self.path / 'run.json'}: says nothing of data.{name}, which this needs")
        return list(found)

    @property
    def table(self) -> polars.DataFrame:
        """The level table (levels.parquet): one row per finished level and hidden layer.

        It is read again when the file has been replaced since it was last read. Raises InputError before the first
        level is finished, and when the file is damaged.
        """
        path = self.path / "levels.parquet"
        if not self._has_table():
            raise InputError(f"{self.path}: no level is finished yet")
        with open_regular(path) as file:
            entry = os.fstat(file.fileno())  # Writers replace the file, so that these numbers change.
            which = (entry.st_mtime_ns, entry.st_size, entry.st_dev, entry.st_ino)
            if self._read is None or self._read[0] != which:
                if entry.st_size > TABLE_LIMIT:
                    raise damaged(path, f"more than {TABLE_LIMIT / 1e6:g} MB")
                self._read = which, self._table_in(path, file.read())
        return self._read[1].clone()

    def _table_in(self, path: Path, data: bytes) -> polars.DataFrame:
        known = self.record.tables
        # Some damaged files make polars abort the process, so that the digest is checked before it reads.
        if known and sha256(data) not in known:
            raise damaged(path, "its contents do not match their checksum in run.json")
        return read_table(path, data)

    @property
    def levels(self) -> list[int]:
        """The numbers of the finished levels, ascending; empty before the first."""
        if not self._has_table():
            return []
        return sorted(set(self.table["level"].to_list()))  # faster than a query for so few rows

    def finished_level(self, level: int | None) -> int:
        """Return a level, the last one for None; raise InputError where it is not finished."""
        levels = self.levels
        if not levels:
            raise InputError(f"{self.path}: no level is finished yet")
        if level is None:
            return levels[-1]
        self._check_level(level)
        return level

    def _has_table(self) -> bool:
        """Return whether levels.parquet is there; raise InputError where it was and is not any more."""
        if (self.path / "levels.parquet").exists():
            return True
        record = self.record
        # Two checksums mean that a table was replaced. With one, the first table may not have been written yet.
        if record.status == "done" or len(record.tables or ()) > 1:
            raise InputError(
                f"{self.path / 'levels.parquet'}: missing, but the run has finished levels: restore the file, or delete "
                "the run directory to run it again"
            )
        return False

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The evaluations (metrics.jsonl), one entry each: level, step, train_loss, val_accuracy, …"""
        return [line.entry for line in self._metrics_lines()]

    def _metrics_lines(self) -> list[MetricsLine]:
        """Return the lines of metrics.jsonl; raise InputError when it is damaged or another run's."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        lines = read_metrics(path, self.owner)
        if not all(line.owned for line in lines):
            self._say_unowned()
        return lines

    def level_path(self, level: int) -> Path:
        """Return the directory of a level, finished or not; raise InputError for what is no whole number."""
        return self.path / f"level-{whole('level', level):03d}"

    def _arrays(self, path: Path, level: int | None) -> tuple[Arrays, dict[str, str]]:
        """Read a file of arrays and its metadata; raise InputError for one that is damaged, or of another run or level."""
        arrays, notes = read_arrays(path)
        if not self.owner.at(level).owns(path, notes):
            self._say_unowned()
        return arrays, notes

    def _say_unowned(self) -> None:
        """Say on stderr, once for each run, that its files do not say whose they are."""
        where = self.path.resolve()
        if where not in _SAID:
            _SAID.add(where)
            print(
                f"prunescope: {self.path}: an earlier version wrote its files, which do not say whose they are: that they are "
                "all of this run is not checked",
                file=sys.stderr,
            )

    @property
    def _sizes(self) -> RunSizes:
        """The sizes that the run's networks have, as far as experiment.toml and run.json say."""
        network, data = self.experiment.network, self.record.data or StoredData()
        return RunSizes(
            network.hidden,
            network.norm,
            math.prod(data.shape) if data.shape else None,
            len(data.classes) if data.classes else None,
        )

    def ticket(self, level: int) -> Ticket:
        """Read the masks at the end of a level; raise InputError for a missing or damaged file."""
        path = self.level_path(level) / "masks.safetensors"
        return read_ticket(path, *self._arrays(path, level), self._sizes)

    def mask(self, level: int, layer: int = 1) -> Mask:
        """Read the mask of one hidden layer (1 = first); raise InputError for a level or layer that does not exist."""
        self._check_level(level)
        masks = self.ticket(level).masks
        if not 1 <= whole("layer", layer) <= len(masks):
            raise InputError(f"{self.path}: no layer {layer}; hidden layers are 1 to {len(masks)}")
        return masks[layer - 1]

    def _check_level(self, level: int) -> None:
        """Raise InputError for a level that is not finished, and for what is no whole number."""
        if isinstance(level, bool) or not isinstance(level, (int, np.integer)):
            raise InputError(f"level is {level!a}: give a whole number; finished levels are {self.levels}")
        if level not in self.levels:
            raise InputError(f"{self.path}: no level {level}; finished levels are {self.levels}")

    def model(self, level: int) -> Model:
        """Read the model at the end of a level, pruned entries 0; raise InputError for a missing or damaged file."""
        path = self.level_path(level) / "weights.safetensors"
        return read_model(path, unpacked(path, *self._arrays(path, level)), self._sizes)

    def read_rewind(self) -> Model:
        """Read the parameters that levels rewind to; raise InputError for a missing or damaged file."""
        path = self.path / "rewind.safetensors"
        return read_model(path, self._arrays(path, None)[0], self._sizes)

    def network_input(self) -> NetworkInput:
        """Read what turns pixels into the networks' input; raise InputError for a missing or damaged file.

        The data are opened where an earlier version made the run, which did not store it.
        """
        path = self.path / stored_input.FILE
        if not path.exists():
            return stored_input.input_of_data(
                self.path, self.experiment.data, self.seed, self.data.get("fingerprint")
            )
        return stored_input.read_input(path, *self._arrays(path, None), self._sizes.inputs)

    def torch(self, level: int, *, norm: NormForm = "folded", masks: MaskForm = "baked") -> nn.Sequential:
        """Return the network at the end of a level as a module of torch's own parts, in evaluation mode.

        It takes pixels as float32 [B, C, H, W], those of images from 0 to 255, and returns logits [B, classes]; it needs
        nothing of this package. ``norm``: "folded" into the linear maps, or as "layers" (torch.nn.BatchNorm1d).
        ``masks``: "baked" in as zeros, or "prune" for masks of torch.nn.utils.prune. Raises InputError for a level that
        does not exist, for another ``norm`` or ``masks``, and for a missing or damaged file.
        """
        from prunescope.network.plain_module import plain_module

        return plain_module(self.plain_network(level, norm), masks)

    def plain_network(self, level: int, norm: NormForm = "folded") -> PlainNetwork:
        """Read the network at the end of a level as maps, norms and rectifiers; raise InputError as ``torch`` does."""
        from prunescope.network.plain import plain_network

        self._check_level(level)
        place = self.experiment.network.norm
        return plain_network(self.model(level), self.ticket(level), self.network_input(), place, norm)

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
        path = self.level_path(level) / "observations.safetensors"
        return read_observations(path, self._arrays(path, level)[0], self._sizes)

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
        path, count = self.level_path(level) / "observations.safetensors", self.data.get(f"{images}_images")
        if count is None or len(packed) != -(-count // 8):
            raise damaged(path, f"{len(packed)} bytes of {count} {images} images, eight to a byte")
        return np.unpackbits(packed, count=count).astype(np.bool_)


def _which(path: Path) -> tuple[int, ...] | None:
    """Return what tells a file from the one that replaces it, None where it cannot be asked for."""
    try:
        entry = path.stat()
    except OSError:
        return None
    return entry.st_mtime_ns, entry.st_size, entry.st_dev, entry.st_ino


def is_run(path: Path) -> bool:
    """Return whether ``path`` is itself a run directory, or was meant to be one."""
    return any((path / name).is_file() for name in ("run.json", "experiment.toml"))


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
