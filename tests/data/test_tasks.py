"""These tests check modulo groups, class maps and class orders."""

import os

import numpy as np
import pytest

from prunescope.data import open_dataset
from prunescope.data.tasks import resolving
from prunescope.data.tasks.resolving import resolve
from prunescope.errors import InputError
from prunescope.experiment import Data

WNIDS = ("n01", "n02", "n03", "n04")


@pytest.fixture
def file(tmp_path):
    def write(text, name="map.tsv"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def labels(classes=WNIDS, **fields):
    return resolve(Data(**fields), classes).labels.tolist()


def test_classes_and_modulo():
    assert labels() == [0, 1, 2, 3]
    task = resolve(Data(task="modulo:3"), WNIDS)
    assert task.labels.tolist() == [0, 1, 2, 0]
    assert len(task.classes) == 3


@pytest.mark.parametrize(
    "text",
    [
        "0\t1\n1\t0\n2\t1\n3\t0\n",
        "0,1\n1,0\n2,1\n3,0\n",
        "label\tnew\n3\t0\n2\t1\n1\t0\n0\t1\n",
        "# comment\nn01\t1\nn02\t0\nn03\t1\nn04\t0\nn99\t7\n",
        "\ufeff0,1\r\n1,0\r\n2,1\r\n3,0\r\n",
    ],
)
def test_a_map_by_number_or_by_name(file, text):
    task = resolve(Data(task=f"map:{file(text)}"), WNIDS)
    assert task.labels.tolist() == [1, 0, 1, 0]
    assert task.classes == ("0", "1")


def test_a_column_of_a_wide_table_is_matched_by_name_first(file):
    # the label column numbers another order: wnids decide
    table = "label\twnid\tname\tsuperclass\n3\tn01\tkit, fox\t0\n2\tn02\tb\t1\n1\tn03\tb\t2\n0\tn04\td\t1\n"
    assert labels(task=f"map:{file(table)}:superclass") == [0, 1, 2, 1]
    numbered = ("devkit 1", "devkit 2", "devkit 3", "devkit 4")
    assert labels(numbered, task=f"map:{file(table)}:superclass") == [1, 2, 1, 0]


def test_class_order_renumbers_before_the_task(file):
    order = file("n01\t4\nn02\t3\nn03\t1\nn04\t2\n", "order.tsv")
    task = resolve(Data(class_order=order), WNIDS)
    assert task.labels.tolist() == [3, 2, 0, 1]
    assert task.classes == ("n03", "n04", "n02", "n01")
    assert labels(class_order=order, task="modulo:2") == [1, 0, 0, 1]
    by_number = file("0\t0\n1\t1\n2\t1\n3\t0\n")
    assert labels(class_order=order, task=f"map:{by_number}") == [0, 1, 0, 1]
    # a source without names: its own numbers must not be taken for the new ones
    unnamed = file("0\t4\n1\t3\n2\t1\n3\t2\n", "unnamed.tsv")
    assert labels(("0", "1", "2", "3"), class_order=unnamed, task=f"map:{by_number}") == [0, 1, 0, 1]


def test_class_order_of_some_of_the_devkit_classes(file):
    order = file("n01\t700\nn02\t13\nn03\t1000\nn04\t2\n")
    assert labels(class_order=order, task="modulo:3") == [0, 0, 0, 1]
    assert labels(class_order=order) == [2, 1, 3, 0]


def test_class_order_may_name_the_classes(file):
    names = file("label\twnid\n0\tn09\n1\tn08\n", "names.tsv")
    groups = file("n08\t0\nn09\t1\n")
    task = resolve(Data(class_order=names, task=f"map:{groups}"), ("devkit 1", "devkit 2"))
    assert task.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\t0\n1\t1\n2\t1\n", "no line for class 3 \\(n04\\): every class needs one"),
        ("0\t0\n1\t2\n2\t2\n3\t0\n", "0 to K-1 without a hole: 1 is missing"),
        ("0\t0\n1\t1\n2\t1\n3\t99999999999999999999\n", "0 to K-1 without a hole: 2 is missing"),
        ("0\t0\n1\t1\n2\t1\n3\t²\n", "new label '²' is not an integer"),
        ("0\t-1\n1\t0\n2\t0\n3\t0\n", "-1 is negative"),
        ("0\tdog\n1\t0\n2\t0\n3\t0\n", "new label 'dog' is not an integer"),
        ("0\t0\n0\t1\n1\t1\n2\t1\n3\t0\n", "'0' has two lines"),
        ("0\n1\n2\n3\n", "a line is too short"),
        ("n01\t0\nn02\t0\n2\t1\n3\t1\n", "mixes class names and numbers"),
        ("", "no line in it"),
    ],
)
def test_maps_that_are_wrong(file, text, message):
    with pytest.raises(InputError, match=message) as caught:
        labels(task=f"map:{file(text)}")
    assert "\n" not in str(caught.value)


