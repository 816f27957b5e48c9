"""What one run comes to: a number for each quantity that runs are compared by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from prunescope.observe.connectivity import excess
from prunescope.store import Run

Facts = dict[str, float | None]


@dataclass(frozen=True)
class Quantity:
    """A number that every run has, or has not: its column, and what it is. ``percent``: printed as a percentage."""

    name: str
    title: str
    percent: bool = False


OF_A_LEVEL = (
    Quantity("heldout_accuracy", "held-out accuracy", True),
    Quantity("locality", "locality"),
    Quantity("locality_z", "locality z"),
    Quantity("fan_in_var_ratio", "fan-in variance ratio"),
    Quantity("fan_in_excess", "fan-in sd beyond chance", True),
)
DENSE = Quantity("dense_accuracy", "accuracy of the dense network", True)


def _at(place: str, prefix: str = "") -> tuple[Quantity, ...]:
    """The quantities that every level has, named for the level at this place."""
    return tuple(Quantity(prefix + of.name, f"{of.title} {place}", of.percent) for of in OF_A_LEVEL)


QUANTITIES = (
    DENSE,
    Quantity("best_accuracy", "best accuracy of a pruned network", True),
    Quantity("gain", "gain: best less dense", True),
    Quantity("best_u", "u at the best", True),
    *_at("at the best"),
    Quantity("sparsest_u", "u of the sparsest no worse than dense", True),
    *_at("there", prefix="sparsest_"),
)
AT_DENSITY = (
    DENSE,
    Quantity("u", "u nearest to the one asked for", True),
    Quantity("accuracy", "accuracy there", True),
    Quantity("gain", "gain: accuracy there less dense", True),
    *_at("there"),
)
NEAR = 1.2  # as far as the u compared may be from the one asked for: half a level of p = 0.3


def quantities(density: float | None = None) -> tuple[Quantity, ...]:
    """What ``facts`` finds: at the best and the sparsest level, or at the one nearest to a density."""
    return QUANTITIES if density is None else AT_DENSITY


def facts(run: Run, density: float | None = None) -> Facts:
    """The quantities of a run; None for what it has not.

    Accuracy is the best validation accuracy of a level, 0 to 1, and u the nominal density. The best level is
    the pruned one of highest accuracy (the densest of equals). Methods that prune before training
    have no dense level, so no gain and no level to be no worse than it. Locality and fan-in are of the first layer.
    With ``density``, those of the pruned level whose u is nearest to it, if that is within a factor NEAR.
    """
    table = run.table.filter(layer=1).sort("nominal_density", descending=True)
    rows = [row | {"fan_in_excess": _excess(row)} for row in table.iter_rows(named=True)]
    dense = next((row for row in rows if row["level"] == 0), None)
    before = _accuracy(dense) if dense else None
    pruned = [row for row in rows if row["level"] > 0]
    return _at_best(pruned, before) if density is None else _at_density(pruned, before, density)


def _at_best(pruned: list[dict[str, Any]], before: float | None) -> Facts:
    best = max(pruned, key=_accuracy) if pruned else None
    no_worse = [row for row in pruned if before is not None and _accuracy(row) >= before]
    sparsest = no_worse[-1] if no_worse else None
    found: Facts = {
        "dense_accuracy": before,
        "best_accuracy": _accuracy(best) if best else None,
        "gain": _accuracy(best) - before if best and before is not None else None,
        "best_u": best["nominal_density"] if best else None,
        "sparsest_u": sparsest["nominal_density"] if sparsest else None,
    }
    found |= _of_level(best) | _of_level(sparsest, prefix="sparsest_")
    return {quantity.name: found[quantity.name] for quantity in QUANTITIES}


def _at_density(pruned: list[dict[str, Any]], before: float | None, density: float) -> Facts:
    def distance(row: dict[str, Any]) -> float:
        return abs(math.log(row["nominal_density"] / density)) if row["nominal_density"] > 0 else math.inf

    nearest = min(pruned, key=distance, default=None)
    found: Facts = dict.fromkeys(quantity.name for quantity in AT_DENSITY) | {"dense_accuracy": before}
    if nearest is None or distance(nearest) > math.log(NEAR):
        return found
    accuracy = _accuracy(nearest)
    found |= {"u": nearest["nominal_density"], "accuracy": accuracy}
    found["gain"] = None if before is None else accuracy - before
    return found | _of_level(nearest)


def _of_level(row: dict[str, Any] | None, prefix: str = "") -> Facts:
    return {prefix + of.name: row.get(of.name) if row else None for of in OF_A_LEVEL}


def _excess(row: dict[str, Any]) -> float | None:
    """observe.fan_in_excess from what the run stored, so that older runs have it too."""
    ratio, mean, u = (row.get(name) for name in ("fan_in_var_ratio", "fan_in_mean", "weight_density"))
    if ratio is None or not mean or not u:
        return None
    found = excess(ratio, mean / u, u)
    return found if math.isfinite(found) else None


def _accuracy(row: dict[str, Any]) -> float:
    return float(row["best_val_accuracy"])
