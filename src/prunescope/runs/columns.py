"""The registry of the columns of levels.parquet says what each column is, how it is measured and where it is shown.

The writer's schema, the page, the curves, ``show``, ``compare``, the trackers, the live views and the documentation's
table of columns are made from it. A file in ``runs/extra_columns`` adds columns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal

from prunescope.runs import extra_columns

if TYPE_CHECKING:
    import polars

    from prunescope.data import Dataset
    from prunescope.mask import Mask
    from prunescope.model import Arrays, Ticket
    from prunescope.observables import Observables
    from prunescope.training.levels import Level
    from prunescope.training.loop import Trained

Value = int | float | str | None
Kind = Literal["integer", "float", "text"]
Of = Literal["level", "layer"]
# The ways to write a value; analysis.formats has a rule for each.
Format = Literal["percent", "count", "ratio", "z", "pixels", "nats", "seconds", "text"]
Place = Literal["page", "curves", "compare", "live"]


@dataclass(frozen=True, eq=False, kw_only=True)
class LevelEnd:
    """What there is to measure at the end of a level.

    ``observed`` has the arrays of observations.safetensors; ``seconds`` is the level's time; ``engine`` is the name of
    the engine, ``device`` that of what it computes on.
    """

    level: Level
    trained: Trained
    dataset: Dataset
    observed: Arrays
    seconds: float
    engine: str
    device: str = "cpu"

    @property
    def ticket(self) -> Ticket:
        """The masks of all layers at the level's end."""
        return self.trained.ticket


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerEnd(LevelEnd):
    """What there is to measure of one hidden layer at the end of a level.

    ``index`` is that of the layer, 0 = first; ``measured`` has the scalars of its mask (observables.measure).
    """

    index: int
    measured: Observables

    @property
    def mask(self) -> Mask:
        """The mask of the layer at the level's end."""
        return self.ticket.masks[self.index]


@dataclass(frozen=True, eq=False)
class Column:
    """A column of levels.parquet: its name, what it is, how it is measured and where it is shown.

    ``of``: "level" where all rows of a level hold the same value, "layer" where each layer has its own. ``unit``: of
    the stored value. ``format``: how the value is written. ``on``: where it is shown beside the tables that show all
    columns. ``measure``: computes the value at a level's end; None and values that are not finite are stored as null.
    """

    name: str
    kind: Kind
    of: Of
    title: str
    unit: str
    format: Format
    description: str
    measure: Callable[[LayerEnd], Value]
    on: frozenset[Place] = field(default_factory=frozenset)


def columns() -> tuple[Column, ...]:
    """Return all columns in the order of the file: those of this module, then those of ``runs/extra_columns``.

    Raises RuntimeError where two columns have the same name.
    """
    return tuple(_by_name(tuple(extra_columns.__path__)).values())


@functools.cache
def _by_name(folders: tuple[str, ...]) -> dict[str, Column]:
    """Return all columns by name, with those in ``folders``; cached because live views ask at every line."""
    found = {column.name: column for column in COLUMNS}
    for module in sorted(entry.name for entry in iter_modules(folders)):
        for column in import_module(f"{extra_columns.__name__}.{module}").COLUMNS:
            if found.setdefault(column.name, column) is not column:
                raise RuntimeError(f"two columns of levels.parquet are called {column.name!r}")
    return found


def find_column(name: str) -> Column:
    """Return the column of a name; raise KeyError where there is none."""
    return _by_name(tuple(extra_columns.__path__))[name]


def shown_on(place: Place) -> tuple[Column, ...]:
    """Return the columns that are shown in ``place``."""
    return tuple(column for column in columns() if place in column.on)


def schema() -> dict[str, type[polars.DataType]]:
    """Return the polars type of each column by name."""
    import polars

    kinds: dict[Kind, type[polars.DataType]] = {
        "integer": polars.Int64,
        "float": polars.Float64,
        "text": polars.String,
    }
    return {column.name: kinds[column.kind] for column in columns()}


def row(at: LayerEnd) -> dict[str, Value]:
    """Measure every column for one layer and return its row of levels.parquet."""
    return {column.name: _stored(column.measure(at)) for column in columns()}


