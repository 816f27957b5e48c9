"""Which runs are seeds of one experiment, and which levels the paper would show of it."""

import pytest

from prunescope.figures.choice import groups, one_group, shown_levels
from prunescope.figures.drawing import Options
from prunescope.figures.style import percent
from stored_runs import write_run


def test_levels_around_the_best(seeds):
    group = one_group(seeds, "2b")
    assert group.best_level() == 9  # u = 4.0 %
    # 4 times as dense is 16 %: level 5; 0.3 times is 1.2 %: the last level is the nearest to it.
    assert shown_levels(group, Options()) == [5, 9, 11]


def test_levels_given_keep_their_order(seeds):
    assert shown_levels(one_group(seeds, "2b"), Options(levels=(7, 2))) == [7, 2]


def test_short_runs_show_what_they_have(tmp_path):
    run = write_run(tmp_path, levels=3, hidden=(8, 8))
    assert shown_levels(groups([run])[0], Options()) == [1, 2]
    dense = write_run(tmp_path, levels=1, hidden=(8, 9))
    assert shown_levels(groups([dense])[0], Options()) == [0]


def test_a_best_level_at_the_end_is_filled_up_with_denser_ones(tmp_path):
    run = write_run(tmp_path, levels=5, hidden=(8, 8))
    group = groups([run])[0]
    shown = shown_levels(group, Options())
    assert len(shown) == 3
    assert group.best_level() in shown
    assert 0 not in shown


def test_groups_tell_experiments_of_one_name_apart(tmp_path):
    plain = write_run(tmp_path, levels=2, hidden=(8, 8))
    flipped = write_run(tmp_path, levels=2, hidden=(8, 8), flip=True)
    labels = [group.label for group in groups([plain, flipped])]
    assert labels == [f"synthetic ({run.experiment.identity[:6]})" for run in (plain, flipped)]


@pytest.mark.parametrize(
    ("share", "text"),
    [(1, "100 %"), (0.168, "17 %"), (0.0404, "4 %"), (0.0097, "0.97 %"), (0.00005, "0.005 %")],
)
def test_percent(share, text):
    assert percent(share) == text
