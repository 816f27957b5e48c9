"""This module tabulates numbers over levels: means and spreads over seeds, and gains over the dense network."""

from __future__ import annotations

from collections.abc import Sequence

import polars

from prunescope.analysis.groups import Group
from prunescope.analysis.replicates import same_data
from prunescope.errors import InputError
from prunescope.runs.columns import shown_on
from prunescope.runs.directory import Run


def over_seeds(
    table: polars.DataFrame,
    names: Sequence[str],
    *,
    by: Sequence[str] = ("level",),
    same: Sequence[str] = ("nominal_density",),
    **constants: str,
) -> polars.DataFrame:
    """Return mean and sample sd over the rows that agree in the columns ``by``, one row for each, densest first.

    ``names``: columns that become ``NAME_mean`` and ``NAME_sd``; ``seeds`` is the number of rows. ``same``: columns
    that seeds share but for rounding, of which the mean alone is given; the first is the density to sort by.
    ``constants``: columns in front, each of one value.
    """
    statistics = [polars.len().alias("seeds"), *(polars.col(name).mean() for name in same)]
    statistics += [polars.col(name).mean().alias(f"{name}_mean") for name in names]
    statistics += [polars.col(name).std().alias(f"{name}_sd") for name in names]
    order = [same[0], *by]
    part = table.group_by(by).agg(statistics).sort(order, descending=[True, *(False for _ in by)])
    return part.select(*(polars.lit(value).alias(name) for name, value in constants.items()), polars.all())


def summary(found: Sequence[Group]) -> polars.DataFrame:
    """Return mean and sample sd over seeds of the first layer's numbers, one row for each experiment and level.

    Levels that only some seeds have reached are left out, because their means would be over other seeds than those of
    the other levels.
    """
    parts = []
    for group in found:
        table = group.first_layer
        names = [column.name for column in shown_on("curves") if column.name in table.columns]
        parts.append(_with_images(over_seeds(table, names, experiment=group.label), group))
    return polars.concat(parts, how="diagonal_relaxed")


def _with_images(table: polars.DataFrame, group: Group) -> polars.DataFrame:
    """Return a table of accuracies with the numbers of images they are on, null where seeds differ in them."""
    counts = {f"{kind}_images": group.images(kind) for kind in ("validation", "heldout")}
    return table.with_columns(polars.lit(n, dtype=polars.Int64).alias(name) for name, n in counts.items())


def gains(found: Sequence[Group]) -> polars.DataFrame:
    """Return the gains over the dense network, one row for each experiment and level, with mean and sd over seeds.

    A gain is best validation accuracy minus that of the dense network of the same seed and data, the seed's own or that
    of another experiment among ``found`` (docs/science.md, "Best level and gain"). The columns gain_mean, gain_sd,
    dense_mean and dense_sd are shares of 1. Seeds and experiments without a dense network are left out. Raises
    InputError when none is left.
    """
    parts = []
    for group in found:
        table = with_gain(group, found)
        if len(table):
            parts.append(_with_images(over_seeds(table, ["gain", "dense"], experiment=group.label), group))
    if not parts:
        raise InputError(
            "the gain is over the dense network, level 0, which none of the runs has: give a run of "
            "prune.method=imp with the same seeds, data, network and train fields too"
        )
    return polars.concat(parts)


def with_gain(group: Group, found: Sequence[Group]) -> polars.DataFrame:
    """Return the first layer's rows of the seeds that have a dense network, with the columns ``dense`` and ``gain``."""
    dense = dense_accuracies(group, found)
    kind = group.first_layer.schema["seed"]
    reference = polars.DataFrame({"seed": list(dense), "dense": list(dense.values())})
    reference = reference.with_columns(
        polars.col("seed").cast(kind), polars.col("dense").cast(polars.Float64)
    )
    table = group.first_layer.join(reference, on="seed", maintain_order="left")
    return table.with_columns((polars.col("best_val_accuracy") - polars.col("dense")).alias("gain"))


def largest_gains(group: Group, found: Sequence[Group]) -> list[float]:
    """Return the largest gain over the pruned levels for each seed, sorted by seed; empty without level 0."""
    table = with_gain(group, found).filter(polars.col("level") > 0)
    return table.group_by("seed").agg(polars.col("gain").max()).sort("seed")["gain"].to_list()


def dense_accuracies(group: Group, found: Sequence[Group]) -> dict[int, float]:
    """Return the best validation accuracy of the dense network of each seed of the group that has one.

    It is that of the seed's own level 0, else of level 0 of an experiment among ``found`` with the same seed, images,
    network and training.
    """
    known: dict[int, float] = {}
    for source in (group, *found):
        if 0 in source.levels and (source is group or _same_dense(source.runs[0], group.runs[0])):
            known = source.by_seed("best_val_accuracy", 0) | known
    return {run.seed: known[run.seed] for run in group.runs if run.seed in known}


def dense_key(run: Run) -> str:
    """Return a text that runs share whose dense networks are replicates: data, network and training."""
    fields = run.experiment.model_dump_json(
        include={"data", "network", "train"}, exclude={"data": {"root", "name"}}
    )
    return f"{same_data(run)} {fields}"


def _same_dense(source: Run, other: Run) -> bool:
    # With prune.early_bird, level 0 may end before its training is complete.
    if source.experiment.prune.early_bird is not None:
        return False
    return dense_key(source) == dense_key(other)


def of(table: polars.DataFrame, group: Group) -> polars.DataFrame:
    """Return the rows of a table whose column ``experiment`` names this group."""
    return table.filter(polars.col("experiment") == group.label)
