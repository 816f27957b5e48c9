"""Draw a step's time on a device against u, one line for each competitor and precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prunescope.bench.plot import draw_line, share_range, time_axis, write_steps
from prunescope.figures.parts.style import BLUE, COLUMN, MUTED, ORANGE, PAGE, PURPLE, grid

# A competitor has a colour, a precision a line and a marker, which tells it where only one point was measured.
COLOURS = {"plain": MUTED, "compiled-default": PURPLE, "compiled": ORANGE, "torch": BLUE}
LINES = {"float32": ":", "tf32": "--", "bf16": "-"}
LEGEND = 1.4  # inches
MARKERS = {"float32": "o", "tf32": "s", "bf16": "^"}
LABELS = {
    "plain": "plain PyTorch",
    "compiled": "compiled",
    "compiled-default": "compiled, no graphs",
    "torch": "torch engine",
}


def write_device_plot(results: dict[str, Any], path: Path) -> list[Path]:
    """Draw the steps into ``path`` and write all results beside it as JSON; return both paths."""
    return write_steps(lambda: draw_device_steps(results["step"]), results, path)


def draw_device_steps(steps: Sequence[dict[str, Any]]) -> Figure:
    """Draw the seconds of a step against u, a panel for each number of classes, where all units are alive."""
    steps = [row for row in steps if row["alive"] == 1]
    panels = sorted({row["classes"] for row in steps})
    figure = Figure(figsize=(PAGE if len(panels) > 1 else COLUMN + LEGEND, 2.8))
    axes = grid(figure, 1, len(panels))[0]
    for panel, classes in zip(axes, panels, strict=True):
        rows = [row for row in steps if row["classes"] == classes]
        for kind, precision in _lines(rows):
            own = [row for row in rows if (row["competitor"], row["precision"]) == (kind, precision)]
            draw_line(panel, own, **_style(kind, precision))
        time_axis(panel, [row["u"] for row in rows])
        panel.set_title(f"{classes} classes")
    share_range(axes)
    axes[0].set_ylabel("one training step (ms)")
    # Beside the axes, where it covers no line.
    entries = [
        Line2D([], [], label=f"{LABELS[kind]}, {precision}", **_style(kind, precision))
        for kind, precision in _lines(steps)
    ]
    figure.legend(handles=entries, loc="outside right center", fontsize="small", handlelength=3)
    return figure


def _lines(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return each competitor and precision once, those of one competitor together, in the order of most times."""
    found = {(row["competitor"], row["precision"]) for row in rows}
    kinds, precisions = list(COLOURS), [*LINES, *sorted({precision for _, precision in found} - LINES.keys())]
    return sorted(found, key=lambda one: (kinds.index(one[0]), precisions.index(one[1])))


def _style(kind: str, precision: str) -> dict[str, Any]:
    line, marker = LINES.get(precision, "-"), MARKERS.get(precision, "D")
    return {"color": COLOURS[kind], "linestyle": line, "marker": marker, "markersize": 4}
