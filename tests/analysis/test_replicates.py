"""Which runs are replicates, without their groups: run with `pytest tests/analysis/test_replicates.py`."""

import pytest

from prunescope.analysis.replicates import by_replicates, first_of_each_seed, same_data, told_apart
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run
from stored_runs import write_run

TINY = {"levels": 2, "hidden": (8,), "shape": (1, 6, 6)}


def images(run: Run, **facts) -> Run:
    with open_run(run.experiment, run.seed, run.path.parents[1]) as writer:
        writer.write_about(data=run.about["data"] | facts)
    return Run(run.path)


@pytest.fixture
def seeds(tmp_path):
    return [write_run(tmp_path / f"of-seed-{seed}", seed=seed, **TINY) for seed in range(3)]


def test_replicates_agree_in_identity_images_and_split_as_far_as_it_is_stored(seeds):
    assert list(by_replicates(seeds).values()) == [seeds]
    one, other = images(seeds[0], split="a" * 64), images(seeds[1], split="b" * 64)
    assert list(by_replicates([one, other, seeds[2]]).values()) == [[one], [other], [seeds[2]]]
    other = images(seeds[1], split="a" * 64)
    assert list(by_replicates([one, other, seeds[2]]).values()) == [[one, other, seeds[2]]]
    third = images(seeds[2], fingerprint="f" * 64)
    assert list(by_replicates([one, other, third]).values()) == [[one, other], [third]]


def test_of_each_seed_the_first_run_is_taken(seeds, tmp_path):
    again = write_run(tmp_path / "again", seed=1, **TINY)
    taken, notes = first_of_each_seed([*seeds, again])
    assert taken == seeds
    assert notes == [f"{again.path}: seed 1 is there twice; {seeds[1].path} is taken"]


def test_data_are_the_same_by_images_split_and_settings_and_unknown_without_a_fingerprint(seeds, tmp_path):
    other = write_run(tmp_path / "flipped", flip=True, **TINY)
    assert same_data(seeds[0]) == same_data(seeds[1]) != same_data(other)
    assert same_data(images(seeds[0], fingerprint="f" * 64)) != same_data(seeds[1])
    assert same_data(images(seeds[2], fingerprint=None)) == ""


def test_groups_of_one_label_are_told_apart_by_what_differs_first(seeds):
    one, other = images(seeds[0], fingerprint="a" * 64), images(seeds[1], fingerprint="b" * 64)
    assert told_apart([one], [[one], [other]]) == ", images aaaaaaaa"
    assert told_apart([one], [[one]]) == ""
