"""This module holds numbers that the paper reports, to be drawn beside runs at the paper's scale only."""

from __future__ import annotations

from matplotlib.axes import Axes

from prunescope.experiment import Experiment
from prunescope.figures.parts.style import MUTED

# Best validation accuracies, shares of 1, of the main run at levels 0 to 20, u = 0.7^level (Fig. 1a, one run).
MAIN = (
    0.0869, 0.0908, 0.0916, 0.0948, 0.0978, 0.1028, 0.1056, 0.1087, 0.1115, 0.1154, 0.1198,
    0.1234, 0.1235, 0.1264, 0.1249, 0.1211, 0.1154, 0.1108, 0.1037, 0.0943, 0.0876,
)  # fmt: skip
MAIN_RATE = 0.3
# Best validation accuracies in Fig. 4 by method and density. The dense network's is listed as imp at 1.
FIGURE_4 = {
    ("imp", 1.0): 0.081,
    ("imp", 0.1): 0.104,
    ("imp", 0.01): 0.126,
    ("oneshot", 0.1): 0.103,
    ("oneshot", 0.01): 0.101,
    ("snip", 0.1): 0.091,
    ("snip", 0.01): 0.090,
    ("synflow", 0.1): 0.077,
}
# The semantic task passes 36 %, the random one stays below 13 % (Section 5.3).
TASKS = {"semantic": 0.36, "modulo:10": 0.13}
# Two densities count as the same up to this factor.
CLOSE = 1.3


def at_scale(experiment: Experiment) -> bool:
    """Return whether a run has the paper's images and network, so that its accuracies can be compared."""
    data = experiment.data
    plain = data.fraction == 1 and not data.label_noise and not data.rotate and not data.translate
    return plain and data.source == "imagenet32" and experiment.network.hidden == (1024, 1024, 1024)


def is_main(experiment: Experiment) -> bool:
    """Return whether a run has the main experiment's data, network and training; its pruning method may differ."""
    train = experiment.train
    paper = train.steps == 100_000 and train.batch == 1000 and train.optimizer == "sgd" and train.lr == 0.1
    return at_scale(experiment) and experiment.data.task == "classes" and paper


def draw_main(axes: Axes) -> None:
    """Draw the best validation accuracy (%) of the paper's main run against u, as faint crosses with a legend entry."""
    densities = [(1 - MAIN_RATE) ** level for level in range(len(MAIN))]
    axes.plot(
        densities, [100 * value for value in MAIN], "x", color=MUTED, ms=3, mew=0.6, alpha=0.7,
        zorder=1, label="paper, main run",
    )  # fmt: skip


def figure_4_accuracy(experiment: Experiment, density: float) -> float | None:
    """Return the best validation accuracy, as a share of 1, that Fig. 4 reports for the run's method near this density.

    Returns None for a method or a density that Fig. 4 does not show, and for runs that are not at the paper's scale.
    """
    if not is_main(experiment):
        return None
    for (method, wanted), accuracy in FIGURE_4.items():
        same = method == experiment.prune.method or wanted == 1.0 == density
        if same and 1 / CLOSE < density / wanted < CLOSE:
            return accuracy
    return None


def task_accuracy(experiment: Experiment) -> float | None:
    """Return the bound on a task's accuracy, as a share of 1, that the paper's text gives (Section 5.3).

    Returns None for another task and for runs that are not at the paper's scale.
    """
    return TASKS.get(experiment.data.task) if at_scale(experiment) else None
