"""Recommend an engine in one sentence, from what was measured on this machine, and compare libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def advice(results: dict[str, Any]) -> str:
    """Return one sentence about ``run.engine``, from the steps, pruning run and sequence of run_bench's results.

    It is empty when none was measured.
    """
    points = _points(results["step"])
    whole = "; ".join(filter(None, (_whole_run(results["imp"]), _sequence(results["sequence"]))))
    if not points:
        return f"{whole[0].upper()}{whole[1:]}." if whole else ""
    return _engine_choice(points) + (f"; {whole}" if whole else "") + "."


Point = tuple[int, float, dict[str, float]]


def _points(steps: Sequence[dict[str, Any]]) -> list[Point]:
    """Return (classes, u, seconds by competitor) of each measured point."""
    found: dict[tuple[int, float], dict[str, float]] = {}
    for row in steps:
        found.setdefault((row["classes"], row["u"]), {})[row["competitor"]] = row["seconds"]
    return [(classes, u, seconds) for (classes, u), seconds in found.items()]


def _engine_choice(points: list[Point]) -> str:
    if any("native" not in seconds for _, _, seconds in points):
        return f"Use run.engine=torch, the only engine here: it takes {_times(points, 'torch')}"
    wins = [(classes, u) for classes, u, seconds in points if seconds["native"] < seconds["torch"]]
    losses = [(classes, u) for classes, u, _ in points if (classes, u) not in wins]
    everywhere = "it is the faster engine at every density measured and takes"
    if not losses:
        return f"Use run.engine=native: {everywhere} {_times(points, 'native')}"
    if not wins:
        return f"Use run.engine=torch: {everywhere} {_times(points, 'torch')}"
    times = _times([point for point in points if point[:2] in wins], "native")
    highest, lowest = max(u for _, u in wins), min(u for _, u in losses)
    if highest < lowest:
        below = f"the faster engine from u = {highest:g} down, where it takes {times}"
        return f"Use run.engine=native, {below}; torch is faster at u = {lowest:g} and above"
    where = ", ".join(f"u = {u:g} with {classes} classes" for classes, u in losses)
    return f"Use run.engine=native, the faster engine but for {where}; elsewhere it takes {times}"


def _times(points: list[Point], name: str) -> str:
    """Format a competitor's time as shares of plain's: the range over the points."""
    shares = [100 * seconds[name] / seconds["plain"] for _, _, seconds in points]
    low, high = (f"{share:.2g}" if share < 9.95 else f"{share:.0f}" for share in (min(shares), max(shares)))
    share = f"{low} %" if low == high else f"{low} to {high} %"
    return f"{share} of plain PyTorch's time"


def _whole_run(imp: Sequence[dict[str, Any]]) -> str:
    best = _fastest_engine(imp)
    if best is None:
        return ""
    return (
        f"a pruning run of {best['levels']} levels is {best['ratio']:.2g} times as fast "
        f"with {best['competitor']} as with plain PyTorch"
    )


def _sequence(sequence: Sequence[dict[str, Any]]) -> str:
    best = _fastest_engine(sequence)
    if best is None:
        return ""
    return (
        f"with {best['competitor']}, a sequence of {best['levels']} levels of {best['steps']:,} steps takes as long as "
        f"{best['dense_trainings']:.1f} dense trainings in plain PyTorch"
    )


def native_factors(layers: Sequence[dict[str, Any]]) -> dict[float, float]:
    """Return by u how many times faster the native layer is than the fastest other sparse library.

    Densities at which native or every other library is missing are left out.
    """
    found: dict[float, dict[str, float]] = {}
    for row in layers:
        found.setdefault(row["u"], {})[row["competitor"]] = row["seconds"]
    factors = {}
    for u, seconds in found.items():
        others = [each for name, each in seconds.items() if name not in ("plain", "native")]
        if others and "native" in seconds:
            factors[u] = min(others) / seconds["native"]
    return factors


def _fastest_engine(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row of the engine that takes the least time, if there is an engine."""
    engines = (row for row in rows if row["competitor"] != "plain")
    return min(engines, key=lambda row: row["seconds"], default=None)
