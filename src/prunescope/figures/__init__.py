"""This package draws the paper's figures, and some more, from stored runs and writes the numbers beside them.

Importing it is fast, because matplotlib is imported only when a figure is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError
from prunescope.figures.figure_files import check_figure_place, file_stem
from prunescope.figures.registry import FIGURES, FigureSpec, figures, find_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from prunescope.runs.directory import Run

__all__ = ["FIGURES", "FigureSpec", "draw", "figures", "plot"]


def draw(
    figure_id: str,
    runs: Sequence[Run],
    out: Path,
    *,
    levels: Sequence[int] | None = None,
    nodes: Sequence[int] | None = None,
) -> list[Path]:
    """Draw a figure into folder ``out`` as PDF and PNG (300 dpi), with its movies (MP4) and data (CSV or NPZ).

    ``figure_id``: a name among ``figures()``. ``runs``: the stored runs, as many as the figure's FigureSpec asks for.
    ``levels``: the levels shown, where a figure shows some, by default those that the paper chooses around the best
    accuracy. ``nodes``: the nodes shown, where a figure shows chosen ones, by default the most connected.
    Returns the paths written. Raises InputError for an unknown figure, too few runs, runs without a finished
    level, runs on tables where the figure needs inputs with geometry, levels or nodes that do not exist, or a folder that
    cannot be written.
    """
    spec = _checked(figure_id, runs)
    check_figure_place(Path(out), figure_id)
    from prunescope.figures.parts.drawing import write
    from prunescope.figures.plots import drawing, in_style

    with in_style():
        return write(drawing(spec, runs, levels, nodes), Path(out), file_stem(figure_id))


def plot(
    figure_id: str,
    runs: Sequence[Run],
    *,
    levels: Sequence[int] | int | None = None,
    nodes: Sequence[int] | int | None = None,
) -> Figure:
    """Draw a figure, as ``draw`` does, and return it with the notes below it; no file is written."""
    spec = _checked(figure_id, runs)
    from prunescope.figures.plots import drawing, finished, in_style

    with in_style():
        return finished(drawing(spec, runs, levels, nodes))


def _checked(figure_id: str, runs: Sequence[Run]) -> FigureSpec:
    """Return what the registry says of a figure; raise InputError where there is none, or the runs are not what it needs."""
    spec = find_figure(figure_id)
    if len(runs) < spec.fewest:
        raise InputError(f"figure {figure_id} needs {spec.needs}; none given")
    _check_geometry(spec, runs)
    return spec


def _check_geometry(spec: FigureSpec, runs: Sequence[Run]) -> None:
    """Raise InputError for a run on tables in a figure that needs inputs with geometry; it names those that do not."""
    if not spec.geometry:
        return
    for run in runs[:1] if spec.one_run else runs:
        if run.experiment.data.geometry == "none":
            others = ", ".join(figure.id for figure in FIGURES.values() if not figure.geometry)
            raise InputError(
                f"{run.path}: its inputs have no geometry (data.geometry=none), which figure {spec.id} needs; figures "
                f"that need none are {others}"
            )
