"""Draw the parts of the page's plots: a panel, curves over seeds, points with spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunescope.analysis.input_wording import ImageKind, images_of
from prunescope.analysis.statistics import spread
from prunescope.figures.parts.style import FAINT, MUTED, density_axis
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity
from prunescope.reproduce.claims.miniature import Miniature

SIZE = (4.4, 2.5)


@dataclass(frozen=True)
class Style:
    """How numbers are drawn: their colour, their label in the legend, and a factor on their values."""

    colour: str
    label: str | None = None
    scale: float = 1


def panel() -> tuple[Figure, Axes]:
    """Make a figure with one panel."""
    figure = Figure(figsize=SIZE)
    return figure, figure.add_subplot()


def finish(
    figure: Figure, axes: Axes, ylabel: str, *, density: bool = True, xlabel: str = "unpruned weights $u$ (%)"
) -> Figure:
    """Add labels, the legend and, with ``density``, the axis of u; return the figure."""
    axes.set_ylabel(ylabel)
    if density:
        seen = [line.get_xdata() for line in axes.get_lines() if line.get_gid() != "reference"]
        values = np.concatenate([np.asarray(x, float) for x in seen]) if seen else np.array([])
        values = values[(values > 0) & (values <= 1)]
        density_axis(axes, values.tolist() or [0.1, 1.0])
        axes.set_xlabel(xlabel)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")
    return figure


def on_images(mini: Miniature, kinds: Sequence[str], label: str, images: ImageKind) -> str:
    """Return the label of an accuracy with the images that it is on, in a second line."""
    shown = [run for kind in kinds for run in mini[kind].runs.values()]
    return f"{label}\n{images_of(shown, images)}"


def thin(axes: Axes, mini: Miniature, kind: str, column: str, style: Style) -> None:
    """Draw a column of the first layer against nominal density, a faint line for each seed."""
    for seed in sorted(mini[kind].runs):
        rows = [row for row in mini[kind].layer(seed) if row.get(column) is not None]
        axes.plot(
            [row["nominal_density"] for row in rows],
            [style.scale * row[column] for row in rows],
            color=style.colour,
            lw=0.6,
            alpha=0.35,
        )


def curve(axes: Axes, mini: Miniature, kind: str, column: str, style: Style) -> None:
    """Draw mean ± sd over seeds against nominal density, of the levels that all seeds have."""
    points: dict[int, list[float]] = {}
    densities: dict[int, float] = {}
    for seed in mini[kind].runs:
        for row in mini[kind].layer(seed):
            if row.get(column) is not None:
                points.setdefault(row["level"], []).append(style.scale * row[column])
                densities[row["level"]] = row["nominal_density"]
    levels = sorted(level for level, values in points.items() if len(values) == len(mini[kind].runs))
    if not levels:
        return
    x = np.array([densities[level] for level in levels])
    found = [spread(points[level]) for level in levels]
    y, sd = (np.array(numbers) for numbers in zip(*[(one.mean, one.sd or 0.0) for one in found], strict=True))
    axes.plot(x, y, "o-", ms=2.5, lw=1.1, color=style.colour, label=style.label)
    axes.fill_between(x, y - sd, y + sd, color=style.colour, alpha=0.15, lw=0)


def null_band(axes: Axes, mini: Miniature, kind: str) -> None:
    """Shade mean ± 2 sd of the locality of shuffled masks, averaged over seeds, against nominal density."""
    by_level: dict[int, list[tuple[float, float, float]]] = {}
    for seed in mini[kind].runs:
        for row in mini[kind].layer(seed):
            if row.get("locality_null_sd") and row.get("locality_null") is not None:
                null = (row["nominal_density"], row["locality_null"], row["locality_null_sd"])
                by_level.setdefault(row["level"], []).append(null)
    if by_level:
        x, mean, sd = np.array([np.mean(by_level[level], axis=0) for level in sorted(by_level)]).T
        axes.fill_between(x, mean - 2 * sd, mean + 2 * sd, color=FAINT, lw=0, label="shuffled masks ± 2 sd")


def dense(axes: Axes, mini: Miniature) -> None:
    """Draw a dashed line at the dense network's held-out accuracy, mean over seeds."""
    dense = mini.at("", "imp", "heldout_accuracy", 1.0).values
    if dense:
        axes.axhline(
            100 * float(np.mean(dense)), color=MUTED, lw=0.8, ls="--", label="dense", gid="reference"
        )


def points(
    axes: Axes,
    places: Sequence[float] | np.ndarray,
    quantities: Sequence[MeasuredQuantity],
    style: Style,
    *,
    line: bool = True,
) -> None:
    """Draw mean ± sd over seeds at each place, joined by a line if ``line``; places without a number are left out."""
    found = [(x, spread(quantity.values)) for x, quantity in zip(places, quantities, strict=True)]
    shown = [
        (x, style.scale * one.mean, style.scale * (one.sd or 0.0)) for x, one in found if one.mean is not None
    ]
    if not shown:
        return
    x, means, sds = zip(*shown, strict=True)
    form = "o-" if line else "o"
    axes.errorbar(x, means, sds, fmt=form, ms=3, lw=1, capsize=2, color=style.colour, label=style.label)