def test_other_mistakes(file, tmp_path):
    path = file("label\tgroup\n0\t0\n1\t1\n2\t1\n3\t1\n")
    with pytest.raises(InputError, match="no column 'supper'; its columns are label, group"):
        labels(task=f"map:{path}:supper")
    with pytest.raises(InputError, match="nowhere: No such file"):
        labels(task=f"map:{tmp_path}/nowhere")
    with pytest.raises(InputError, match="modulo:5: the data has only 4 classes"):
        labels(task="modulo:5")
    with pytest.raises(InputError, match="must be different, at least 1"):
        labels(class_order=path)


def test_a_task_changes_labels_and_fingerprint_of_a_dataset(small_npz, file):
    def opened(**fields):
        return open_dataset(Data(source="npz", root=str(small_npz), **fields), 0)

    plain, mapped = opened(), opened(task=f"map:{file('0,1' + chr(10) + '1,0' + chr(10) + '2,1')}")
    assert mapped.fingerprint != plain.fingerprint
    expected = np.array([1, 0, 1])
    batch = mapped.draw(0, 0, 0, 40)
    np.testing.assert_array_equal(batch.labels, expected[plain.draw(0, 0, 0, 40).labels])
    np.testing.assert_array_equal(mapped.validation.labels, expected[plain.validation.labels])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\t0\n1\t1\n2\t1\n3\t" + "9" * 5000 + "\n", "new label '9{60}…' is not an integer"),
        ("0\t0\n1\t1\n2\t1\n3\t\u0661\n", "new label '\u0661' is not an integer"),
        ("0\t0\n1\t1\n2\t1\n3\t１\n", "new label '１' is not an integer"),
        ("\u0660\t0\n1\t1\n2\t1\n3\t1\n", "no line for class 0"),
        ("0,0\n1,1\n2,1\n3," + "1" * 200_000 + "\n", "not a table of text: field larger than field limit"),
        ("0\t0\n1\t1\n2\t1\n3\t--1\n", "new label '--1' is not an integer"),
    ],
)
def test_digits_that_are_no_numbers(file, text, message):
    with pytest.raises(InputError, match=message) as caught:
        labels(task=f"map:{file(text)}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("number", ["²", "0", "1000000002", "9" * 40, "9" * 5000])
def test_class_numbers_that_count_nothing(file, number):
    order = file(f"0\t1\n1\t2\n2\t3\n3\t{number}\n", "order.tsv")
    if number.isdecimal() and len(number) < 300:
        with pytest.raises(InputError, match="different, at least 1 and at most 1,000,000,000"):
            labels(class_order=order, task="modulo:2")
    else:  # a class of that name
        assert labels(class_order=order) == [0, 1, 2, 3]


def test_maps_that_are_no_files(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe, not a file"):
        labels(task=f"map:{tmp_path / 'pipe'}")
    with pytest.raises(InputError, match="is a device, not a file"):
        labels(class_order="/dev/zero")
    (tmp_path / "long").write_bytes(b"0\t0\n" * 10)
    monkeypatch.setattr(resolving, "_MOST_BYTES", 20)
    with pytest.raises(InputError, match="not a file of one line a class"):
        labels(task=f"map:{tmp_path / 'long'}")
