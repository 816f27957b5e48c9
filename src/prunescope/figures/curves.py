"""Numbers against u, one curve an experiment: means and spreads over seeds, gains over the dense network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars
from matplotlib.axes import Axes

from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.figures.choice import Group
from prunescope.figures.style import FAINT, MUTED, PALETTE

ACCURACIES = ("best_val_accuracy", "final_val_accuracy", "heldout_accuracy")
SCALARS = (
    "weight_density",
    "locality",
    "locality_null",
    "locality_null_sd",
    "locality_z",
    "fan_in_var_ratio",
)
# Six colours are told apart safely; further curves repeat them with other markers and dashes.
LINES = (("o", "-"), ("s", "--"), ("^", ":"))
# What the main text of a figure calls these shuffles, with their spread.
SHUFFLED = "shuffled ± 2 sd"


def looks(count: int) -> list[dict[str, Any]]:
    """Colour, marker and dashes of so many curves."""
    result = []
    for number in range(count):
        marker, dashes = LINES[number // len(PALETTE) % len(LINES)]
        result.append({"color": PALETTE[number % len(PALETTE)], "marker": marker, "ls": dashes})
    return result


def summary(found: Sequence[Group]) -> polars.DataFrame:
    """One row an experiment and level: mean and sample sd over seeds of the first layer's numbers.

    Levels that only some seeds have reached are left out: their means would be over other seeds than their
    neighbours'.
    """
    parts = []
    for group in found:
        table = _first_layer(group)
        names = [name for name in (*ACCURACIES, *SCALARS) if name in table.columns]
        parts.append(_over_seeds(group, table, names))
    return polars.concat(parts, how="diagonal_relaxed")


def gains(found: Sequence[Group]) -> polars.DataFrame:
    """One row an experiment and level: best validation accuracy minus the dense network's, over seeds.

    A seed's gain is over its own dense network where that was trained, else over the mean of the other seeds'.
    Columns gain_mean, gain_sd, dense_mean, shares of 1. Experiments whose dense network is in none of the runs
    have no rows. Raises InputError when that leaves nothing.
    """
    parts = []
    for group in found:
        dense = dense_accuracies(group, found)
        if dense:
            table = with_gain(_first_layer(group), dense)
            parts.append(_over_seeds(group, table, ["gain", "dense"]))
    if not parts:
        raise InputError(
            "the gain is over the dense network, level 0, which none of the runs has: give a run of "
            "prune.method=imp with the same data, network and train fields too"
        )
    return polars.concat(parts)


def with_gain(table: polars.DataFrame, dense: dict[int, float]) -> polars.DataFrame:
    """A table of levels with the columns ``dense`` and ``gain`` of each row's seed."""
    reference = polars.col("seed").replace_strict(dense, default=float(np.mean(list(dense.values()))))
    table = table.with_columns(reference.cast(polars.Float64).alias("dense"))
    return table.with_columns((polars.col("best_val_accuracy") - polars.col("dense")).alias("gain"))


def largest_gains(group: Group, found: Sequence[Group]) -> list[float]:
    """The largest gain over the pruned levels of each seed, in the order of the seeds; empty without level 0."""
    dense = dense_accuracies(group, found)
    if not dense:
        return []
    table = with_gain(_first_layer(group), dense).filter(polars.col("level") > 0)
    return table.group_by("seed").agg(polars.col("gain").max()).sort("seed")["gain"].to_list()


def dense_accuracies(group: Group, found: Sequence[Group]) -> dict[int, float]:
    """Best validation accuracy of the dense network by seed: the group's own level 0, else that of an
    experiment among ``found`` with the same data, network and training; empty when there is none."""
    for source in (group, *found):
        experiment = source.runs[0].experiment
        if 0 in source.levels and (source is group or _same_dense(experiment, group.runs[0].experiment)):
            rows = source.table().filter(polars.col("layer") == 1, polars.col("level") == 0)
            return dict(zip(rows["seed"].to_list(), rows["best_val_accuracy"].to_list(), strict=True))
    return {}


def dense_fields(experiment: Experiment) -> str:
    """What decides the dense network, as text: data, network and training."""
    return experiment.model_dump_json(include={"data", "network", "train"}, exclude={"data": {"root"}})


def _same_dense(source: Experiment, other: Experiment) -> bool:
    # An early bird's dense network may not have been trained to its end.
    return source.prune.early_bird is None and dense_fields(source) == dense_fields(other)


def _first_layer(group: Group) -> polars.DataFrame:
    return group.table().filter(polars.col("layer") == 1, polars.col("level").is_in(group.levels))


def _over_seeds(group: Group, table: polars.DataFrame, names: Sequence[str]) -> polars.DataFrame:
    statistics = [polars.len().alias("seeds"), polars.col("nominal_density").mean()]
    statistics += [polars.col(name).mean().alias(f"{name}_mean") for name in names]
    statistics += [polars.col(name).std().alias(f"{name}_sd") for name in names]
    part = table.group_by("level").agg(statistics).sort("nominal_density", descending=True)
    return part.select(polars.lit(group.label).alias("experiment"), polars.all())


def of(table: polars.DataFrame, group: Group) -> polars.DataFrame:
    """The rows of one experiment."""
    return table.filter(polars.col("experiment") == group.label)


def draw_curve(
    axes: Axes,
    rows: polars.DataFrame,
    name: str,
    *,
    x: str = "nominal_density",
    scale: float = 1,
    **look: Any,
) -> None:
    """Mean with a band of one sd against u; levels at which it is not defined are left out."""
    if f"{name}_mean" not in rows.columns:
        return
    rows = rows.filter(polars.col(f"{name}_mean").is_not_null()).sort(x, descending=True)
    sd = scale * rows[f"{name}_sd"].cast(polars.Float64).fill_null(0).to_numpy()
    place, mean = rows[x].to_numpy(), scale * rows[f"{name}_mean"].to_numpy()
    look = {"marker": "o", "ls": "-"} | look
    if rows[x].n_unique() < len(rows):  # layers pruned in turn come by the same u again: no line through that
        look["ls"] = ""
    axes.plot(place, mean, **look)
    if np.any(sd > 0) and look["ls"]:
        axes.fill_between(place, mean - sd, mean + sd, color=look.get("color"), alpha=0.2, lw=0)


def draw_null(
    axes: Axes, rows: polars.DataFrame, *, x: str = "nominal_density", label: str | None = None
) -> None:
    """Locality of shuffled masks: mean ± 2 sd as a grey band, behind everything."""
    if not {"locality_null_mean", "locality_null_sd_mean"} <= set(rows.columns):
        return
    rows = rows.filter(polars.col("locality_null_mean").is_not_null())
    rows = rows.unique(x, keep="first", maintain_order=True).sort(x, descending=True)
    place, mean = rows[x].to_numpy(), rows["locality_null_mean"].to_numpy()
    sd = rows["locality_null_sd_mean"].cast(polars.Float64).fill_null(0).to_numpy()
    axes.fill_between(place, mean - 2 * sd, mean + 2 * sd, color=FAINT, lw=0, zorder=0.5, label=label)
    axes.plot(place, mean, color=MUTED, lw=0.7, zorder=0.6)


def table_arrays(prefix: str, table: polars.DataFrame) -> dict[str, np.ndarray]:
    """A table as arrays, ``prefix_column``: text as text, all else float64 with nan for what is missing."""
    return {
        f"{prefix}_{name}": np.array(table[name].to_list(), dtype=np.str_)
        if table[name].dtype == polars.String
        else table[name].cast(polars.Float64).fill_null(np.nan).to_numpy()
        for name in table.columns
    }
