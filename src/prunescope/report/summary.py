"""Curves over seeds, and the page's key facts in plain words."""

from __future__ import annotations

from typing import Any

import polars

from prunescope.figures.choice import Group, sparsest_no_worse
from prunescope.report.encoding import number

CURVES = ("best_val_accuracy", "locality", "locality_null", "locality_null_sd", "fan_in_var_ratio")


def group_data(group: Group) -> dict[str, Any]:
    """Mean and sd over seeds of each level's numbers, and the facts."""
    rows = _over_seeds(group)
    return {
        "label": group.label,
        "seeds": len(group.runs),
        "curves": [
            {key: number(value) if isinstance(value, float) else value for key, value in row.items()}
            for row in rows
        ],
        "facts": facts(rows, group),
        "opens_at": told_level(rows)[0]["level"],
    }


def facts(rows: list[dict[str, Any]], group: Group) -> list[dict[str, str]]:
    """Headline numbers, each with a sentence: accuracy, locality, fan-in, seeds. Says what was not measured."""
    dense = rows[0]
    best = max(rows, key=lambda row: row["best_val_accuracy_mean"])
    local, why = told_level(rows)
    where = f"at u = {_percent(local['u'])}, {why}"
    return [
        _accuracy_fact(dense, best),
        _locality_fact(local, where),
        _fan_in_fact(local, where),
        _seeds_fact(group),
    ]


def told_level(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """The level that the facts speak of, and why it.

    The sparsest whose mean best validation accuracy is at least the dense network's; where no pruned level's is,
    the sparsest of all.
    """
    if rows[0]["level"] != 0:  # methods that prune before training
        return rows[-1], "the last level"
    found = sparsest_no_worse([row["best_val_accuracy_mean"] for row in rows])
    if found is not None:
        return rows[found], "the sparsest level no worse than dense"
    if len(rows) > 1:
        return rows[-1], "the sparsest level; none is as good as dense"
    return rows[-1], "the only level so far"


def _over_seeds(group: Group) -> list[dict[str, Any]]:
    """One row a level that every run has finished: a mean over fewer seeds than its neighbours' would mislead."""
    table = group.table().filter(polars.col("layer") == 1, polars.col("level").is_in(group.levels))
    names = [name for name in (*CURVES, "locality_z") if name in table.columns]
    statistics = [polars.len().alias("seeds"), polars.col("nominal_density").mean().alias("u")]
    statistics += [polars.col(name).mean().alias(f"{name}_mean") for name in names]
    statistics += [polars.col(name).std().alias(f"{name}_sd") for name in names]
    if "locality_z" in names:
        statistics.append(polars.col("locality_z").min().alias("locality_z_min"))
    return table.group_by("level").agg(statistics).sort("level").to_dicts()


def _accuracy_fact(dense: dict[str, Any], best: dict[str, Any]) -> dict[str, str]:
    before, after = dense["best_val_accuracy_mean"], best["best_val_accuracy_mean"]
    if dense["level"] != 0:
        text = f"best validation accuracy, at u = {_percent(best['u'])}; the dense network was not stored"
        return {"value": f"{100 * after:.1f} %", "text": text}
    if best is dense:
        return {
            "value": f"{100 * before:.1f} %",
            "text": "validation accuracy of the dense network; no pruned one is better",
        }
    text = f"validation accuracy: dense, and best with {_percent(best['u'])} of the weights left"
    return {"value": f"{100 * before:.1f} → {100 * after:.1f} %", "text": text}


def _locality_fact(row: dict[str, Any], where: str) -> dict[str, str]:
    value, z = row.get("locality_mean"), row.get("locality_z_min")
    if value is None:
        return {"value": "—", "text": "locality was not measured"}
    null = "no spread of shuffled masks was measured" if z is None else f"z = {z:.0f} against shuffled masks"
    if z is not None and row["seeds"] > 1:
        null = f"z ≥ {z:.0f} against shuffled masks in every run"
    return {
        "value": f"{value:.2f} ×",
        "text": f"as many close pairs of pixels per node as by chance ({null}), {where}",
    }


def _fan_in_fact(row: dict[str, Any], where: str) -> dict[str, str]:
    value = row.get("fan_in_var_ratio_mean")
    if value is None:
        return {"value": "—", "text": "the variance of the fan-in was not measured"}
    return {
        "value": f"{value:.1f} ×",
        "text": f"the variance of the fan-in that random pruning would leave, {where}",
    }


def _seeds_fact(group: Group) -> dict[str, str]:
    count = len(group.runs)
    unfinished = sum(run.status != "done" for run in group.runs)
    plural = "s" if count > 1 else ""
    text = f"run{plural} of {group.label}, seed{plural} {', '.join(str(run.seed) for run in group.runs)}"
    if unfinished:
        text += ", not finished" if unfinished == count else f"; {unfinished} of them not finished"
    return {"value": str(count), "text": text}


def _percent(share: float) -> str:
    value = f"{100 * share:.0f}" if share >= 0.095 else f"{100 * share:.2g}"
    return f"{value}\u00a0%"
