"""Grids of sweeps: run with `pytest tests/sweep/test_grid.py`."""

import pytest

from prunescope.errors import InputError
from prunescope.experiment.dotted import takes_list
from prunescope.experiment.overrides import parsed_axis
from prunescope.sweep.sweep_file import flat, grid


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("train.lr=0.1", 0.1),
        ("prune.method=imp", "imp"),
        ("prune.method=[imp,oneshot, random]", ["imp", "oneshot", "random"]),
        ("train.lr=[0.1,5e-2]", [0.1, 0.05]),
        ("network.hidden=[[8,4],[16]]", [[8, 4], [16]]),
        ('data.root=["a,b",c]', ["a,b", "c"]),
        ("train.lr=[]", []),
        ("data.root=/a=b", "/a=b"),
    ],
)
def test_values_are_toml_and_bare_words_are_strings(typed, value):
    assert parsed_axis(typed) == (typed.partition("=")[0], value)


def test_what_is_no_override_is_refused():
    with pytest.raises(InputError, match=r"'train\.lr' is not key=value"):
        parsed_axis("train.lr")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("network.hidden", True),
        ("prune.density", True),
        ("prune.layer_rates", True),
        ("data.lengths", True),
        ("train.lr", False),
        ("prune.method", False),
        ("prune.options.x", False),
        ("name", False),
        ("no.field", False),
    ],
)
def test_the_type_of_a_field_says_whether_it_takes_a_list(name, expected):
    assert takes_list(name) is expected


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
