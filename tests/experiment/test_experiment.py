"""prunescope.experiment: run with `pytest tests/experiment/test_experiment.py`."""

import hashlib
import json
import random
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import tiny
from prunescope.errors import InputError
from prunescope.experiment import Data, Experiment, build, field_names, load, preset_names
from prunescope.experiment.scale import SCALES


@pytest.mark.parametrize("preset", preset_names())
def test_presets_load_and_survive_becoming_toml(preset, tmp_path):
    experiment = load(preset)
    assert experiment.name == preset
    (tmp_path / "again.toml").write_text(experiment.to_toml())
    assert load(tmp_path / "again.toml") == experiment


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_becoming_toml(root, key):
    experiment = tiny.experiment(data={"root": root}, prune={"options": {key: root, "x": 1.5, "y": True}})
    assert build(tomllib.loads(experiment.to_toml())) == experiment


def test_the_papers_values_are_the_defaults():
    paper = load("paper/main")
    assert paper.identity == build({"name": "x", "data": {"source": "imagenet32"}}).identity
    assert paper.network.hidden == (1024, 1024, 1024)
    assert (paper.train.steps, paper.train.batch, paper.train.lr) == (100_000, 1000, 0.1)
    assert (paper.prune.rate, paper.prune.rewind_step, paper.prune.stop_units) == (0.3, 1000, 0.2)
    assert (paper.data.validation, paper.train.eval_every) == (10_000, 100)


def test_each_precision_has_an_identity_of_its_own_and_the_default_the_one_without():
    found = {
        kind: tiny.experiment(train={"precision": kind}).identity for kind in ("float32", "tf32", "bf16")
    }
    assert found["float32"] == tiny.experiment().identity
    assert len(set(found.values())) == 3


def test_every_default_is_written_out():
    written = tomllib.loads(tiny.experiment().to_toml())
    names = {
        f"{section}.{field}" for section, values in written.items() if section != "name" for field in values
    }
    options = {"layer_rates", "layer_densities", "early_bird", "update_every"}
    unset = {"prune.density", "run.gpus", *(f"prune.{name}" for name in options)}  # TOML has no null
    assert names == set(field_names()) - {"name"} - unset


def test_identity_is_of_what_changes_the_result():
    experiment = tiny.experiment()
    assert len(experiment.identity) == 12
    same = [
        {"name": "other"},
        {"run": {"threads": 4, "device": "cuda", "checkpoint_seconds": 1}},
        {"data": {"root": "/elsewhere"}},
        {"data": {"fraction": 1.0, "rotate": 0, "lengths": [1, 2, 4]}},
        {"prune": {"stop_units": 0.2, "exact": False, "scope": "layer"}, "train": {"lr": 0.1}},
    ]
    assert {tiny.experiment(**change).identity for change in same} == {experiment.identity}
    changes = [
        {"train": {"lr": 0.2}},
        {"train": {"steps": 31}},
        {"data": {"fraction": 0.5}},
        {"network": {"hidden": [10, 12]}},
        {"prune": {"exact": True}},
        {"prune": {"rewind_step": 0}},
    ]
    assert len({tiny.experiment(**change).identity for change in changes} | {experiment.identity}) == 7


def test_identity_is_the_documented_hash():
    # changing this orphans every stored run
    digest = hashlib.sha256(b'{"train":{"lr":0.2,"steps":5000}}').hexdigest()
    fields = {"name": "x", "train": {"steps": 5000, "lr": 0.2, "batch": 1000}, "run": {"threads": 1}}
    assert build(fields).identity == digest[:12]


@given(st.randoms(use_true_random=False))
def test_identity_does_not_depend_on_the_order_of_fields(rng: random.Random):
    fields = tiny.fields()
    shuffled = {
        key: dict(rng.sample(list(value.items()), len(value))) if isinstance(value, dict) else value
        for key, value in rng.sample(list(fields.items()), len(fields))
    }
    assert build(shuffled).identity == build(fields).identity


