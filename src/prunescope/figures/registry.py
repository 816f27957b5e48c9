"""This module lists the figures that can be drawn, by name. Importing it does not import matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Literal

from prunescope.errors import InputError, did_you_mean

# How a figure chooses the levels that it shows: that of Group.shown_level, levels around it, or that of Group.told_level.
Rule = Literal["shown", "around", "told"]


@dataclass(frozen=True)
class FigureSpec:
    """A figure that can be drawn: ``id``, its name on the command line, and what it shows and needs.

    ``title`` says what it shows and ``needs`` which runs it takes, both in words. ``source`` is the function that
    draws it, as ``module:function`` within prunescope.figures. ``fewest`` is the smallest number of runs. The others
    decide which notes are below the figure: ``accuracies``, that it shows some; ``first_layer``, that its masks and
    what follows from them are those of the first layer alone; ``levels``, by which rule it chooses levels.
    ``geometry``: whether it needs inputs with geometry, which images and series are, and tables are not.
    """

    id: str
    title: str
    needs: str
    source: str
    fewest: int = 1
    accuracies: bool = False
    first_layer: bool = False
    levels: Rule | None = None
    geometry: bool = True

    @property
    def one_run(self) -> bool:
        """Whether it shows the first run alone."""
        return self.needs in (ONE, PERHAPS)


SEEDS = "runs of one experiment (any number of seeds)"
ANY = "runs of any experiments"
ONE = "one run (the first given)"
NO_RUN = "no run"
PERHAPS = "no run, or one (the first given) to compare with"

FIGURES: dict[str, FigureSpec] = {
    spec.id: spec
    for spec in (
        FigureSpec(
            "levels",
            "Accuracy, locality and fan-in variance against u",
            ANY,
            "paper.accuracy:levels",
            accuracies=True,
            first_layer=True,
            geometry=False,
        ),
        FigureSpec(
            "atlas",
            "Masks and weights beside shuffled ones",
            ONE,
            "extra.atlas:figure_atlas",
            first_layer=True,
            levels="told",
        ),
        FigureSpec(
            "1a",
            "Best validation accuracy against u",
            ANY,
            "paper.accuracy:figure_1a",
            accuracies=True,
            geometry=False,
        ),
        FigureSpec(
            "1b",
            "Fan-in histograms at three u's",
            SEEDS,
            "paper.connectivity:figure_1b",
            first_layer=True,
            levels="around",
            geometry=False,
        ),
        FigureSpec(
            "1c",
            "Accuracy against the number of removed nodes",
            SEEDS,
            "paper.connectivity:figure_1c",
            accuracies=True,
            levels="shown",
            geometry=False,
        ),
        FigureSpec("2a", "What S(d) counts, on a small mask", NO_RUN, "paper.sketch:figure_2a", 0),
        FigureSpec(
            "2b",
            "Locality maps S_sc and S_dc at three u's",
            SEEDS,
            "paper.locality:figure_2b",
            first_layer=True,
            levels="around",
        ),
        FigureSpec(
            "g",
            "g(d) = S/E S, as maps and against distance",
            SEEDS,
            "extra.relative_locality:figure_g",
            first_layer=True,
            levels="around",
        ),
        FigureSpec(
            "gain",
            "Gain in accuracy over the dense network against u",
            ANY,
            "paper.accuracy:figure_gain",
            accuracies=True,
            geometry=False,
        ),
        FigureSpec(
            "methods",
            "Accuracy and locality of all methods against u",
            ANY,
            "extra.methods:figure_methods",
            accuracies=True,
            geometry=False,
        ),
        FigureSpec(
            "3a",
            "Masks of the 30 most connected nodes",
            ONE,
            "paper.masks:figure_3a",
            first_layer=True,
            levels="shown",
        ),
        FigureSpec(
            "3b",
            "Mask, weights and top images of chosen nodes",
            ONE,
            "paper.masks:figure_3b",
            first_layer=True,
            levels="shown",
        ),
        FigureSpec(
            "4",
            "The same nodes under different pruning",
            ANY,
            "paper.same_nodes:figure_4",
            accuracies=True,
            first_layer=True,
        ),
        FigureSpec(
            "5",
            "S_sc, fan-in and masks of several experiments",
            ANY,
            "paper.comparison:figure_5",
            first_layer=True,
        ),
        FigureSpec(
            "6",
            "Minimisers: accuracy and training curves",
            ANY,
            "paper.convergence:figure_6",
            accuracies=True,
            geometry=False,
        ),
        FigureSpec(
            "7",
            "Architectures: accuracy, training, S_sc, fan-in",
            ANY,
            "paper.convergence:figure_7",
            accuracies=True,
            first_layer=True,
            levels="shown",
        ),
        FigureSpec(
            "8",
            "Pruning parameters: accuracy, training, locality",
            ANY,
            "paper.convergence:figure_8",
            accuracies=True,
            first_layer=True,
            levels="shown",
        ),
        FigureSpec("9", "S_sc of nodes pruned at random", PERHAPS, "paper.random_nodes:figure_9", 0),
        FigureSpec(
            "10",
            "Fan-out of each pixel, C_out,0",
            ANY,
            "paper.connectivity:figure_10",
            first_layer=True,
            levels="shown",
        ),
        FigureSpec("11", "S_sc by fan-in", ANY, "paper.locality:figure_11", first_layer=True, levels="shown"),
        FigureSpec(
            "12", "Most connected masks of every hidden layer", ONE, "paper.masks:figure_12", levels="shown"
        ),
        FigureSpec(
            "13",
            "Most connected masks of several experiments",
            ANY,
            "paper.comparison:figure_13",
            first_layer=True,
        ),
        FigureSpec(
            "14", "S_sc and fan-in of pruning methods", ANY, "paper.comparison:figure_14", first_layer=True
        ),
        FigureSpec("15", "Second-layer nodes, what feeds them, top images", ONE, "paper.hierarchy:figure_15"),
        FigureSpec(
            "16",
            "Progressive pruning: curves, a traced node",
            ONE,
            "paper.progressive:figure_16",
            accuracies=True,
        ),
        FigureSpec(
            "17",
            "Classes, gain, S_sc and fan-in of tasks",
            ANY,
            "paper.tasks:figure_17",
            accuracies=True,
            first_layer=True,
        ),
        FigureSpec(
            "18",
            "Tasks between semantic and random",
            ANY,
            "paper.tasks:figure_18",
            accuracies=True,
            first_layer=True,
        ),
        FigureSpec(
            "19",
            "Gain, S_sc and fan-in against the amount of data",
            ANY,
            "paper.tasks:figure_19",
            accuracies=True,
            first_layer=True,
        ),
        FigureSpec(
            "20",
            "Rotated images: S_sc, S_dc, their direction, masks",
            SEEDS,
            "paper.variants:figure_20",
            first_layer=True,
            levels="shown",
        ),
        FigureSpec(
            "21",
            "Larger images: accuracy, S_sc, S_dc, masks",
            SEEDS,
            "paper.variants:figure_21",
            accuracies=True,
            first_layer=True,
            levels="shown",
        ),
        FigureSpec(
            "22",
            "Translated images: accuracy, S_sc, masks, weights",
            SEEDS,
            "paper.variants:figure_22",
            accuracies=True,
            first_layer=True,
            levels="shown",
        ),
        FigureSpec(
            "table1", "The macro-classes beside the paper's", PERHAPS, "paper.superclasses:figure_table1", 0
        ),
        FigureSpec(
            "videos",
            "Masks and weights over the levels, as movies",
            ONE,
            "paper.videos:figure_videos",
            accuracies=True,
            first_layer=True,
        ),
        FigureSpec(
            "densities",
            "Densities of the layers against Erdős–Rényi's",
            ANY,
            "extra.flow:figure_densities",
            geometry=False,
        ),
        FigureSpec(
            "flow", "Magnitude of the layers and its flow", ANY, "extra.flow:figure_flow", geometry=False
        ),
        FigureSpec(
            "gabor", "R² of Gabor fits over the levels", SEEDS, "extra.gabor:figure_gabor", first_layer=True
        ),
        FigureSpec(
            "kurtosis",
            "Kurtosis and cavity effect over the levels",
            ANY,
            "extra.kurtosis:figure_kurtosis",
            geometry=False,
        ),
        FigureSpec(
            "repeats",
            "Nodes and the most similar ones elsewhere",
            ONE,
            "extra.repeats:figure_repeats",
            first_layer=True,
            levels="told",
        ),
        FigureSpec(
            "overlap",
            "Weights that masks share, against chance",
            ANY,
            "extra.overlap:figure_overlap",
            geometry=False,
        ),
    )
}


def figures() -> dict[str, FigureSpec]:
    """Return every figure by its id: those of FIGURES, then every ``FIGURE`` of a module in ``figures/extra``."""
    known = {spec.source.partition(":")[0] for spec in FIGURES.values()}
    package: ModuleType = import_module("prunescope.figures.extra")
    found = dict(FIGURES)
    for module in sorted(entry.name for entry in iter_modules(package.__path__)):
        if f"extra.{module}" not in known:
            spec: FigureSpec = import_module(f"{package.__name__}.{module}").FIGURE
            found[spec.id] = spec
    return found


def find_figure(figure_id: str) -> FigureSpec:
    """Return the figure of this id. Raises InputError for an unknown one."""
    is_text = isinstance(figure_id, str)
    if is_text and figure_id in FIGURES:
        return FIGURES[figure_id]
    found = figures()
    if not is_text or figure_id not in found:
        near = did_you_mean(str(figure_id), found, "it is none of them")
        raise InputError(f"unknown figure {figure_id!r}: {near} (prunescope list --figures names them all)")
    return found[figure_id]
