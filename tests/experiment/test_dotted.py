"""prunescope.experiment.dotted: run with `pytest tests/experiment/test_dotted.py`."""

import pytest

import tiny
from prunescope.experiment.dotted import dotted_values, field_names, fields, set_field, takes_list


def test_every_field_of_every_section_has_a_name_and_a_value():
    experiment = tiny.experiment(prune={"density": [0.5, 0.1], "options": {"x": 1}})
    dump = experiment.model_dump(mode="json")
    nested = {"name": dump.pop("name")} | {
        f"{section}.{field}": value for section, values in dump.items() for field, value in values.items()
    }
    assert dotted_values(experiment) == nested
    assert list(nested) == field_names() == [name for name, _ in fields()]
    assert nested["prune.options"] == {"x": 1}  # a value, not a section
    assert nested["prune.density"] == [0.5, 0.1]


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
        ("prune.options", False),
        ("prune", False),
        ("name", False),
        ("no.field", False),
    ],
)
def test_the_type_of_a_field_says_whether_it_takes_a_list(name, expected):
    assert takes_list(name) is expected


def test_a_value_is_put_where_its_name_says_and_never_into_a_value():
    nested = {"train": {"lr": 0.1}}
    assert set_field(nested, "train.steps", 5)
    assert set_field(nested, "prune.options.x", 1)
    assert set_field(nested, "name", "x")
    assert nested == {"train": {"lr": 0.1, "steps": 5}, "prune": {"options": {"x": 1}}, "name": "x"}
    assert not set_field(nested, "train.lr.more", 1)
