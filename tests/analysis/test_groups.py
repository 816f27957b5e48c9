"""prunescope.analysis.groups: run with `pytest tests/analysis/test_groups.py`."""

import pytest

from level_tables import write
from prunescope.analysis.groups import FigureOptions, groups, shown_levels
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run
from stored_runs import write_run

TINY = {"levels": 4, "hidden": (8,), "shape": (1, 6, 6)}


def change(run: Run, **about) -> Run:
    with open_run(run.experiment, run.seed, run.path.parents[1]) as writer:
        writer.write_about(**about)
    return Run(run.path)


def images(run: Run, **facts) -> Run:
    return change(run, data=run.about["data"] | facts)


@pytest.fixture
def seeds(tmp_path):
    return [write_run(tmp_path / f"of-seed-{seed}", seed=seed, **TINY) for seed in range(3)]


def test_seeds_of_one_experiment_on_the_same_images_are_replicates(seeds):
    [group] = groups(seeds)
    assert [run.seed for run in group.runs] == [0, 1, 2]
    assert group.notes == ()


def test_runs_of_other_images_are_never_replicates(seeds):
    first, second = groups([seeds[0], images(seeds[1], fingerprint="f" * 64), seeds[2]])
    assert [run.seed for run in first.runs] == [0, 2]
    assert [run.seed for run in second.runs] == [1]
    assert first.label.endswith(", images 00000000")
    assert second.label.endswith(", images ffffffff")


def test_runs_of_another_split_are_no_replicates_and_those_without_one_stand_alone_then(seeds):
    one, other = images(seeds[0], split="a" * 64), images(seeds[1], split="b" * 64)
    found = groups([one, other, seeds[2]])
    assert [[run.seed for run in group.runs] for group in found] == [[0], [1], [2]]
    assert len({group.label for group in found}) == 3


def test_runs_of_before_splits_were_stored_stand_with_the_others(seeds):
    one, other = images(seeds[0], split="a" * 64), images(seeds[1], split="a" * 64)
    assert [len(group.runs) for group in groups([seeds[2], one, other])] == [3]


def test_what_was_noted_of_the_data_is_a_note_of_the_group_once(seeds):
    noted = [images(run, notes=["7 of 9 images are in both parts"]) for run in seeds[:2]]
    [group] = groups([*noted, images(seeds[2], notes=[])])
    assert group.notes == ("photographs: 7 of 9 images are in both parts",)


def test_a_seed_that_is_there_twice_counts_once_and_is_named(seeds, tmp_path):
    again = write_run(tmp_path / "again", seed=1, **TINY)
    [group] = groups([*seeds, again])
    assert [run.path for run in group.runs] == [run.path for run in seeds]
    assert group.notes == (f"{again.path}: seed 1 is there twice; {seeds[1].path} is taken",)


def test_engines_may_be_mixed_and_that_is_said(seeds):
    [group] = groups([change(seeds[0], engine="native"), change(seeds[1], engine="torch"), seeds[2]])
    assert len(group.runs) == 3
    assert "different engines (native, torch)" in group.notes[0]


def test_a_run_of_a_method_that_is_not_installed_is_called_as_it_was_stored(seeds, tmp_path):
    elsewhere = {"prune": {"method": "from-elsewhere"}}
    other = write_run(tmp_path / "other", changes=elsewhere, **TINY)
    assert [group.label for group in groups([seeds[0], other])] == ["IMP", "from-elsewhere"]
    stored = change(other, method={"label": "FE", "sentence": "weights go"})
    assert [group.label for group in groups([seeds[0], stored])] == ["IMP", "FE"]


def test_runs_of_two_data_sets_are_labelled_by_their_names(seeds):
    def of(run, name, fingerprint):
        path = run.path / "experiment.toml"
        path.write_text(path.read_text().replace('\nname = ""\n', f'\nname = "{name}"\n'))
        return images(Run(run.path), fingerprint=fingerprint)

    found = groups([of(seeds[0], "ants", "a" * 64), of(seeds[1], "bees", "b" * 64)])
    assert [group.label.rpartition(", ")[2] for group in found] == ["ants", "bees"]
    assert [len(group.runs) for group in found] == [1, 1]


def test_runs_of_the_split_of_earlier_versions_stand_apart(seeds):
    new = images(seeds[1], split="a" * 64, split_rule="stratified")
    old = images(seeds[2], split="b" * 64)
    found = groups([seeds[0], new, old])
    assert [[run.seed for run in group.runs] for group in found] == [[0, 2], [1]]
    assert found[0].label.endswith("validation images in the order of the source")
    assert found[1].label.endswith("stratified validation images")


