"""prunescope.analysis.labels: run with `pytest tests/analysis/test_labels.py`."""

import pytest

from prunescope.analysis.labels import labels
from prunescope.experiment import build


def _labels(*changes, names=None):
    names = names or ["x"] * len(changes)
    return labels([build({"name": name, **change}) for name, change in zip(names, changes, strict=True)])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([{}], ["x"]),
        (
            [{}, {"data": {"fraction": 0.5}}, {"data": {"fraction": 0.02}}],
            ["all the data", "50 % of the data", "2 % of the data"],
        ),
        (
            [{"train": {"lr": 0.02}}, {"train": {"lr": 0.5}}, {"train": {"optimizer": "adam", "lr": 0.01}}],
            ["SGD 0.02", "SGD 0.5", "Adam 0.01"],
        ),
        (
            [{}, {"network": {"hidden": [1024] * 4}}, {"network": {"hidden": [64, 32]}}],
            ["3×1024", "4×1024", "64-32"],
        ),
        (
            [{"data": {"task": "classes"}}, {"data": {"task": "modulo:10"}}],
            ["original classes", "random classes"],
        ),
        ([{"data": {"label_noise": 0.5}}, {}], ["50 % label noise", "clean labels"]),
        # fields that a method does not read tell nothing: p of SNIP
        ([{}, {"prune": {"method": "snip", "density": 0.1, "rate": 0.5}}], ["IMP", "SNIP"]),
        # what most have in common goes without saying
        (
            [{}, {"prune": {"rate": 0.2}}, {"prune": {"rewind_step": 0}}, {"prune": {"scope": "global"}}],
            ["reference", "p = 0.2", "rewind to 0", "global"],
        ),
        # two experiments have no usual one: everything is said
        (
            [{"data": {"fraction": 0.1}}, {"train": {"lr": 1.0}}],
            ["10 % of the data, SGD 0.1", "all the data, SGD 1"],
        ),
        # the same method at other densities
        (
            [{"prune": {"method": "oneshot", "density": d}} for d in (0.1, (0.1, 0.01))],
            ["10 %", "10 %, 1 %"],
        ),
        ([{"prune": {"levels": 3}}, {"prune": {"levels": 5}}], ["levels 3", "levels 5"]),
        ([{"prune": {"levels": 3}}, {}], ["levels 3", "reference"]),
        ([{"prune": {"stop_units": 0.1}}, {}], ["stop units 0.1", "stop units 0.2"]),
        # what is not done, and of several fields the defaults, goes without saying
        (
            [
                {},
                {"prune": {"exact": True}},
                {"prune": {"layer_rates": (0.1, 0.2, 0.3)}},
                {"prune": {"early_bird": 0.1, "stop_units": 0.1}},
            ],
            ["reference", "exact", "layer rates 0.1, 0.2, 0.3", "stop units 0.1, early bird 0.1"],
        ),
    ],
)
def test_labels_say_what_differs(changes, expected):
    assert _labels(*changes) == expected


def test_own_names_stand_where_nothing_else_has_a_word():
    changes = [{"prune": {"levels": 3}}, {"prune": {"levels": 5}}]
    assert _labels(*changes, names=["short", "long"]) == ["short", "long"]
    # but a name never hides a difference that has one
    assert _labels({}, {"data": {"fraction": 0.5}}, names=["half", "whole"]) == [
        "all the data",
        "50 % of the data",
    ]


def test_labels_differ_whatever_differs():
    changes = [{"prune": {"method": m, "biases": b}} for m in ("imp", "snip") for b in (True, False)]
    assert len(set(_labels(*changes))) == 4
