"""The edits that people make first work, or a line says what to type: `pytest tests/experiment/test_first_edits.py`."""

import os

import pytest

from prunescope.errors import InputError
from prunescope.experiment import load
from prunescope.experiment.dotted import dotted_values, fields
from prunescope.experiment.wording import takes

WORKS = {
    "train.lr=1e-1": 0.1,
    "train.lr=.1": 0.1,
    "train.lr=1": 1.0,
    "train.steps=1e5": 100_000,
    "train.steps=10_000": 10_000,
    "train.steps=2000.0": 2000,
    "prune.rewind=False": False,
    "prune.rewind=false": False,
    "data.flip=True": True,
    "network.hidden=[64, 64]": [64, 64],
    "prune.levels=None": None,
    "prune.levels=none": None,
    "prune.update_every=null": None,
    "network.norm=none": "none",  # This field has a value of that name.
    "prune.density=[0.1,0.01]": [0.1, 0.01],
    "data.root=~/images": os.path.expanduser("~/images"),
}


@pytest.mark.parametrize("override", WORKS)
def test_an_edit_works(override):
    name = override.partition("=")[0]
    assert dotted_values(load("quickstart", [override]))[name] == WORKS[override]


REFUSED = {
    "network.hidden=64": 'network.hidden is 64: give a list of whole numbers of at least 1, in quotes, as in "network.hidden=[64]"',
    "network.hidden=64,32": 'give a list of whole numbers of at least 1, as in "network.hidden=[64,32]"',
    "network.hidden=(64, 32)": 'as in "network.hidden=[64,32]"',
    "network.hidden=[64,": "'network.hidden=[64,' is cut off: put a list with blanks in quotes, as \"network.hidden=[64, 64]\"",
    "64]": 'write an override as train.steps=2000, and a list with blanks in quotes, as "network.hidden=[64, 64]"',
    "prune.density=10%": "prune.density is '10%': give a number above 0 and at most 1 or a list of them, as in prune.density=0.1",
    "prune.rate=20": "prune.rate is 20: give a number above 0 and below 1; 20 % is 0.2",
    "train.steps=10k": "train.steps is '10k': give a whole number of at least 1",
    "train.steps=1.5": "train.steps is 1.5: give a whole number of at least 1",
    "train.steps=true": "train.steps is True: give a whole number of at least 1",
    "network.hidden=true": "network.hidden is True: give a list of whole numbers of at least 1",
    "train.lr=[0.1,0.2]": "train.lr is [0.1, 0.2]: give a number above 0; several values are for prunescope sweep",
    "prune.rewind=maybe": "prune.rewind is 'maybe': give true or false",
    "data.source=CIFAR10": "or idx; did you mean 'cifar10'",
    "lr=0.1": "unknown field 'lr': did you mean 'train.lr'?",
    "train.learning_rate=0.1": "unknown field 'train.learning_rate': did you mean 'train.lr'?",
    "prune.sparsity=0.9": "unknown field 'prune.sparsity': did you mean 'prune.density'?",
    "seed=1": "unknown field 'seed': a seed is an option: --seed 1",
    "name=my run": "name is 'my run': give letters, digits and . _ - /",
}


@pytest.mark.parametrize("override", REFUSED)
def test_an_edit_is_refused_with_what_to_type(override):
    with pytest.raises(InputError) as refused:
        load("quickstart", [override])
    assert REFUSED[override] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_words_of_pydantic_reach_the_user():
    for name, info in fields():
        with pytest.raises(InputError, match="give ") as refused:
            load("quickstart", [f"{name}={{odd = {{a = 1}}}}"])
        assert takes(info) in str(refused.value)
        assert "nput should be" not in str(refused.value)


def resolved(experiment, *overrides):
    """The step to rewind to, and the lines that were said."""
    said = []
    found = load(experiment, overrides, said.append)
    return found, said


def test_the_step_to_rewind_to_follows_fewer_steps():
    found, said = resolved("quickstart", "train.steps=100")
    assert found.prune.rewind_step == 10  # as 200 of 2000
    assert said[0] == (
        "prune.rewind_step is 10 in place of 200, the same share of train.steps=100 as of 2000: set it to choose another"
    )
    assert found.identity == load("quickstart", ["train.steps=100", "prune.rewind_step=10"]).identity


@pytest.mark.parametrize("steps", [1000, 2000, 5000])
def test_a_step_to_rewind_to_that_fits_stays(steps):
    found, said = resolved("quickstart", f"train.steps={steps}")
    assert found.prune.rewind_step == 200
    assert not any("rewind" in line for line in said)


