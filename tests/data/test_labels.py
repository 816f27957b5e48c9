"""These tests read labels of every kind that files hold, and refuse those that are not one class an image."""

import numpy as np
import pytest

from prunescope.data.sources import labels
from prunescope.data.sources.labels import numbered
from prunescope.errors import InputError

PLACES = ("a.npz: y_train", "a.npz: y_test")


def read(train, held=(), gaps=False):
    own, others, classes = numbered(np.asarray(train), np.asarray(held), PLACES, gaps)
    assert own.dtype == others.dtype == np.int64
    return own.tolist(), others.tolist(), classes


def refused(match, train, held=(), gaps=False):
    with pytest.raises(InputError, match=match) as caught:
        read(train, held, gaps)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "train",
    [
        [0, 2, 1],
        np.array([0, 2, 1], np.uint8),
        [0.0, 2.0, 1.0],
        [[0], [2], [1]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[1.0, 0, 0], [0, 0, 1], [0, 1, 0]],
    ],
)
def test_numbers_of_any_type_and_one_hot_rows(train):
    assert read(train, [1, 1]) == ([0, 2, 1], [1, 1], ("0", "1", "2"))


def test_booleans_are_two_classes():
    assert read([True, False]) == ([1, 0], [], ("0", "1"))


@pytest.mark.parametrize("kind", ["U", "S"])
def test_text_becomes_classes_in_the_order_of_the_names(kind):
    train, held = np.array(["dog", "cat", "ant", "cat"], kind), np.array(["dog", "ant"], kind)
    assert read(train, held) == ([2, 1, 0, 1], [2, 0], ("ant", "cat", "dog"))
    assert read(train[:, None], held[:, None])[0] == [2, 1, 0, 1]


def test_text_of_numbers_is_in_the_order_of_the_numbers():
    assert read(["10", "2", "1"], ["2"]) == ([2, 1, 0], [1], ("1", "2", "10"))


def test_text_that_is_no_class_of_the_training_images():
    refused(
        "y_test: label 'eel' is not a class of the training images", ["ant", "cat"], ["ant", "eel", "fox"]
    )
    refused("y_test: labels are int64, those of a.npz: y_train are text", ["ant", "cat"], [0, 1])
    refused("y_test: labels are <U3 .*, they must be integers", [0, 1], ["ant", "cat"])
    refused("y_train: some labels are empty: leave these images out", ["ant", "", "cat"])
    refused("y_train: all labels are 'ant': at least 2 classes are needed", ["ant", "ant"])


def test_numbers_that_do_not_count_classes_say_what_to_do():
    refused(
        r"y_train: 2 different labels, from 1440764 to 15075141: number them 0 to 1 \(class 0 has no training image\)",
        [1440764, 15075141],
    )
    refused(r"3 different labels, from 0 to 4: number them 0 to 2 \(class 2 has no", [0, 1, 4])
    refused("y_train: labels go from 1 to 3: number them from 0", [1, 2, 3])
    refused("y_train: all labels are 4: at least 2 classes are needed", [4, 4])
    refused("y_train: label -3 of image 1 is out of range: labels go from 0 to 1", [1, -3])


def test_left_out_numbers_are_kept_for_tasks_that_group_classes_unless_they_are_huge():
    assert read([0, 1, 4], [3], gaps=True) == ([0, 1, 4], [3], ("0", "1", "2", "3", "4"))
    refused("2 different labels, from 0 to 2000000000: number them 0 to 1", [0, 2_000_000_000], gaps=True)
    refused("label 18446744073709551615 is too large", np.array([0, 2**64 - 1], np.uint64), gaps=True)


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf, 1e300])
def test_floats_that_are_not_whole(wrong):
    refused("y_train: labels are float64, they must be integers: that of image 1 is", [0, wrong])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_floats_of_any_precision_that_are_whole(kind):
    assert read(np.array([0, 1, 2], kind), [1])[:2] == ([0, 1, 2], [1])


def test_no_labels_and_several_labels():
    refused(
        "y_test: every label is -1, so that this part has none: choose a part with labels", [0, 1], [-1, -1]
    )
    refused(
        r"y_train has shape \[2, 3\] and row 1 is not one-hot: one class an image is read",
        [[1, 0, 0], [1, 1, 0]],
    )
    refused("row 0 is not one-hot: .*argmax of the row", [[0.2, 0.8], [0, 1]])
    refused("y_test: label 2 of image 0 is out of range: labels go from 0 to 1", [0, 1], [2])


def test_refusals_do_not_make_an_array_as_long_as_the_largest_label():
    import tracemalloc

    tracemalloc.start()
    refused("number them 0 to 1", [0, 2_000_000_000])
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_all_classes_need_a_training_image():
    with pytest.raises(InputError, match=r"a: class 1 \(cat\) has no training image: .* \(2 of 3 have none"):
        labels.check_all_trained(np.array([0, 0]), ("ant", "cat", "dog"), "a")
