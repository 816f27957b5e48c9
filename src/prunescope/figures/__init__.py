"""The paper's figures, each drawn from stored runs with its data beside it. Cheap to import: no matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.store import Run


@dataclass(frozen=True)
class FigureSpec:
    """A figure that can be drawn: its name on the command line, what it shows and which runs it takes.

    ``source`` is ``module:function`` within this package.
    """

    id: str
    title: str
    needs: str
    source: str


_SEEDS = "runs of one experiment (any number of seeds)"
_ANY = "runs of any experiments"
_ONE = "one run (the first given)"

FIGURES: dict[str, FigureSpec] = {
    spec.id: spec
    for spec in (
        FigureSpec("levels", "Accuracy, locality and fan-in variance against u", _ANY, "accuracy:levels"),
        FigureSpec("atlas", "Masks and weights beside shuffled ones", _ONE, "atlas:figure_atlas"),
        FigureSpec("1a", "Best validation accuracy against u", _ANY, "accuracy:figure_1a"),
        FigureSpec("1b", "Fan-in histograms at three u's", _SEEDS, "connectivity:figure_1b"),
        FigureSpec("1c", "Accuracy against the number of removed nodes", _SEEDS, "connectivity:figure_1c"),
        FigureSpec("2b", "Locality maps S_sc and S_dc at three u's", _SEEDS, "locality:figure_2b"),
        FigureSpec("g", "g(d) = S/E S, as maps and against distance", _SEEDS, "relative:figure_g"),
        FigureSpec("3a", "Masks of the 30 most connected nodes", _ONE, "masks:figure_3a"),
        FigureSpec("3b", "Mask, weights and top images of chosen nodes", _ONE, "masks:figure_3b"),
        FigureSpec("10", "Fan-out of each pixel, C_out,0", _ANY, "connectivity:figure_10"),
        FigureSpec("11", "S_sc by fan-in", _ANY, "locality:figure_11"),
        FigureSpec("12", "Most connected masks of every hidden layer", _ONE, "masks:figure_12"),
    )
}


def draw(
    figure_id: str,
    runs: Sequence[Run],
    out: Path,
    *,
    levels: Sequence[int] | None = None,
    nodes: Sequence[int] | None = None,
) -> list[Path]:
    """Draw a figure into folder ``out``: PDF, PNG (300 dpi) and its data (CSV table or NPZ arrays).

    ``levels``: the levels shown, where a figure shows some, default those the paper chooses around the best
    accuracy; ``nodes``: first-layer nodes of Fig. 3b, default the most connected. Returns the paths written.
    Raises InputError for an unknown figure, no runs, runs without a finished level, or levels or nodes that
    are not there.
    """
    if figure_id not in FIGURES:
        raise InputError(f"unknown figure {figure_id!r}: figures are {', '.join(FIGURES)}")
    if not runs:
        raise InputError(f"figure {figure_id} needs {FIGURES[figure_id].needs}; none given")
    from importlib import import_module

    from matplotlib import rc_context

    from prunescope.figures.drawing import Options, write
    from prunescope.figures.style import STYLE

    module, function = FIGURES[figure_id].source.split(":")
    make = getattr(import_module(f"prunescope.figures.{module}"), function)
    options = Options(None if levels is None else tuple(levels), None if nodes is None else tuple(nodes))
    with rc_context(STYLE):
        return write(make(list(runs), options), Path(out), f"figure-{figure_id}")
