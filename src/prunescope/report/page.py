"""Make the HTML of the page about runs."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.analysis import input_wording
from prunescope.analysis.groups import groups
from prunescope.analysis.labels import SOURCES
from prunescope.analysis.methods import sentence
from prunescope.experiment import Experiment
from prunescope.report.run_data import run_data
from prunescope.report.standalone import as_script, render
from prunescope.report.summary import group_data
from prunescope.runs.directory import Run

SCRIPTS = ("decode.js", "charts.js", "series.js", "panels.js", "page.js")
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
    classes = [_class_names(group.runs[0]) for group in found]
    for of_group, own in zip(curves, classes, strict=True):
        of_group["classes"] = ", ".join(own)
    values = {
        "title": ", ".join(dict.fromkeys(group.runs[0].experiment.name for group in found)),
        "lines": [
            describe(group.runs[0]) if len(found) == 1 else f"{group.label}: {describe(group.runs[0])}"
            for group in found
        ],
        "data": as_script(data),
        "facts": curves[0]["facts"],
        "runs": [f"{found[number].label}, seed {run.seed}" for number, run in ordered],
        # What the groups agree in is said once; else each is shown with the run that is chosen.
        "label": found[0].label if len(found) > 1 else "",
        "classes": classes[0],
        "classes_agree": all(own == classes[0] for own in classes),
        "colour": any(run.shape[0] > 1 for _, run in ordered),
        "grey": any(run.shape[0] == 1 for _, run in ordered),
        "series": input_wording.inputs(ordered[0][1]) == "series",
    }
    return render("prunescope.report", values, SCRIPTS)


def describe(run: Run) -> str:
    """Describe a run's experiment in one sentence."""
    experiment = run.experiment
    layers = " × ".join(map(str, experiment.network.hidden))
    return (
        f"A fully connected network with hidden layers {layers}, trained on "
        f"{_data_set(experiment)} ({input_wording.size(run)}, "
        f"{len(run.classes)} classes), for {experiment.train.steps:,} steps a level; "
        f"{sentence(run)}."
    )


def _data_set(experiment: Experiment) -> str:
    """Return the name of an experiment's data set, and in words where it comes from."""
    source = DESCRIBED.get(experiment.data.source, experiment.data.source)
    return f"{experiment.data.set_name}, {source}" if experiment.data.set_name else source


def _class_names(run: Run) -> list[str]:
    """Return the first classes by name, and how many more there are."""
    left = len(run.classes) - MOST_CLASSES
    return [*run.classes[:MOST_CLASSES], *([f"and {left} more"] if left > 0 else [])]
