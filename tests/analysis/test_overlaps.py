"""What masks of stored runs share: run with `pytest tests/analysis/test_overlaps.py`."""

from itertools import pairwise

import numpy as np
import pytest

from prunescope.analysis.groups import groups
from prunescope.analysis.overlaps import compared_levels, overlap_table
from prunescope.errors import InputError
from prunescope.observables.overlap import overlap
from prunescope.observables.unit_matching import match_units
from stored_runs import write_run

SMALL = {"shape": (1, 5, 5), "hidden": (8, 6), "levels": 4}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Three seeds of one experiment."""
    out = tmp_path_factory.mktemp("seeds")
    return [write_run(out, seed=seed, **SMALL) for seed in range(3)]


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Two seeds of another experiment on the same images and network."""
    out = tmp_path_factory.mktemp("others")
    changes = {"prune": {"scope": "global"}}
    return [write_run(out, seed=seed, changes=changes, **SMALL) for seed in (1, 2)]


def told(compared):
    return [(one.first[0].seed, one.first[1], one.second[0].seed, one.second[1]) for one in compared]


def test_seeds_are_compared_each_with_the_next(seeds):
    compared = compared_levels(groups(seeds), None)
    assert told(compared) == [(a, level, a + 1, level) for a in (0, 1) for level in (1, 2, 3)]
    assert {one.label for one in compared} == {"seeds of synthetic"}
    assert told(compared_levels(groups(seeds), [2])) == [(0, 2, 1, 2), (1, 2, 2, 2)]


def test_levels_of_a_run_are_compared_each_with_the_next(seeds):
    compared = compared_levels(groups(seeds[:1]), None)
    assert told(compared) == [(0, 1, 0, 2), (0, 2, 0, 3)]
    assert all(one.one_run for one in compared)


def test_experiments_are_compared_seed_by_seed_at_like_densities(seeds, others):
    compared = compared_levels(groups([*seeds, *others]), None)
    assert told(compared) == [(seed, level, seed, level) for level in (1, 2, 3) for seed in (1, 2)]
    assert {one.label for one in compared} == {"layer-wise and global"}
    first = compared_levels(groups([seeds[0], others[0]]), [3])
    assert told(first) == [(0, 3, 1, 3)]  # no seed in common


def test_many_levels_are_spread(tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.analysis.overlaps.MOST_LEVELS", 3)
    runs = [write_run(tmp_path, seed=seed, **SMALL | {"levels": 8}) for seed in range(2)]
    levels = [one.first[1] for one in compared_levels(groups(runs), None)]
    assert levels == [1, 4, 7]


def test_what_cannot_be_compared_is_refused(seeds, tmp_path):
    with pytest.raises(InputError, match=r"no level 9; finished levels of synthetic are"):
        compared_levels(groups(seeds), [9])
    with pytest.raises(InputError, match="nothing to compare it with"):
        compared_levels(groups([write_run(tmp_path, **SMALL | {"levels": 2})]), None)
    wide = write_run(tmp_path, **SMALL | {"hidden": (9, 6)})
    with pytest.raises(InputError, match="hidden layers have different sizes"):
        overlap_table(compared_levels(groups([seeds[0], wide]), [2]))


def test_rows_are_means_over_pairs(seeds):
    table = overlap_table(compared_levels(groups(seeds), [3]))
    row = table.filter(layer=2).row(0, named=True)
    plain = [overlap(a.mask(3, 2), b.mask(3, 2)) for a, b in pairwise(seeds)]
    assert (row["pairs"], row["level"]) == (2, 3)
    assert row["share_mean"] == pytest.approx(np.mean([one.share.value for one in plain]))
    assert row["share_sd"] == pytest.approx(np.std([one.share.value for one in plain], ddof=1))
    assert row["null_mean"] == pytest.approx(np.mean([one.share.null_mean for one in plain]))
    assert row["jaccard_mean"] == pytest.approx(np.mean([one.jaccard for one in plain]))
    matched = []
    for a, b in pairwise(seeds):
        order = match_units(a.mask(3), b.mask(3), draws=0).order
        matched.append(match_units(a.mask(3, 2), b.mask(3, 2), order))
    assert row["matched_share_mean"] == pytest.approx(np.mean([one.share.value for one in matched]))
    assert row["matched_null_spread_mean"] == pytest.approx(np.mean([one.share.null_sd for one in matched]))


def test_units_of_one_run_keep_their_places(seeds):
    table = overlap_table(compared_levels(groups(seeds[:1]), None))
    assert table["share_mean"].to_list() == [1] * 4  # iterative pruning prunes what is left
    assert table["matched_share_mean"].null_count() == 4
    assert table["level"].to_list() == [2, 2, 3, 3]