def test_overrides_are_toml_values_and_bare_words(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nsteps = 5000\n")
    experiment = load(
        path,
        [
            "train.steps=2_000",
            "network.hidden=[8, 9]",
            "data.source=npz",
            "data.root=/a=b",
            'train.optimizer="adam"',
            "prune.rewind=false",
        ],
    )
    assert experiment.name == "mine-a-b"
    assert experiment.train.steps == 2000
    assert experiment.network.hidden == (8, 9)
    assert experiment.data.root == "/a=b"
    assert experiment.train.optimizer == "adam"
    assert experiment.prune.rewind is False


def test_experiments_are_frozen():
    with pytest.raises(ValidationError):
        tiny.experiment().train.steps = 3


BAD_OVERRIDES = {
    "train.step=3": r"unknown field 'train\.step': did you mean 'train\.steps'\?",
    "netwrk.hidden=[3]": r"unknown field 'netwrk': did you mean",
    "qqqq=1": "unknown field 'qqqq': it is none of them .prunescope list --fields names them all",
    "train.steps.more=1": r"unknown field 'train\.steps\.more': did you mean 'train\.steps'\?",
    "train.steps": "'train.steps' is not key=value",
    "=3": "is not key=value",
    "train.steps=0": r"train\.steps is 0: give a whole number of at least 1$",
    "train.steps=many": r"train\.steps is 'many': give a whole number of at least 1$",
    "train.lr=nan": r"train\.lr is nan: give a number above 0$",
    "train.lr=-1": r"train\.lr is -1: give a number above 0$",
    "train.batch=1": r"train\.batch is 1: give a whole number of at least 2$",
    "train.optimizer=adamw": r"train\.optimizer is 'adamw': give sgd, momentum or adam; did you mean 'adam'\?$",
    "prune.rate=1": r"prune\.rate is 1: give a number above 0 and below 1$",
    "prune.rate=0": r"prune\.rate is 0: give a number above 0 and below 1$",
    "prune.rewind_step=200_000": r"prune\.rewind_step is 200000; it must be at most train\.steps = 100000",
    "network.hidden=[]": r"network\.hidden is \[\]: give a list of whole numbers of at least 1$",
    "network.hidden=[4, 0]": r"network\.hidden is \[4, 0\]: give a list of whole numbers of at least 1$",
    "data.source=imagenet": r"data\.source is 'imagenet': give nlgp, .*imagenet32, .* or idx; did you mean 'imagenet64' or 'imagenet32'\?$",
    "data.fraction=1.5": r"data\.fraction is 1\.5: give a number above 0 and at most 1$",
    "data.task=modulo:1": r"data\.task is 'modulo:1'; use classes, modulo:N, random:N, map:FILE",
    "data.task=modulo:²": r"data\.task is 'modulo:²'; use classes, modulo:N",
    "data.task=map:": "use classes, modulo:N, random:N, map:FILE, semantic",
    "run.threads=-1": r"run\.threads is -1: give a whole number of at least 0$",
    "name=../up": "name is '../up'",
    "name=a/../../b": "must not climb out",
    "name=a/": "must not climb out",
    "train=3": r"train is 3: it is a section, set its fields, as in train\.steps=…",
}


@pytest.mark.parametrize("override", BAD_OVERRIDES)
def test_a_bad_field_is_named_with_its_value_and_what_would_be_right(override):
    with pytest.raises(InputError, match=BAD_OVERRIDES[override]) as refused:
        load("paper/main", [override])
    assert "\n" not in str(refused.value)


def test_nothing_left_to_retrain_is_refused():
    with pytest.raises(InputError, match=r"retrain=remaining leaves no step: lower prune\.rewind_step"):
        tiny.experiment(prune={"retrain": "remaining", "rewind_step": 30})


def test_an_unknown_preset_gives_the_nearest_and_the_command_that_lists_them():
    with pytest.raises(
        InputError,
        match=r"unknown experiment 'papr/main': did you mean 'paper/main'\? \(prunescope list names the presets\)",
    ):
        load("papr/main")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"steps = ", "not TOML"),
        (b"\xff\xfe", "not a UTF-8 text file"),
        (b"[train]\nsteps='x'", r"train\.steps is 'x'"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, message):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{path}.*{message}"):
        load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


def test_sections_are_the_ones_of_the_contract():
    assert set(Experiment.model_fields) == {"name", "data", "network", "train", "prune", "run"}
    assert {"source", "root", "fraction", "task", "rotate", "translate", "class_order"} <= set(
        Data.model_fields
    )


IDENTITIES = json.loads((Path(__file__).parent / "identities.json").read_text("utf-8"))


@pytest.mark.parametrize("preset", preset_names())
def test_identities_are_those_of_earlier_versions(preset):
    """The identities of the presets, under which runs are stored, stay as they are at every scale."""
    overrides = {"": []} | {scale: [f"scale={scale}"] for scale in SCALES}
    assert {at: load(preset, given).identity for at, given in overrides.items()} == IDENTITIES[preset]
