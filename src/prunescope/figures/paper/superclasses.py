"""This module draws the table of the ten semantic macro-classes beside the paper's (paper Table 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunescope.analysis.groups import FigureOptions
from prunescope.data.prepared.preparation import find_prepared
from prunescope.data.prepared.reading import open_prepared
from prunescope.data.tasks.imagenet import MACRO_CLASSES, categories
from prunescope.data.tasks.resolving import resolve
from prunescope.errors import InputError
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.style import FAINT, INK, MUTED, VERMILION
from prunescope.figures.parts.tiles import blank
from prunescope.runs.directory import Run

PAPER_CLASSES = (118, 100, 95, 85, 104, 111, 99, 95, 96, 97)
PAPER_IMAGES = (147873, 129728, 122895, 110034, 131965, 142423, 126603, 122661, 122701, 124282)
PAPER_TOTAL = 1281167  # The total that the paper states; its rows add up to two less.
ROW, TOP = 0.2, 0.62


def figure_table1(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw the table of ImageNet's classes in each macro-class, ours from WordNet 3.0 and the paper's.

    It also holds the paper's numbers of images. With a run whose classes are ImageNet's (all, or some that are named
    by wnid) it also holds how many of the run's classes and training images fall in each macro-class; the data must
    still be prepared on this machine. Data: one row for each macro-class. Raises InputError as run_counts does.
    Paper Table 1.
    """
    ours = np.bincount([category.semantic for category in categories()], minlength=len(MACRO_CLASSES))
    table = polars.DataFrame(
        {
            "number": np.arange(len(MACRO_CLASSES)),
            "composition": MACRO_CLASSES,
            "classes": ours,
            "classes_paper": PAPER_CLASSES,
            "difference": ours - np.array(PAPER_CLASSES),
            "images_paper": PAPER_IMAGES,
        }
    )
    label = ""
    if runs:
        classes, images = run_counts(runs[0])
        table = table.with_columns(classes_run=classes, images_run=images)
        label = runs[0].experiment.name
    return Drawing(_draw(table, label), table)


def run_counts(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return how many classes and training images of a run's source fall in each macro-class, int64 [10] each.

    Raises InputError when its data is not prepared on this machine, or its classes are not ImageNet's.
    """
    data = run.experiment.data
    folder = find_prepared(data)
    if folder is None:
        raise InputError(
            f"{run.path}: its data ({data.source}, data.root={data.root!r}) does not lie prepared here; "
            "leave the run out for the table of classes alone"
        )
    prepared = open_prepared(folder)
    try:
        task = resolve(data.model_copy(update={"task": "semantic"}), prepared.classes)
    except InputError:
        raise InputError(
            f"{run.path}: its classes are not known to be ImageNet's ({prepared.classes[0]!r}, …); "
            "leave the run out for the table of classes alone"
        ) from None
    images = np.bincount(task.labels[prepared.labels("train")], minlength=len(MACRO_CLASSES))
    return np.bincount(task.labels, minlength=len(MACRO_CLASSES)), images


def _draw(table: polars.DataFrame, label: str) -> Figure:
    """Draw the table with numbers right-aligned, a rule above and below, and totals at the end."""
    columns = [
        ("classes", "classes\nhere", 3.1),
        ("classes_paper", "classes\npaper", 3.7),
        ("difference", "difference", 4.45),
        ("images_paper", "images\npaper", 5.25),
    ]
    if label:
        columns += [("classes_run", f"classes\n{label}", 6.1), ("images_run", f"images\n{label}", 7.0)]
    width = max(5.4, columns[-1][2] + 0.15)
    figure, axes = blank(width, TOP + (len(table) + 1) * ROW + 0.25)
    for x, text in ((0.25, "#"), (0.45, "macro-class (rough composition)")):
        axes.text(x, TOP - 0.12, text, ha="right" if text == "#" else "left", color=MUTED)
    for name, head, x in columns:
        for line, text in enumerate(reversed(head.split("\n"))):
            axes.text(x, TOP - 0.12 - 0.12 * line, text, ha="right", color=MUTED)
        for row, value in enumerate([*table[name], table[name].sum()]):
            _number(axes, x, TOP + (row + 0.6) * ROW, int(value), signed=name == "difference")
    for row, (number, composition) in enumerate(table.select("number", "composition").iter_rows()):
        axes.text(0.25, TOP + (row + 0.6) * ROW, str(number), ha="right")
        axes.text(0.45, TOP + (row + 0.6) * ROW, composition)
    axes.text(0.45, TOP + (len(table) + 0.6) * ROW, "total")
    bottom = TOP + len(table) * ROW
    for y, colour in ((TOP - 0.05, INK), (bottom - 0.04, FAINT), (bottom + ROW - 0.02, INK)):
        axes.plot([0.1, width - 0.1], [y, y], color=colour, lw=0.7)
    note = f"The paper's own total of images is {PAPER_TOTAL:,}.".replace(",", "\u2009")
    axes.text(0.1, bottom + ROW + 0.14, note, color=MUTED, fontsize=5.5)
    return figure


def _number(axes: Axes, x: float, y: float, value: int, *, signed: bool) -> None:
    text = f"{value:+,}" if signed and value else f"{value:,}"
    colour = VERMILION if signed and value else INK
    axes.text(x, y, text.replace(",", "\u2009").replace("-", "\u2212"), ha="right", color=colour)