@pytest.mark.parametrize(("steps", "share", "kept"), [(200, 100, 20), (500, 40, 50), (999, 20, 100)])
def test_a_step_to_rewind_to_that_fits_but_is_late_stays_and_is_said(steps, share, kept):
    found, said = resolved("quickstart", f"train.steps={steps}")
    assert found.prune.rewind_step == 200
    assert (
        f"prune.rewind_step stays 200, {share}% of train.steps={steps} in place of 10% of 2000: "
        f"prune.rewind_step={kept} keeps the share"
    ) in said
    for settled in ("prune.rewind_step=200", "prune.rewind=false"):
        assert not any(
            "rewind" in line for line in resolved("quickstart", f"train.steps={steps}", settled)[1]
        )


def test_a_step_to_rewind_to_that_is_set_does_not_follow():
    with pytest.raises(InputError, match=r"prune\.rewind_step is 200; it must be at most train\.steps = 100"):
        load("quickstart", ["train.steps=100", "prune.rewind_step=200"])


def test_the_step_to_rewind_to_leaves_a_step_where_the_rest_is_retrained():
    found, _ = resolved("quickstart", "train.steps=200", "prune.retrain=remaining")
    assert found.prune.rewind_step == 20
    assert resolved("quickstart", "train.steps=2", "prune.retrain=remaining")[0].prune.rewind_step == 1


def test_without_rewinding_nothing_follows():
    assert resolved("quickstart", "train.steps=100", "prune.rewind=false")[0].prune.rewind_step == 200


def test_the_default_follows_the_steps_of_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nsteps = 500\n")
    found, [line] = resolved(path)
    assert found.prune.rewind_step == 5  # as 1000 of 100,000
    assert line.startswith("prune.rewind_step is 5 in place of 1000")
    path.write_text("[train]\nsteps = 500\n[prune]\nrewind_step = 600\n")
    with pytest.raises(InputError, match=r"prune\.rewind_step is 600; it must be at most"):
        load(path)
    assert resolved(path, "train.steps=50")[0].prune.rewind_step == 50


def test_a_single_evaluation_is_said(capsys):
    load("quickstart", ["train.steps=199", "prune.rewind_step=1"])
    assert capsys.readouterr().err == (
        "prunescope: train.eval_every is 200: with train.steps=199 a level is evaluated at its end alone\n"
    )


def test_a_file_of_this_name_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("")
    with pytest.raises(InputError, match=r"unknown experiment 'mine': did you mean 'mine\.toml'\?"):
        load("mine")


@pytest.mark.parametrize(
    ("overrides", "flip", "notes"),
    [
        ([], True, []),
        (["train.steps=3000"], True, []),
        (["data.source=nlgp", "data.flip=false"], False, []),
        (
            ["data.source=folder", "data.root=/x/birds"],
            True,
            [
                "kept for data.source=folder, and chosen for data.source=photographs: data.flip=true (wrong for digits "
                "and text), train.lr=0.4, data.size=16"
            ],
        ),
        (["data.source=folder", "data.flip=true", "train.lr=0.1", "data.size=32"], True, []),
        (
            ["data.source=idx", "train.lr=0.4"],
            False,
            [
                "data.flip is false in place of true: digits and letters are others when they are mirrored; set it to "
                "choose otherwise"
            ],
        ),
        (["data.source=idx", "data.flip=true", "train.lr=0.4"], True, []),
        (["data.source=npz", "data.geometry=series", "data.flip=true", "train.lr=1"], True, []),
        (
            ["data.source=npz", "data.geometry=series", "train.lr=1"],
            False,
            ["data.flip is false in place of true: series run one way; set it to choose otherwise"],
        ),
        (
            ["data.source=npz", "data.geometry=none", "train.lr=1"],
            False,
            [
                "data.flip is false in place of true: the features of a table have no order; set it to choose "
                "otherwise"
            ],
        ),
    ],
)
def test_what_a_preset_keeps_for_data_of_your_own_is_said(overrides, flip, notes):
    said = []
    assert load("quickstart", overrides, said.append).data.flip is flip
    assert said == notes


def test_a_stored_experiment_is_read_as_it_is(tmp_path):
    path = tmp_path / "experiment.toml"
    chosen = load("quickstart", ["data.source=idx", "data.flip=true", "data.root=/x/mnist"], [].append)
    path.write_text(chosen.to_toml())
    said = []
    assert load(path, (), said.append) == chosen
    assert said == []
