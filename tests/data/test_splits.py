"""These tests check which images of a validation part are validation images, and which are held out."""

import numpy as np
import pytest

from prunescope.data import open_dataset
from prunescope.data.splits import split_images, split_rule, stratified
from prunescope.errors import InputError
from prunescope.experiment import Data


def rows_of(labels, count, rule="stratified"):
    """Return the rows that become validation and held-out images."""
    pixels = np.arange(len(labels))[:, None]
    validation, heldout = split_images(pixels, np.asarray(labels), np.asarray(labels), count, rule)
    return validation.pixels[:, 0].tolist(), heldout.pixels[:, 0].tolist()


def test_every_class_has_its_share_of_a_sorted_part():
    labels = np.repeat([0, 1, 2, 3], 20)
    validation, heldout = rows_of(labels, 40)
    assert np.bincount(labels[validation]).tolist() == [10, 10, 10, 10]
    assert np.bincount(labels[heldout]).tolist() == [10, 10, 10, 10]
    assert sorted(validation + heldout) == list(range(80))


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ((50, 30, 20), 10, (5, 3, 2)),
        ((50, 30, 20), 7, (4, 2, 1)),  # 3.5, 2.1, 1.4: the largest remainder is that of the first
        ((10, 10, 10), 4, (2, 1, 1)),  # of equal remainders the lower label's
        ((10, 10, 10), 5, (2, 2, 1)),
        ((97, 1, 1, 1), 10, (10, 0, 0, 0)),
        ((5, 0, 5), 4, (2, 0, 2)),
    ],
)
def test_shares_go_by_the_largest_remainders(sizes, count, expected):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    found = np.bincount(labels[stratified(labels, count)], minlength=len(sizes))
    assert tuple(found) == expected


def test_the_draw_is_random_within_a_class_and_the_same_every_time():
    labels = np.tile([0, 1], 200)
    chosen = stratified(labels, 100)
    assert chosen.tolist() == stratified(labels, 100).tolist()
    halves = np.add.reduceat(chosen, [0, 200])
    assert 30 < halves[0] < 70  # not the first of each class
    first = np.flatnonzero(chosen)[:6]
    assert first.tolist() == [1, 2, 3, 6, 7, 9]  # stored runs depend on the draw: it must not change


def test_rows_stay_in_the_order_of_the_source():
    validation, heldout = rows_of(np.random.default_rng(0).integers(0, 5, 300), 120)
    assert validation == sorted(validation)
    assert heldout == sorted(heldout)


@pytest.mark.parametrize(("rule", "count"), [("source order", 4), ("stratified", 6), ("stratified", 60)])
def test_images_in_the_order_of_the_source_are_not_copied(rule, count):
    pixels, labels = np.arange(12).reshape(6, 2), np.array([0, 0, 0, 1, 1, 1])
    validation, heldout = split_images(pixels, labels, labels, count, rule)
    assert validation.pixels.base is pixels.base
    assert heldout.pixels.base is pixels.base
    np.testing.assert_array_equal(validation.pixels, pixels[:count])
    np.testing.assert_array_equal(heldout.pixels, pixels[count:])


@pytest.mark.parametrize(
    ("source", "classes", "rule"),
    [
        ("imagenet32", 1000, "source order"),
        ("imagenet64", 1000, "source order"),
        ("cifar10", 10, "source order"),
        ("cifar100", 100, "source order"),
        ("photographs", 2, "source order"),
        ("parquet", 1000, "source order"),
        ("parquet", 200, "stratified"),
        ("folder", 1000, "stratified"),
        ("npz", 10, "stratified"),
    ],
)
def test_the_rule_is_that_of_the_source_unless_one_is_given(source, classes, rule):
    data = Data(source=source)
    assert split_rule(data, classes) == rule
    assert split_rule(data, classes, "stratified") == "stratified"
    assert split_rule(data, classes, "source order") == "source order"
    with pytest.raises(InputError, match="the split rule is 'sorted': use 'source order' or 'stratified'"):
        split_rule(data, classes, "sorted")


@pytest.fixture
def sorted_npz(tmp_path):
    """Sixty images of four classes for training; a validation part of forty, sorted by class."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(4), 10)
    np.savez(
        tmp_path / "sorted.npz",
        x_train=rng.integers(0, 256, (60, 4, 4), np.uint8),
        y_train=np.arange(60) % 4,
        x_test=rng.integers(0, 256, (40, 4, 4), np.uint8),
        y_test=labels,
    )
    return lambda seed=0, split_rule=None, **fields: open_dataset(
        Data(source="npz", root=str(tmp_path / "sorted.npz"), **fields), seed, split_rule=split_rule
    )


def test_a_data_set_says_its_rule(sorted_npz):
    drawn, first = sorted_npz(validation=20), sorted_npz(validation=20, split_rule="source order")
    assert (drawn.split_rule, first.split_rule) == ("stratified", "source order")
    assert np.bincount(drawn.validation.labels, minlength=4).tolist() == [5, 5, 5, 5]
    assert np.bincount(drawn.heldout.labels, minlength=4).tolist() == [5, 5, 5, 5]
    assert np.bincount(first.validation.labels, minlength=4).tolist() == [10, 10, 0, 0]
    assert drawn.fingerprint == first.fingerprint


def test_the_validation_images_are_those_of_every_seed_and_task(sorted_npz):
    found = [
        sorted_npz(seed, validation=20, task=task).validation.pixels.tobytes()
        for seed, task in ((0, "classes"), (1, "classes"), (1, "modulo:2"), (2, "random:3"))
    ]
    assert len(set(found)) == 1
    assert sorted_npz(validation=20, task="modulo:2").validation.labels.tolist().count(0) == 10


def test_too_few_images_are_said_with_their_number(sorted_npz):
    def notes(**fields):
        return " | ".join(sorted_npz(**fields).notes)

    assert notes(validation=20) == ""
    assert "40 of 10,000 validation images asked for" in notes(validation=10_000)
    assert "none is held out" in notes(validation=10_000)
    assert "all 40 images of the validation part are validation images" in notes(validation=40)
    assert "2 of 4 classes without a validation image" in notes(validation=20, split_rule="source order")
    assert "2 of 4 classes without a held-out image" in notes(validation=20, split_rule="source order")
    assert "all validation images are of one class, 0" in notes(validation=10, split_rule="source order")
