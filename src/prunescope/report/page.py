"""Make the HTML of the page about runs."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.analysis.groups import groups
from prunescope.analysis.labels import SOURCES
from prunescope.analysis.methods import sentence
from prunescope.report.run_data import run_data
from prunescope.report.standalone import as_script, render
from prunescope.report.summary import group_data
from prunescope.runs.directory import Run

SCRIPTS = ("decode.js", "charts.js", "panels.js", "page.js")
MOST_CLASSES = 12
DESCRIBED = SOURCES | {
    "photographs": "photographs against phase-scrambled copies",
    "nlgp": "non-Gaussian synthetic images (NLGP)",
    "nlgp-clone": "Gaussian clones of NLGP",
    "parquet": "a parquet data set",
    "folder": "a folder of images",
    "npz": "an npz data set",
    "idx": "a data set in MNIST's form",
}


def html(runs: Sequence[Run]) -> str:
    """Return the whole page of these runs, which loads nothing from elsewhere."""
    found = groups(runs)
    ordered = [(number, run) for number, group in enumerate(found) for run in group.runs]
    curves = [group_data(group) for group in found]
    data = {"runs": [run_data(run, number) for number, run in ordered], "groups": curves}
    values = {
        "title": ", ".join(dict.fromkeys(group.runs[0].experiment.name for group in found)),
        "lines": [
            describe(group.runs[0]) if len(found) == 1 else f"{group.label}: {describe(group.runs[0])}"
            for group in found
        ],
        "data": as_script(data),
        "facts": curves[0]["facts"],
        "runs": [f"{found[number].label}, seed {run.seed}" for number, run in ordered],
        "classes_of": found[0].label,
        "classes": _class_names(ordered[0][1]),
        "colour": ordered[0][1].shape[0] > 1,
        "any_colour": any(run.shape[0] > 1 for _, run in ordered),
    }
    return render("prunescope.report", values, SCRIPTS)


def describe(run: Run) -> str:
    """Describe a run's experiment in one sentence."""
    experiment = run.experiment
    channels, height, width = run.shape
    layers = " × ".join(map(str, experiment.network.hidden))
    return (
        f"A fully connected network with hidden layers {layers}, trained on "
        f"{DESCRIBED.get(experiment.data.source, experiment.data.source)} ({width}×{height} pixels, "
        f"{'colour' if channels == 3 else 'grey'}, {len(run.classes)} classes), for {experiment.train.steps:,} steps a level; "
        f"{sentence(run)}."
    )


def _class_names(run: Run) -> list[str]:
    """Return the first classes by name, and how many more there are."""
    left = len(run.classes) - MOST_CLASSES
    return [*run.classes[:MOST_CLASSES], *([f"and {left} more"] if left > 0 else [])]
