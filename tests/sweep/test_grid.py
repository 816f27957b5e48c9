"""Grids of sweeps: run with `pytest tests/sweep/test_grid.py`."""

import pytest

from prunescope.errors import InputError
from prunescope.sweep.sweep_file import flat, grid


def test_a_grid_is_every_combination_the_first_axis_slowest():
    found = grid({"train.lr": [0.1, 0.2], "train.steps": 5, "prune.method": ["imp", "random"]}, "here")
    assert [(s["train.lr"], s["train.steps"], s["prune.method"]) for s in found] == [
        (0.1, 5, "imp"),
        (0.1, 5, "random"),
        (0.2, 5, "imp"),
        (0.2, 5, "random"),
    ]


def test_a_list_for_a_field_that_takes_one_is_a_value_and_a_list_of_lists_an_axis():
    assert grid({"network.hidden": [8, 4]}, "here") == [{"network.hidden": [8, 4]}]
    assert grid({"prune.density": [[0.1, 0.01], [0.5]]}, "here") == [
        {"prune.density": [0.1, 0.01]},
        {"prune.density": [0.5]},
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train.lr": []}, "here: train.lr is an empty list"),
        ({"network.hidden": [[8], 4]}, r"network.hidden is \[\[8\], 4\]: network.hidden takes a list"),
        ({"seed": [0, 1]}, "here: seed is no field of an experiment; seeds are given by --seeds"),
    ],
)
def test_axes_that_are_none_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        grid(settings, "here")


def test_tables_and_dotted_names_are_the_same():
    assert flat({"train": {"lr": 1, "steps": [2]}, "prune.rate": 0.2}) == {
        "train.lr": 1,
        "train.steps": [2],
        "prune.rate": 0.2,
    }