def test_images_and_splits_that_differ_at_once_have_labels_of_their_own(seeds):
    """Two groups differ in the split alone, and the third in its images."""
    ordered, drawn = (
        images(run, split_rule=rule) for run, rule in zip(seeds, ("source order", "stratified"), strict=False)
    )
    found = groups([ordered, drawn, images(seeds[2], fingerprint="f" * 64)])
    assert [group.label.partition(", ")[2] for group in found] == [
        "images 00000000, validation images in the order of the source",
        "images 00000000, stratified validation images",
        "images ffffffff",
    ]


def test_engines_devices_and_versions_may_differ_with_a_note(seeds):
    one = change(seeds[0], engine="torch", versions={"prunescope": "0.1.0", "torch": "2.9.0"})
    two = change(seeds[1], engine="native", versions={"prunescope": "0.2.0", "torch": "2.9.0"})
    [group] = groups([one, two])
    assert len(group.runs) == 2
    assert [note.partition("different ")[2] for note in group.notes] == [
        "engines (native, torch), alike within rounding",
        "versions of prunescope (0.1.0, 0.2.0), alike within rounding",
    ]


def test_precisions_are_never_one_group(tmp_path):
    runs = [
        write_run(tmp_path / kind, seed=seed, changes={"train": {"precision": kind}}, **TINY)
        for seed, kind in enumerate(("float32", "bf16"))
    ]
    assert [len(group.runs) for group in groups(runs)] == [1, 1]


def curve(out, accuracies, method="imp", first=0, **more):
    """Return the group of one run with these accuracies at u = 0.5^level."""
    [group] = groups([write(out, method, 0, accuracies, first=first, **more)])
    return group


def test_the_level_that_is_told_of(tmp_path):
    group = curve(tmp_path, (0.5, 0.6, 0.7, 0.6, 0.55, 0.4))
    assert group.told_level() == (4, "the sparsest level no worse than dense")


NEAREST = "the level nearest u = 1 %"


def test_a_level_of_dense_masks_or_ruined_accuracy_is_not_told_of(tmp_path):
    """u = 0.5^7 = 0.78 % is nearest to 1 %; the sparsest level, 9, has an accuracy of guessing."""
    ruined = (0.5, 0.52, 0.4, 0.4, 0.4, 0.3, 0.3, 0.3, 0.2, 0.1)
    group = curve(tmp_path / "a", ruined)
    assert group.told_level() == (7, f"{NEAREST}; the sparsest no worse than dense has u = 50 %")
    group = curve(tmp_path / "b", (0.6, *ruined[1:]))
    assert group.told_level() == (7, f"{NEAREST}; none is as good as dense")
    assert curve(tmp_path / "c", ruined[1:], "snip", first=1).told_level() == (7, NEAREST)
    assert curve(tmp_path / "d", (0.5,)).told_level() == (0, "the only level so far")
    assert curve(tmp_path / "e", (0.5, 0.6)).told_level() == (1, "the sparsest level no worse than dense")


def test_masks_are_shown_at_the_best_level_or_near_one_percent_where_its_masks_are_dense(tmp_path):
    group = curve(tmp_path / "a", (0.5, 0.6, 0.6, 0.7, 0.4))
    assert group.shown_level() == (3, "that of the best validation accuracy")
    assert shown_levels(group, FigureOptions()) == [1, 3, 4]
    ruined = (0.5, 0.52, 0.4, 0.4, 0.4, 0.3, 0.3, 0.3, 0.2, 0.1)
    group = curve(tmp_path / "b", ruined, fingerprint="0" * 64)
    level, why = group.shown_level()
    assert level == 7
    assert why == (
        f"{NEAREST}, validation accuracy 30.0 %; the best, 52.0 % of 100 images, is at level 1, u = 50 %, with masks "
        "that are still dense"
    )
    assert shown_levels(group, FigureOptions()) == [5, 7, 9]  # 4, 1 and 0.3 times 0.78 %
    assert shown_levels(group, FigureOptions(levels=(1,))) == [1]
    assert curve(tmp_path / "c", (0.5,)).shown_level() == (0, "the only level so far")


def test_the_first_layers_own_density_decides_whether_masks_are_dense(tmp_path):
    """SNIP may keep little of the first layer at a u of 50 %."""
    group = curve(tmp_path, (0.6, 0.5), "snip", first=1, weight_density=0.15)
    assert group.shown_level() == (1, "that of the best validation accuracy")
