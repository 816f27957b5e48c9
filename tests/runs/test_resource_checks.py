"""Tests of refusing what cannot fit, before it is begun: run with `pytest tests/runs/test_resource_checks.py`."""

import pytest

import prunescope.memory
from prunescope.errors import InputError
from prunescope.experiment import load
from prunescope.runs.resource_checks import check_fits, check_space, least_inputs

STREAM = ("data.source=nlgp", "data.flip=false")


@pytest.fixture(autouse=True)
def gigabyte(monkeypatch):
    """A machine with one gigabyte to spare."""
    monkeypatch.setattr(prunescope.memory, "available_memory", lambda: 10**9)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("network.hidden=[1000000000]", "network.hidden [1000000000] has"),
        ("network.hidden=[10000,10000]", "network.hidden [10000, 10000] has 1.03e+08 weights"),
        ("train.batch=1000000", "train.batch=1,000,000"),
        ("data.validation=10000000", "data.validation=10,000,000"),
        ("data.heldout=10000000", "data.heldout=10,000,000"),
        ("data.size=100000", "data.size=100,000"),
        ("data.channels=100000", "data.channels=100,000"),
    ],
)
def test_what_takes_more_than_the_memory_is_refused_by_its_field(override, words):
    small = ("network.hidden=[1]", "train.batch=2") if override.startswith("data") else ()
    with pytest.raises(InputError, match="GB are available") as refused:
        check_fits(load("quickstart", [*STREAM, *small, override]))
    assert words in str(refused.value)


def test_sizes_count_once_the_data_are_known():
    experiment = load("quickstart", ["data.source=npz", "data.root=x.npz", "network.hidden=[1000]"])
    check_fits(experiment)
    with pytest.raises(InputError, match=r"1e\+08 weights and would take 1.2 GB"):
        check_fits(experiment, (100_000, 1000, 2))


def test_presets_fit_into_a_gigabyte():
    for name in ("quickstart", "paper/main"):
        check_fits(load(name))


def test_a_disk_without_space_for_a_level_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"each level of quickstart takes 4000000\.12 GB"):
        check_space(load("quickstart"), (10**8, 10**7, 2), tmp_path)
    check_space(load("quickstart"), (4, 3, 2), tmp_path)


def test_inputs_are_known_where_the_source_tells():
    assert least_inputs(load("quickstart", [*STREAM, "data.size=8", "data.channels=3"]).data) == 192
    assert least_inputs(load("quickstart", ["data.source=imagenet32"]).data) == 3072
    assert least_inputs(load("quickstart", ["data.source=npz"]).data) == 1
