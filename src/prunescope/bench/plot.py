"""Draw a step's time against u, one line for each competitor, and store its data beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from prunescope.bench.sizes import COMPETITORS
from prunescope.errors import InputError
from prunescope.figures.parts.drawing import PNG_DPI, rendered
from prunescope.figures.parts.style import BLUE, COLUMN, MUTED, PAGE, STYLE, VERMILION, density_axis, grid
from prunescope.files import advising, check_writable, replacing_together

SUFFIXES = (".png", ".pdf", ".svg")
COLOURS = {"plain": MUTED, "torch": BLUE, "native": VERMILION}
LABELS = {"plain": "plain PyTorch", "torch": "torch engine", "native": "native engine"}


def check_target(path: Path) -> None:
    """Raise InputError unless a figure can be written to ``path``."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--plot is {str(path)!r}: name a file that ends in {', '.join(SUFFIXES)}")
    with advising(path, "--plot"):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(path)
        check_writable(path.with_suffix(".json"))


def write_plot(results: dict[str, Any], path: Path) -> list[Path]:
    """Draw the steps into ``path`` and write machine, steps and limits beside it as JSON; return both paths."""
    numbers = {key: results[key] for key in ("machine", "step", "limits")}
    return write_steps(lambda: draw_steps(results["step"], results["limits"]["step"]), numbers, path)


def write_steps(draw: Callable[[], Figure], numbers: dict[str, Any], path: Path) -> list[Path]:
    """Write what ``draw`` draws into ``path`` and its numbers beside it as JSON; return both paths."""
    with rc_context(STYLE | {"svg.hashsalt": "prunescope"}):
        figure = draw()
        # Without a creation date the same numbers give the same bytes.
        metadata = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix.lower())
        data = path.with_suffix(".json")
        with replacing_together() as temporary:
            form = path.suffix.lower().removeprefix(".")
            temporary(path).write_bytes(rendered(figure, format=form, dpi=PNG_DPI, metadata=metadata))
            temporary(data).write_text(json.dumps(numbers, indent=2) + "\n", "utf-8")
    return [path, data]


def draw_steps(steps: Sequence[dict[str, Any]], limits: Sequence[dict[str, Any]]) -> Figure:
    """Draw the seconds of a step against u, a panel for each number of classes, on logarithmic axes.

    The dotted line is the time of the kept work at the machine's limits.
    """
    panels = list(dict.fromkeys(row["classes"] for row in steps))
    figure = Figure(figsize=(PAGE if len(panels) > 1 else COLUMN, 2.5))
    axes = grid(figure, 1, len(panels))[0]
    for panel, classes in zip(axes, panels, strict=True):
        rows = [row for row in steps if row["classes"] == classes]
        for name in COMPETITORS:
            own = [row for row in rows if row["competitor"] == name]
            if own:
                draw_line(panel, own, color=COLOURS[name], label=LABELS[name], marker="o")
        least = [row for row in limits if row["classes"] == classes and row["competitor"] == "plain"]
        draw_line(panel, least, color=MUTED, label="kept work at the machine's limits", ls=":", lw=0.9)
        time_axis(panel, [row["u"] for row in rows])
        panel.set_title(f"{classes} classes")
    share_range(axes)
    axes[0].set_ylabel("one training step (ms)")
    axes[0].legend(loc="lower left")
    return figure


def draw_line(axes: Axes, rows: Sequence[dict[str, Any]], **style: Any) -> None:
    """Draw the milliseconds of rows against u."""
    rows = sorted(rows, key=lambda row: -row["u"])
    axes.plot([row["u"] for row in rows], [1000 * row["seconds"] for row in rows], **style)


def time_axis(panel: Axes, densities: Sequence[float]) -> None:
    """Make both axes of a panel logarithmic: densities, and milliseconds with plain numbers."""
    panel.set_yscale("log")
    density_axis(panel, densities)
    panel.yaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def share_range(axes: Sequence[Axes]) -> None:
    """Give all panels the same range, so that they can be compared."""
    limits = [panel.get_ylim() for panel in axes]
    for panel in axes:
        panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
