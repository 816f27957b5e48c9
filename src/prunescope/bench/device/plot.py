"""Draw a step's time on a device against u, one line for each competitor and precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from prunescope.bench.plot import draw_line, share_range, time_axis, write_steps
from prunescope.figures.parts.style import BLUE, COLUMN, MUTED, ORANGE, PAGE, VERMILION, grid

COLOURS = {"plain": MUTED, "compiled": ORANGE, "compiled-default": VERMILION, "torch": BLUE}
LINES = {"float32": ":", "tf32": "--", "bf16": "-"}
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
    figure = Figure(figsize=(PAGE if len(panels) > 1 else COLUMN, 2.5))
    axes = grid(figure, 1, len(panels))[0]
    for panel, classes in zip(axes, panels, strict=True):
        rows = [row for row in steps if row["classes"] == classes]
        for kind, precision in dict.fromkeys((row["competitor"], row["precision"]) for row in rows):
            own = [row for row in rows if (row["competitor"], row["precision"]) == (kind, precision)]
            label = f"{LABELS[kind]}, {precision}"
            draw_line(panel, own, color=COLOURS[kind], ls=LINES.get(precision, "-"), label=label, marker="o")
        time_axis(panel, [row["u"] for row in rows])
        panel.set_title(f"{classes} classes")
    share_range(axes)
    axes[0].set_ylabel("one training step (ms)")
    axes[-1].legend(loc="lower left", fontsize="x-small")
    return figure
