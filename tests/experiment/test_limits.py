"""Values of fields that are far out are refused in one short line: run with `pytest tests/experiment/test_limits.py`."""

import pytest

from prunescope.errors import InputError
from prunescope.experiment import load

COUNTS = (
    "data.heldout", "data.patches", "data.size", "data.validation", "prune.levels", "prune.rounds",
    "prune.score_images", "train.batch", "train.eval_every", "train.steps",
)  # fmt: skip
NOT_NUMBERS = (
    "²",
    "٣",
    "１２",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-0.5",
    "9" * 5000,
    "0x" + "f" * 5000,
    "💥",
    "",
    " ",
)


def refused(*overrides):
    with pytest.raises(InputError) as error:
        load("quickstart", overrides)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    return str(error.value)


@pytest.mark.parametrize("name", COUNTS)
def test_no_count_is_beyond_what_can_be_counted(name):
    assert f"{name} is 1000000000001: give a whole number" in refused(f"{name}=1000000000001")
    assert "and at most 1,000,000,000,000" in refused(f"{name}={10**30}")


@pytest.mark.parametrize("value", NOT_NUMBERS)
@pytest.mark.parametrize("name", ["train.steps", "train.lr", "data.size", "prune.rate", "run.threads"])
def test_what_is_no_number_is_refused(name, value):
    assert refused(f"{name}={value}").startswith(f"preset quickstart: {name} is ")


@pytest.mark.parametrize(
    "override",
    [
        "train.lr=1e308", "train.lr=1e-320", "prune.temperature=1e308", "prune.temperature=5e-324", "data.gain=1e308",
        "data.gain=1e-320", "data.lengths=[1e308,1]", "data.lengths=[1e-320,1]", "prune.shrink=1e308",
        "prune.shrink_cut=1e308", "prune.rate=0.99999999999999999999",
    ],
)  # fmt: skip
def test_numbers_that_would_become_nothing_or_infinite_are_refused(override):
    assert override.partition("=")[0] in refused(override)


def test_threads_and_layers_are_as_many_as_a_machine_can_take():
    assert "at most 1,024" in refused("run.threads=10000")
    assert "at most 1,024" in refused("run.cpus=10000")
    assert "network.hidden is [1, 1, " in refused(f"network.hidden={[1] * 10000}")


@pytest.mark.parametrize(
    "task", ["modulo:²", "modulo:٣", f"random:{10**30}", "modulo:1", f"random:{'9' * 5000}", "random:"]
)
def test_a_task_of_no_number_of_classes_is_refused(task):
    assert "data.task is" in refused(f"data.task={task}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = " + "[" * 5000, "nested too deeply"),
        ("[train]\nsteps = " + "9" * 5000, "not TOML"),
        ("[train]\nsteps = 1\nsteps = 2", "not TOML"),
        ("[train]\nlr = 2024-13-01", "not TOML"),
        ("[train]\nlr = 2024-12-01", "train.lr is datetime.date(2024, 12, 1)"),
        ("train = 1", "train is 1: it is a section"),
        ("[train.steps]\nx = 1", "train.steps is {'x': 1}"),
        ("[train.steps.x.y]\nz = 1", "train.steps is"),
        ("[[train]]\nsteps = 1", "train is [{'steps': 1}]: it is a section"),
        ("name = 3", "name is 3"),
        ("[train]\nsteps = inf", "train.steps is inf"),
        ("[train]\nlr = nan", "train.lr is nan"),
        ("# " + "x" * 4_100_000, "more than 4 MB"),
    ],
)
def test_absurd_files_are_refused_in_a_short_line(tmp_path, text, words):
    path = tmp_path / "odd.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load(path)
    assert words in str(error.value)
    assert str(error.value).startswith(str(path))
    assert len(str(error.value)) < 500
