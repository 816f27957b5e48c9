"""Names of data sets: run with `pytest tests/experiment/test_data_names.py`."""

import pytest

from prunescope.errors import InputError
from prunescope.experiment import load
from prunescope.experiment.fields import name_of_root


@pytest.mark.parametrize(
    ("root", "name"),
    [
        ("", ""),
        ("/data/birds", "birds"),
        ("/data/birds/", "birds"),
        ("birds.npz", "birds"),
        ("~/sets/cifar-10-batches-py", "cifar-10-batches-py"),
        ("/data/birds of paradise (2).parquet", "birds-of-paradise-2"),
        ("/data/v1.5", "v1.5"),
        ("/data/鳥", "data"),
        ("/data/Vögel", "Vogel"),
        ("/", "data"),
    ],
)
def test_a_data_set_is_called_after_its_folder_or_file(root, name):
    assert name_of_root(root) == name


def test_a_data_set_of_the_working_folder_is_called_after_it(tmp_path, monkeypatch):
    (tmp_path / "fish").mkdir()
    monkeypatch.chdir(tmp_path / "fish")
    assert name_of_root(".") == "fish"


@pytest.mark.parametrize(
    ("experiment", "overrides", "name"),
    [
        ("quickstart", ["data.source=folder", "data.root=/x/digits"], "quickstart-digits"),
        ("quickstart", ["data.source=folder", "data.root=/x/digits", "data.name=mnist"], "quickstart-mnist"),
        ("quickstart", ["data.source=folder", "data.root=/x/digits", "name=mine"], "mine"),
        ("quickstart", ["train.lr=0.1"], "quickstart"),
        ("cifar10", ["data.root=/x/cifar10"], "cifar10"),
        ("paper/main", ["data.root=/x/imagenet32"], "paper/main-imagenet32"),
        ("paper/main", ["data.root=/x/imagenet32", "scale=laptop"], "laptop/main-imagenet32"),
    ],
)
def test_the_name_of_the_data_set_ends_that_of_the_experiment(experiment, overrides, name):
    found = load(experiment, overrides)
    assert found.name == name
    without = load(
        experiment, [word for word in overrides if not word.startswith(("data.root", "data.name"))]
    )
    assert found.identity == without.identity


def test_a_file_that_names_itself_keeps_its_name_and_one_that_does_not_is_named_after_its_data(tmp_path):
    text = 'data = {source = "npz", root = "/x/digits.npz"}\n'
    (tmp_path / "plain.toml").write_text(text)
    (tmp_path / "named.toml").write_text(f'name = "mine"\n{text}')
    assert load(tmp_path / "plain.toml").name == "plain-digits"
    assert load(tmp_path / "named.toml").name == "mine"
    assert load(tmp_path / "named.toml", ["data.root=/y/letters"]).name == "mine-letters"
    stored = load(tmp_path / "plain.toml")
    (tmp_path / "experiment.toml").write_text(stored.to_toml())
    assert load(tmp_path / "experiment.toml") == stored


def test_the_experiment_of_a_run_is_called_after_other_data_that_are_set(tmp_path):
    made = load("quickstart", ["data.source=folder", "data.root=/x/digits"])
    stored = tmp_path / "experiment.toml"
    stored.write_text(made.to_toml())
    other = load(stored, ["data.root=/x/letters"])
    assert (other.name, other.data.name) == ("quickstart-letters", "letters")
    assert load(stored, ["data.root=/y/digits"]).name == made.name  # moved
    assert load(stored, ["data.root=/x/letters", "data.name=both"]).name == "quickstart-both"
    stored.write_text(
        load("quickstart", ["data.source=folder", "data.root=/x/digits", "data.name=own"]).to_toml()
    )
    assert load(stored, ["data.root=/x/letters"]).name == "quickstart-own"  # a name that was given stays


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", "é", ".x"])
def test_a_name_is_a_part_of_a_path(name):
    with pytest.raises(InputError, match=r"data\.name is .*: give letters, digits and \. _ -, of which"):
        load("quickstart", [f"data.name={name}"])
