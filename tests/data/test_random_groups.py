"""These tests check the tasks of ImageNet's macro-classes, of random groups, and of both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.data.tasks.imagenet import MACRO_CLASSES, categories
from prunescope.data.tasks.random_groups import deal, first_kept, half_kept
from prunescope.data.tasks.resolving import resolve
from prunescope.errors import InputError
from prunescope.experiment import Data

OFFICIAL = [f"devkit {number}" for number in range(1, 1001)]
SORTED = sorted(category.wnid for category in categories())
SEMANTIC = np.array([category.semantic for category in categories()])
TASKS = ("semantic", "semantic-5-random-5", "semantic-partial", "random:10", "modulo:10")


def task(name, names=OFFICIAL, **fields):
    return resolve(Data(task=name, **{"source": "imagenet32", **fields}), names)


def test_the_semantic_task_is_the_table():
    found = task("semantic")
    np.testing.assert_array_equal(found.labels, SEMANTIC)
    assert found.classes == MACRO_CLASSES


@pytest.mark.parametrize("name", TASKS)
def test_a_wnid_gets_the_same_label_from_files_in_any_order(name):
    official = dict(zip((c.wnid for c in categories()), task(name).labels, strict=True))
    expected = [official[wnid] for wnid in SORTED]
    numbers = [str(i) for i in range(1000)]
    assert task(name, SORTED, source="folder").labels.tolist() == expected
    assert task(name, numbers, source="parquet", class_order="sorted").labels.tolist() == expected
    assert len(task(name).classes) == 10


def test_modulo_counts_devkit_numbers():
    np.testing.assert_array_equal(task("modulo:10").labels, np.arange(1000) % 10)


def test_a_map_by_wnid_fits_the_official_files(tmp_path):
    (tmp_path / "map.tsv").write_text("".join(f"{wnid}\t{i % 2}\n" for i, wnid in enumerate(SORTED)))
    found = task(f"map:{tmp_path / 'map.tsv'}")
    order = {wnid: i for i, wnid in enumerate(SORTED)}
    assert found.labels.tolist() == [order[category.wnid] % 2 for category in categories()]


def test_five_macro_classes_stay_and_five_are_dealt():
    labels = task("semantic-5-random-5").labels
    np.testing.assert_array_equal(labels[SEMANTIC < 5], SEMANTIC[SEMANTIC < 5])
    assert np.bincount(labels).tolist() == [118, 100, 95, 85, 104, 100, 100, 100, 99, 99]
    mixed = np.array([np.bincount(SEMANTIC[labels == group], minlength=10)[5:] for group in range(5, 10)])
    assert mixed.min() >= 8  # about 20 of each: chance leaves fewer than 8 once in a thousand tables
    assert mixed.max() <= 36


def test_half_of_each_macro_class_stays():
    labels = task("semantic-partial").labels
    sizes = np.bincount(SEMANTIC)
    np.testing.assert_array_equal(np.bincount(labels), sizes)
    home = np.array([np.count_nonzero(labels[group == SEMANTIC] == group) for group in range(10)])
    stayed = sizes - sizes // 2
    assert (home >= stayed).all()
    assert (home <= stayed + 15).all()  # about 5 of the 50 that moved came back
    assert home.sum() < stayed.sum() + 90


@given(count=st.integers(2, 300), groups=st.integers(2, 12))
def test_dealt_groups_are_balanced(count, groups):
    sizes = np.bincount(deal(count, groups), minlength=groups)
    assert sizes.sum() == count
    assert sizes.max() - sizes.min() <= 1


@given(st.lists(st.integers(0, 9), min_size=12, max_size=200))
def test_mixtures_keep_what_they_say_of_any_subset(macro):
    macro = np.array(macro)
    five, half = first_kept(macro), half_kept(macro)
    np.testing.assert_array_equal(five[macro < 5], macro[macro < 5])
    assert (five[macro >= 5] >= 5).all()
    np.testing.assert_array_equal(np.bincount(half, minlength=10), np.bincount(macro, minlength=10))
    for group in np.unique(macro):
        assert 2 * np.count_nonzero(half[macro == group] == group) >= np.count_nonzero(macro == group)


def test_random_groups_need_no_wnids_and_no_seed():
    names = [f"c{i}" for i in range(10)]
    labels = task("random:3", names, source="folder").labels
    assert sorted(np.bincount(labels).tolist()) == [3, 3, 4]
    np.testing.assert_array_equal(labels, task("random:3", names, source="folder").labels)
    assert labels.tolist() != [i % 3 for i in range(10)]
    with pytest.raises(InputError, match="random:11: the data has only 10 classes"):
        task("random:11", names, source="folder")


def test_semantic_tasks_of_other_data_are_refused():
    for name in TASKS[:3]:
        with pytest.raises(InputError, match=r"needs classes of ImageNet, but 'cat' is not the wnid of one"):
            task(name, ["cat", "dog"], source="folder")
    with pytest.raises(InputError, match=r"but 'n0' is not .* say data.class_order=devkit, sorted or FILE"):
        task("semantic", ["n02119789", "n0"], source="folder")