def _stored(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _nominal_density(at: LayerEnd) -> float:
    """Return the density that the method aims at; where it has no aim, the kept share of all hidden weights."""
    if at.level.nominal_density is not None:
        return at.level.nominal_density
    return at.ticket.weight_density


def _heldout_accuracy(at: LayerEnd) -> float:
    from prunescope.runs.correct_images import share_right

    return share_right(at.observed["heldout_right_best"], len(at.dataset.heldout))


def _kurtosis(name: str) -> Callable[[LayerEnd], float | None]:
    def measured(at: LayerEnd) -> float | None:
        from prunescope.runs.preactivations import kurtosis_columns

        return kurtosis_columns(at.observed).get(name) if at.index == 0 else None

    return measured


SHOWN: frozenset[Place] = frozenset({"page", "curves"})

# fmt: off
COLUMNS: tuple[Column, ...] = (
    Column("level", "integer", "level", "level", "", "count",
           "number of the level; 0 is the dense network", lambda at: at.level.number),
    Column("layer", "integer", "layer", "layer", "", "count",
           "number of the hidden layer; 1 is the first", lambda at: at.index + 1),
    Column("nominal_density", "float", "level", "u", "share", "percent",
           "share of the weights that the method means to keep, (1-p)^level for iterative pruning",
           _nominal_density, frozenset({"live"})),
    Column("density", "float", "layer", "density", "share", "percent",
           "kept share of the layer's weights and biases together",
           lambda at: at.ticket.density(at.index), frozenset({"page"})),
    Column("weight_density", "float", "layer", "density of the weights", "share", "percent",
           "kept share of the layer's weights, biases not counted", lambda at: at.mask.density, SHOWN),
    Column("units", "integer", "layer", "units", "", "count",
           "number of units in the layer", lambda at: at.mask.n_out, frozenset({"page"})),
    Column("units_alive", "integer", "layer", "units connected", "", "count",
           "number of units with at least one kept incoming weight",
           lambda at: at.ticket.units_alive[at.index], frozenset({"page"})),
    Column("fan_in_mean", "float", "layer", "mean fan-in", "weights", "ratio",
           "number of kept incoming weights of a unit, mean over units",
           lambda at: float(at.mask.fan_in.mean()), frozenset({"page"})),
    Column("fan_in_max", "integer", "layer", "largest fan-in", "weights", "count",
           "number of kept incoming weights of the most connected unit",
           lambda at: int(at.mask.fan_in.max()), frozenset({"page"})),
    Column("fan_in_var_ratio", "float", "layer", "fan-in variance ratio", "", "ratio",
           "variance of the fan-in over that of random pruning, binomial at the same density",
           lambda at: at.measured.fan_in_variance_ratio.value, SHOWN | {"compare"}),
    Column("locality", "float", "layer", "locality", "", "ratio",
           "share of the same-channel pairs of a unit's inputs that are neighbours, over that of uniform masks",
           lambda at: at.measured.locality.value, SHOWN | {"compare", "live"}),
    Column("locality_null", "float", "layer", "locality of shuffled masks", "", "ratio",
           "locality of masks shuffled at matched fan-in, its mean, which is 1 (version 0.1: over 20 shuffles)",
           lambda at: at.measured.locality.null_mean, SHOWN),
    Column("locality_null_sd", "float", "layer", "its sd", "", "ratio",
           "locality of masks shuffled at matched fan-in, its sd in closed form (version 0.1: over 20 shuffles)",
           lambda at: at.measured.locality.null_sd, SHOWN),
    Column("locality_z", "float", "layer", "locality z", "sd", "z",
           "how far locality lies above the mean of shuffled masks, in their standard deviations",
           lambda at: at.measured.locality.z, SHOWN | {"compare", "live"}),
    Column("half_width", "float", "layer", "half width of g", "pixels or samples", "pixels",
           "distance at which g, pairs over those of uniform masks, has lost half of its excess over 1",
           lambda at: at.measured.half_width.value, frozenset({"page"})),
    Column("half_width_null", "float", "layer", "half width of shuffled masks", "pixels or samples", "pixels",
           "always null, as half of all shuffled masks have no half width; version 0.1 stored a mean over the others",
           lambda at: at.measured.half_width.null_mean),
    Column("anisotropy", "float", "layer", "anisotropy", "", "ratio",
           "g along the axes of the image over g along its diagonals",
           lambda at: at.measured.anisotropy.value, frozenset({"page"})),
    Column("anisotropy_null", "float", "layer", "anisotropy of shuffled masks", "", "ratio",
           "anisotropy of shuffled masks, mean over shuffles", lambda at: at.measured.anisotropy.null_mean),
    Column("anisotropy_null_sd", "float", "layer", "its sd", "", "ratio",
           "anisotropy of shuffled masks, sd over shuffles", lambda at: at.measured.anisotropy.null_sd),
    Column("radius_of_gyration", "float", "layer", "radius of gyration", "pixels or samples", "pixels",
           "root mean square distance of a unit's inputs from their centre, mean over units of fan-in 2 or more",
           lambda at: at.measured.radius_of_gyration.value, frozenset({"page"})),
    Column("radius_of_gyration_null", "float", "layer", "radius of gyration of shuffled masks", "pixels or samples", "pixels",
           "radius of gyration of shuffled masks, mean over shuffles",
           lambda at: at.measured.radius_of_gyration.null_mean),
    Column("null_shuffles", "integer", "layer", "shuffled masks", "", "count",
           "number of shuffled masks behind the nulls of anisotropy and radius of gyration; runs of version 0.1 lack it, "
           "and have all their nulls from 20", lambda at: at.measured.radius_of_gyration.shuffles),
    Column("kurtosis", "float", "layer", "excess kurtosis", "", "ratio",
           "excess kurtosis of the preactivations of a first-layer unit over images, mean over units", _kurtosis("kurtosis")),
    Column("kurtosis_null", "float", "layer", "excess kurtosis of shuffled weights", "", "ratio",
           "excess kurtosis with each unit's weights at random places, mean over shuffles", _kurtosis("kurtosis_null")),
    Column("kurtosis_null_sd", "float", "layer", "its sd", "", "ratio",
           "excess kurtosis with each unit's weights at random places, sd over shuffles",
           _kurtosis("kurtosis_null_sd")),
    Column("best_val_accuracy", "float", "level", "best validation accuracy", "share", "percent",
           "highest accuracy over the level's evaluations, on the images that decide the best step",
           lambda at: at.trained.best, SHOWN | {"live"}),
    Column("best_step", "integer", "level", "best step", "steps", "count",
           "number of updates after which the best validation accuracy was reached", lambda at: at.trained.best_step),
    Column("final_val_accuracy", "float", "level", "final validation accuracy", "share", "percent",
           "validation accuracy at the level's last evaluation", lambda at: at.trained.last.val.accuracy, SHOWN | {"live"}),
    Column("final_val_top5", "float", "level", "final top-5 accuracy", "share", "percent",
           "share of validation images whose class has one of the five highest logits, at the last evaluation",
           lambda at: at.trained.last.val.correct5 / at.trained.last.val.images),
    Column("heldout_accuracy", "float", "level", "held-out accuracy", "share", "percent",
           "accuracy of the parameters at the best step, on images that did not decide it; null without such images",
           _heldout_accuracy, SHOWN | {"compare"}),
    Column("heldout_images", "integer", "level", "held-out images", "images", "count",
           "number of held-out images", lambda at: len(at.dataset.heldout), frozenset({"page"})),
    Column("train_loss", "float", "level", "training loss", "nats", "nats",
           "mean cross-entropy of the batches between the last two evaluations",
           lambda at: at.trained.last.train_loss, frozenset({"page"})),
    Column("seconds", "float", "level", "time", "s", "seconds",
           "time that the level took, in all parts together where it was resumed", lambda at: at.seconds, frozenset({"live"})),
    Column("steps", "integer", "level", "steps", "steps", "count",
           "number of updates in the level", lambda at: at.trained.last.step),
    Column("engine", "text", "level", "engine", "", "text",
           "name of the engine that executed the steps", lambda at: at.engine),
    Column("device", "text", "level", "device", "", "text",
           "name of the device that executed the steps, the last of them where a level was resumed on another",
           lambda at: at.device),
)
# fmt: on
