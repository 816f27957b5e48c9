"""The paper's figures, each drawn from stored runs with its data beside it. Cheap to import: no matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.runs.directory import Run


@dataclass(frozen=True)
class FigureSpec:
    """A figure that can be drawn: its name on the command line, what it shows and which runs it takes.

    ``source`` is ``module:function`` within this package; ``fewest`` is the smallest number of runs it takes.
    """

    id: str
    title: str
    needs: str
    source: str
    fewest: int = 1


_SEEDS = "runs of one experiment (any number of seeds)"
_ANY = "runs of any experiments"
_ONE = "one run (the first given)"
_NO_RUN = "no run"
_PERHAPS = "no run, or one (the first given) to compare with"

FIGURES: dict[str, FigureSpec] = {
    spec.id: spec
    for spec in (
        FigureSpec(
            "levels", "Accuracy, locality and fan-in variance against u", _ANY, "paper.accuracy:levels"
        ),
        FigureSpec("atlas", "Masks and weights beside shuffled ones", _ONE, "extra.atlas:figure_atlas"),
        FigureSpec("1a", "Best validation accuracy against u", _ANY, "paper.accuracy:figure_1a"),
        FigureSpec("1b", "Fan-in histograms at three u's", _SEEDS, "paper.connectivity:figure_1b"),
        FigureSpec(
            "1c", "Accuracy against the number of removed nodes", _SEEDS, "paper.connectivity:figure_1c"
        ),
        FigureSpec("2a", "What S(d) counts, on a small mask", _NO_RUN, "paper.sketch:figure_2a", 0),
        FigureSpec("2b", "Locality maps S_sc and S_dc at three u's", _SEEDS, "paper.locality:figure_2b"),
        FigureSpec(
            "g", "g(d) = S/E S, as maps and against distance", _SEEDS, "extra.relative_locality:figure_g"
        ),
        FigureSpec(
            "gain", "Gain in accuracy over the dense network against u", _ANY, "paper.accuracy:figure_gain"
        ),
        FigureSpec(
            "methods", "Accuracy and locality of all methods against u", _ANY, "extra.methods:figure_methods"
        ),
        FigureSpec("3a", "Masks of the 30 most connected nodes", _ONE, "paper.masks:figure_3a"),
        FigureSpec("3b", "Mask, weights and top images of chosen nodes", _ONE, "paper.masks:figure_3b"),
        FigureSpec("4", "The same nodes under different pruning", _ANY, "paper.same_nodes:figure_4"),
        FigureSpec("5", "S_sc, fan-in and masks of several experiments", _ANY, "paper.comparison:figure_5"),
        FigureSpec("6", "Minimisers: accuracy and training curves", _ANY, "paper.convergence:figure_6"),
        FigureSpec(
            "7", "Architectures: accuracy, training, S_sc, fan-in", _ANY, "paper.convergence:figure_7"
        ),
        FigureSpec(
            "8", "Pruning parameters: accuracy, training, locality", _ANY, "paper.convergence:figure_8"
        ),
        FigureSpec("9", "S_sc of nodes pruned at random", _PERHAPS, "paper.random_nodes:figure_9", 0),
        FigureSpec("10", "Fan-out of each pixel, C_out,0", _ANY, "paper.connectivity:figure_10"),
        FigureSpec("11", "S_sc by fan-in", _ANY, "paper.locality:figure_11"),
        FigureSpec("12", "Most connected masks of every hidden layer", _ONE, "paper.masks:figure_12"),
        FigureSpec("13", "Most connected masks of several experiments", _ANY, "paper.comparison:figure_13"),
        FigureSpec("14", "S_sc and fan-in of pruning methods", _ANY, "paper.comparison:figure_14"),
        FigureSpec(
            "15", "Second-layer nodes, what feeds them, top images", _ONE, "paper.hierarchy:figure_15"
        ),
        FigureSpec("16", "Progressive pruning: curves, a traced node", _ONE, "paper.progressive:figure_16"),
        FigureSpec("17", "Classes, gain, S_sc and fan-in of tasks", _ANY, "paper.tasks:figure_17"),
        FigureSpec("18", "Tasks between semantic and random", _ANY, "paper.tasks:figure_18"),
        FigureSpec("19", "Gain, S_sc and fan-in against the amount of data", _ANY, "paper.tasks:figure_19"),
        FigureSpec(
            "20", "Rotated images: S_sc, S_dc, their direction, masks", _SEEDS, "paper.variants:figure_20"
        ),
        FigureSpec("21", "Larger images: accuracy, S_sc, S_dc, masks", _SEEDS, "paper.variants:figure_21"),
        FigureSpec(
            "22", "Translated images: accuracy, S_sc, masks, weights", _SEEDS, "paper.variants:figure_22"
        ),
        FigureSpec(
            "table1", "The macro-classes beside the paper's", _PERHAPS, "paper.superclasses:figure_table1", 0
        ),
        FigureSpec(
            "videos", "Masks and weights over the levels, as movies", _ONE, "paper.videos:figure_videos"
        ),
        FigureSpec(
            "densities", "Densities of the layers against Erdős–Rényi's", _ANY, "extra.flow:figure_densities"
        ),
        FigureSpec("flow", "Magnitude of the layers and its flow", _ANY, "extra.flow:figure_flow"),
        FigureSpec("gabor", "R² of Gabor fits over the levels", _SEEDS, "extra.gabor:figure_gabor"),
        FigureSpec(
            "kurtosis", "Kurtosis and cavity effect over the levels", _ANY, "extra.kurtosis:figure_kurtosis"
        ),
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
    """Draw a figure into folder ``out``: PDF, PNG (300 dpi), movies (MP4) and its data (CSV or NPZ).

    ``levels``: the levels shown, where a figure shows some, default those the paper chooses around the best
    accuracy; ``nodes``: first-layer nodes of Fig. 3b and of the videos, default the most connected. Returns
    the paths written. Raises InputError for an unknown figure, no runs, runs without a finished level, or
    levels or nodes that are not there.
    """
    if figure_id not in FIGURES:
        raise InputError(f"unknown figure {figure_id!r}: figures are {', '.join(FIGURES)}")
    if len(runs) < FIGURES[figure_id].fewest:
        raise InputError(f"figure {figure_id} needs {FIGURES[figure_id].needs}; none given")
    from importlib import import_module

    from matplotlib import rc_context

    from prunescope.analysis.groups import Options
    from prunescope.figures.parts.drawing import write
    from prunescope.figures.parts.style import STYLE

    module, function = FIGURES[figure_id].source.split(":")
    make = getattr(import_module(f"prunescope.figures.{module}"), function)
    options = Options(None if levels is None else tuple(levels), None if nodes is None else tuple(nodes))
    with rc_context(STYLE):
        return write(make(list(runs), options), Path(out), f"figure-{figure_id}")
