"""What figures need: run with `pytest tests/reproduce/test_recipes.py`."""

from dataclasses import replace

import pytest

from prunescope.errors import InputError
from prunescope.experiment import load, preset_names
from prunescope.figures import FIGURES
from prunescope.reproduce import Request, needed
from prunescope.reproduce.recipes import MINIATURE, RECIPES, recipe


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_has_a_recipe_of_presets_that_give_it_enough_runs(figure):
    needs = recipe(figure)
    assert {need.preset for need in needs} <= set(preset_names())
    assert len(needs) >= FIGURES[figure].fewest


def test_recipes_are_of_figures_that_are_there():
    assert set(RECIPES) <= set(FIGURES)


def test_every_experiment_of_the_paper_feeds_a_figure():
    used = {need.preset for figure in FIGURES for need in recipe(figure)}
    assert {name for name in preset_names() if name.startswith("paper/")} == used


def test_a_preset_says_what_it_feeds():
    from prunescope.experiment import preset_text

    for name in preset_names():
        if name.startswith("paper/"):
            comment = " ".join(line for line in preset_text(name).splitlines() if line.startswith("#"))
            assert "Feeds Fig" in comment or "paper names GraSP" in comment, name


def test_shared_experiments_are_needed_once():
    request = Request(("1a", "1b", "3a", "8"), scale="laptop", data=("photographs",), seeds=2)
    jobs = needed(request)
    keys = [(job.experiment.identity, job.seed) for job in jobs]
    assert len(keys) == len(set(keys)) == 2 * 9
    assert [job.experiment.name for job in jobs[:2]] == ["laptop/main", "laptop/main"]
    assert [job.seed for job in jobs[:2]] == [0, 1]


def test_seeds_are_several_only_where_the_paper_has_several():
    request = Request(("8",), scale="paper", data=("photographs",))
    assert {job.seed for job in needed(request)} == {0}
    several = replace(request, figures=("1a",))
    assert [job.seed for job in needed(several)] == [0, 1, 2, 3]


def test_the_miniature_is_every_kind_five_times_and_no_two_are_the_same():
    jobs = needed(Request(("all",), scale="mini"))
    assert len(jobs) == 5 * len(MINIATURE)
    assert {job.experiment.name.partition("/")[0] for job in jobs} == {"miniature"}
    assert {job.seed for job in jobs} == set(range(5))
    assert [job.key for job in jobs] == [job.key for job in needed(Request(("all",), scale="miniature"))]
    assert {job.experiment.data.source for job in jobs} == {"photographs"}
    assert {job.experiment.prune.method for job in jobs} == {
        "imp", "oneshot", "snip", "synflow", "grasp", "random", "progressive",
    }  # fmt: skip
    fractions = {job.experiment.data.fraction for job in jobs}
    assert fractions == {1.0, 0.3, 0.1, 0.03}
    assert {job.experiment.data.label_noise for job in jobs} == {0.0, 0.5, 1.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"figures": ("99",)}, r"unknown figure '99': figures are all, "),
        ({"figures": ()}, r"no figure given"),
        ({"scale": "tiny"}, r"scale is 'tiny'"),
        ({"seeds": 0}, r"--seeds is 0"),
        ({"data": ()}, r"paper/main needs images at scale laptop: give --data FOLDER"),
        ({"data": ("/nowhere",)}, r"--data /nowhere: not there"),
    ],
)
def test_wrong_requests_are_refused(changes, message):
    fields = {"figures": ("1a",), "scale": "laptop", "data": ("photographs",)} | changes
    with pytest.raises(InputError, match=message):
        needed(Request(**fields))


def test_data_is_told_by_its_files(tmp_path):
    kinds = {
        "imagenet32": ["train_data_batch_1", "val_data"],
        "parquet": ["data/train-0.parquet"],
        "cifar10": ["data_batch_1", "batches.meta"],
        "cifar100": ["train", "test", "meta"],
        "folder": ["train/cat/1.png"],
    }
    for kind, files in kinds.items():
        for file in files:
            path = tmp_path / kind / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        [job] = needed(Request(("2b",), data=(str(tmp_path / kind),)))
        assert job.experiment.data.source == kind
        assert job.experiment.data.root == str(tmp_path / kind)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="cannot tell what it holds"):
        needed(Request(("2b",), data=(str(tmp_path / "nothing"),)))


def test_imagenet64_is_taken_by_name_and_photographs_stand_in(tmp_path):
    (tmp_path / "train_data_batch_1").touch()
    [job] = needed(Request(("21",), data=(str(tmp_path),)))
    assert (job.experiment.data.source, job.experiment.data.size) == ("photographs", 64)
    [job] = needed(Request(("21",), data=(str(tmp_path), f"imagenet64={tmp_path}")))
    assert job.experiment.data.source == "imagenet64"
    [job] = needed(Request(("2b",), data=(f"imagenet64={tmp_path}", str(tmp_path))))
    assert job.experiment.data.source == "imagenet32"


def test_figures_at_mini_share_their_runs_with_the_miniature():
    page = {job.key for job in needed(Request(("all",), scale="mini"))}
    assert {job.key for job in needed(Request(("1a", "2b", "22"), scale="mini"))} <= page


def test_fields_set_beside_the_scale_reach_every_experiment():
    jobs = needed(Request(("5",), scale="mini", overrides=("train.steps=40",)))
    assert {job.experiment.train.steps for job in jobs} == {40}
    assert load("paper/main").train.steps == 100_000
