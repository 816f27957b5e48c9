"""The output of ``bench --device``: tables of steps, evaluations and sequences, as lines of plain columns."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prunescope.bench.device.sizes import DEVICE_FULL, DEVICE_QUICK, DeviceRequest
from prunescope.errors import InputError

Row = dict[str, Any]


def device_lines(results: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of all tables of a device's benchmark, the sequences last."""
    machine, limits = results["machine"], results["limits"]
    yield f"{machine['device']}, torch {machine['torch']}, {machine['processor']}, {machine['cores']} cores"
    yield f"copy {limits['copy_gb_per_second']:.0f} GB/s"
    rows = [
        [name, f"{one['product_tflops']:.1f}", _us(one["products_seconds"]), f"{one['products_tflops']:.1f}"]
        for name, one in limits["precisions"].items()
    ]
    header = ["precision", "large product, TFLOP/s", "a step's products, µs", "TFLOP/s"]
    yield from _columns("limits", header, rows)
    yield from _step_lines(results["step"], limits)
    if results["evaluation"]:
        rows = [
            [
                r["precision"],
                str(r["images"]),
                *(_us(r[name]) for name in ("seconds", "model_seconds", "snapshot_seconds")),
            ]
            for r in results["evaluation"]
        ]
        yield from _columns(
            "evaluation", ["precision", "images", "µs", "a copy of the model, µs", "a snapshot, µs"], rows
        )
    if results["level_end"]:
        rows = [[f"{r['u']:g}", r["piece"], f"{r['seconds']:.3f}"] for r in results["level_end"]]
        yield from _columns("end of a level", ["u", "what", "seconds"], rows)
    yield from (f"note: {note}" for note in results["notes"])
    yield from _sequence_lines(results)


def _step_lines(steps: Sequence[Row], limits: Row) -> Iterator[str]:
    rows = []
    for row in steps:
        same = [other for other in steps if _place(other) == _place(row)]
        products = limits["precisions"].get(row["precision"], {}).get("products_seconds")
        largest = row["classes"] == max(other["classes"] for other in steps) and row["alive"] == 1
        rows.append(
            [
                str(row["classes"]),
                f"{row['u']:g}",
                f"{row['alive']:g}",
                row["competitor"],
                row["precision"],
                _us(row["seconds"]),
                _us(row["wall"]),
                _times(row, [other for other in same if other["competitor"] == "plain"]),
                _times(row, [other for other in same if other["competitor"].startswith("compiled")]),
                _share(row["share"]),
                _share(products / row["seconds"] if products and largest else None),
                f"{row['start_seconds']:.1f}",
            ]
        )
    header = ["classes", "u", "alive", "competitor", "precision", "µs", "wall µs"]
    header += ["plain /", "compiled /", "of limit", "products", "start, s"]
    yield from _columns(
        "one training step; times as fast as plain and compiled in its precision", header, rows
    )


def _place(row: Row) -> tuple[Any, ...]:
    return row["classes"], row["u"], row["alive"], row["precision"]


def _times(row: Row, others: Sequence[Row]) -> str:
    """Return how many times as fast as the fastest of the others a step is."""
    return f"{min(other['seconds'] for other in others) / row['seconds']:.2f}" if others else "-"


def _sequence_lines(results: dict[str, Any]) -> Iterator[str]:
    rows = [
        [
            row["competitor"],
            row["precision"],
            f"{row['minutes']:.1f}",
            f"{row['steps_minutes']:.1f}",
            f"{row['evaluations_minutes']:.1f}",
            f"{row['level_ends_minutes']:.1f}" if results["level_end"] else "not timed",
            str(row["densities_measured"]),
        ]
        for row in results["sequence"]
    ]
    header = ["competitor", "precision", "minutes", "steps", "evaluations", "ends of levels", "densities"]
    yield from _columns("minutes of a paper sequence, from what was measured", header, rows)


def _columns(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    yield ""
    yield title
    for row in [header, *rows]:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def _us(seconds: float) -> str:
    return f"{1e6 * seconds:.0f}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def device_request(
    device: str, seconds: float | None, quick: bool, others: dict[str, object]
) -> DeviceRequest:
    """Return what is asked for; raise InputError for ``others``, options that a device's benchmark does not have."""
    if device == "cpu":
        raise InputError("--seconds is for --device, as in --device cuda: leave it out")
    for name, value in others.items():
        if value is not None:
            raise InputError(f"{name} is {value!r}: with --device there are only steps; leave it out")
    if seconds is not None and not seconds > 0:
        raise InputError(f"--seconds is {seconds:g}: give a number above 0")
    sizes = DEVICE_QUICK if quick else DEVICE_FULL
    return DeviceRequest(device, sizes, math.inf if seconds is None else seconds, quick)


def print_device_bench(request: DeviceRequest, plot: Path | None, as_json: bool) -> None:
    """Measure a device and print the results; progress goes to stderr. Also draw the steps into ``plot`` if it is given."""
    if plot is not None:
        from prunescope.bench.plot import check_target

        check_target(plot)
    from prunescope.bench.device.suite import run_device_bench

    results = run_device_bench(request, _say)
    if plot is not None and results["step"]:
        from prunescope.bench.device.plot import write_device_plot

        for path in write_device_plot(results, plot):
            _say(f"wrote {path}")
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        for line in device_lines(results):
            print(line)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
