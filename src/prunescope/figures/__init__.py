"""The paper's figures, each drawn from stored runs with its data beside it. Cheap to import: no matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError
from prunescope.figures.registry import FIGURES, FigureSpec, figures, find_figure

if TYPE_CHECKING:
    from prunescope.runs.directory import Run

__all__ = ["FIGURES", "FigureSpec", "draw", "figures"]


def draw(
    figure_id: str,
    runs: Sequence[Run],
    out: Path,
    *,
    levels: Sequence[int] | None = None,
    nodes: Sequence[int] | None = None,
) -> list[Path]:
    """Draw a figure into folder ``out``: PDF, PNG (300 dpi), movies (MP4) and its data (CSV or NPZ).

    ``levels``: the levels shown, where a figure shows some, default those the paper chooses around the best
    accuracy; ``nodes``: first-layer nodes of Fig. 3b and of the videos, default the most connected. Returns
    the paths written. Raises InputError for an unknown figure, no runs, runs without a finished level, or
    levels or nodes that are not there.
    """
    spec = find_figure(figure_id)
    if len(runs) < spec.fewest:
        raise InputError(f"figure {figure_id} needs {spec.needs}; none given")
    from importlib import import_module

    from matplotlib import rc_context

    from prunescope.analysis.groups import FigureOptions
    from prunescope.figures.parts.drawing import write
    from prunescope.figures.parts.style import STYLE

    module, function = spec.source.split(":")
    make = getattr(import_module(f"prunescope.figures.{module}"), function)
    options = FigureOptions(
        None if levels is None else tuple(levels), None if nodes is None else tuple(nodes)
    )
    with rc_context(STYLE):
        return write(make(list(runs), options), Path(out), f"figure-{figure_id}")
