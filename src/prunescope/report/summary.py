"""Summarise runs over seeds: curves, and the page's key facts in plain words."""

from __future__ import annotations

import math
from typing import Any

from prunescope.analysis import input_wording
from prunescope.analysis.best_levels import DENSE
from prunescope.analysis.curves import summary
from prunescope.analysis.formats import accuracy, percent
from prunescope.analysis.groups import Group
from prunescope.analysis.nulls import sampled_z
from prunescope.report.encoding import number


def group_data(group: Group) -> dict[str, Any]:
    """Return mean and sd over seeds of each level's numbers, and the facts."""
    rows = curves(group)
    return {
        "label": group.label,
        "seeds": len(group.runs),
        "curves": [
            {key: number(value) if isinstance(value, float) else value for key, value in row.items()}
            for row in rows
        ],
        "facts": facts(rows, group),
        "opens_at": group.told_level()[0],
        "notes": list(group.notes),
    }


def curves(group: Group) -> list[dict[str, Any]]:
    """Return one row for each level that every run has finished, by ascending level.

    Other levels are left out, because a mean over fewer seeds than its neighbours' would mislead. A row also
    has ``u``, ``locality_z_min``, the smallest of all seeds, and ``z_shuffles``, from how many shuffled masks it comes
    where its sd is not exact.
    """
    rows = summary([group]).drop("experiment").rename({"nominal_density": "u"}).sort("level").to_dicts()
    for row in rows:
        z = group.by_seed("locality_z", row["level"]).values()
        row["locality_z_min"] = min(z, default=None)
        counts = map(sampled_z, group.first_layer.filter(level=row["level"]).iter_rows(named=True))
        row["z_shuffles"] = max((count for count in counts if count), default=None)
    return rows


def facts(rows: list[dict[str, Any]], group: Group) -> list[dict[str, str]]:
    """Return the headline numbers, each with a sentence: accuracy, locality, fan-in, seeds.

    The sentence says so where a quantity was not measured.
    """
    by_level = {row["level"]: row for row in rows}
    level, why = group.told_level()
    told = by_level[level]
    where = f"at u = {_percent(told['u'])}, {why}"
    return [
        _accuracy_fact(by_level.get(DENSE), by_level[group.best_level()], _images(group)),
        _locality_fact(told, where, input_wording.unit(group.runs[0])),
        _fan_in_fact(told, f"at u = {_percent(told['u'])}"),
        _seeds_fact(group),
    ]


def _images(group: Group) -> str:
    """Return " on 10,000 images", the number that choose the best step; it says so where that is not stored."""
    count = group.images("validation")
    of = input_wording.inputs(group.runs[0])
    return f" on {count:,} {of}" if count else f", number of {of} not stored,"


def _accuracy_fact(dense: dict[str, Any] | None, best: dict[str, Any], images: str) -> dict[str, str]:
    after = best["best_val_accuracy_mean"]
    if dense is None:
        text = f"best validation accuracy{images}, at u = {_percent(best['u'])}; there is no dense network to hold it against"
        return {"value": accuracy(after), "text": text}
    before = dense["best_val_accuracy_mean"]
    if best is dense or after < before:
        return {
            "value": accuracy(before),
            "text": f"validation accuracy{images} of the dense network; no pruned one is better",
        }
    text = f"validation accuracy{images}: dense, and best with {_percent(best['u'])} of the weights left"
    return {"value": f"{accuracy(before, unit=False)} → {accuracy(after)}", "text": text}


def _locality_fact(row: dict[str, Any], where: str, unit: str) -> dict[str, str]:
    value, z = row.get("locality_mean"), row.get("locality_z_min")
    if value is None:
        return {"value": "—", "text": "locality was not measured"}
    masks = f"{row['z_shuffles']} shuffled masks" if row.get("z_shuffles") else "shuffled masks"
    null = "no spread of shuffled masks was measured" if z is None else f"z = {z:z.0f} against {masks}"
    if z is not None and row["seeds"] > 1:
        null = f"z ≥ {math.floor(z)} against {masks} in every run"
    return {
        "value": f"{value:.2f} ×",
        "text": f"as many close pairs of {unit} per node as by chance ({null}), {where}",
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
    return percent(share).replace(" ", "\u00a0")
