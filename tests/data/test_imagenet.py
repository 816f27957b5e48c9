"""These tests check the table of ImageNet's classes, the rules that made it, and the orders of classes."""

import csv

import numpy as np
import pytest

import macro_classes
from macro_classes import classify, make_table, read_nouns
from prunescope.data import open_dataset
from prunescope.data.tasks.imagenet import MACRO_CLASSES, categories, devkit_places, sorted_places
from prunescope.data.tasks.resolving import resolve
from prunescope.errors import InputError
from prunescope.experiment import Data

TABLE_1 = [118, 100, 95, 85, 104, 111, 99, 95, 96, 97]
OFFICIAL = [f"devkit {number}" for number in range(1, 1001)]
BY_WNID = {category.wnid: category for category in categories()}


def test_the_table_holds_each_class_once_in_devkit_order():
    assert [category.devkit for category in categories()] == list(range(1, 1001))
    assert len(BY_WNID) == 1000
    assert all(len(wnid) == 9 and wnid[0] == "n" and wnid[1:].isdigit() for wnid in BY_WNID)
    assert categories()[0].wnid == "n02119789"
    assert categories()[0].name == "kit fox"
    assert categories()[-1].wnid == "n03255030"


def test_every_row_has_the_class_count_of_table_1():
    labels = [category.semantic for category in categories()]
    assert np.bincount(labels).tolist() == TABLE_1
    assert len(MACRO_CLASSES) == len(TABLE_1)


@pytest.mark.parametrize(
    ("wnid", "label"),
    [
        ("n02085620", 0),  # Chihuahua
        ("n02119789", 1),  # kit fox
        ("n02115641", 1),  # dingo: a canine, but no dog
        ("n01704323", 2),  # triceratops
        ("n01443537", 3),  # goldfish
        ("n01641577", 3),  # bullfrog
        ("n03642806", 4),  # laptop
        ("n04536866", 5),  # violin: a device too
        ("n03724870", 5),  # mask
        ("n04552348", 7),  # warplane
        ("n03095699", 7),  # container ship
        ("n02930766", 7),  # cab
        ("n02823428", 6),  # beer bottle
        ("n04380533", 7),  # table lamp
        ("n07753592", 8),  # banana
        ("n13054560", 8),  # bolete
        ("n03481172", 8),  # hammer
        ("n02980441", 9),  # castle
        ("n09472597", 9),  # volcano
    ],
)
def test_macro_classes_of_classes_picked_manually(wnid, label):
    assert BY_WNID[wnid].semantic == label


NOUNS = """  1 a licence line, which starts with a space
00000001 03 n 01 entity 0 000 | all there is
03183080 06 n 01 device 0 001 @ 00000001 n 0000 | a thing
03800933 06 n 02 musical_instrument 0 instrument 1 001 @ 03183080 n 0000 | it sounds
03122748 06 n 01 covering 0 001 @ 00000001 n 0000 | covers; with | a bar
03563967 06 n 01 implement 0 001 @ 00000001 n 0000 | used
00000002 06 n 01 lyre 0 003 @ 03800933 n 0000 ~ 03563967 n 0000 @ 00000004 v 0000 | both
00000003 06 n 01 lid 0 002 @ 03563967 n 0000 @i 03122748 n 0000 | two kinds
00000004 15 n 01 lake 0 001 @ 00000001 n 0000 | water
03776460 06 n 01 mobile_home 0 001 @ 03183080 n 0000 | listed by itself
"""


@pytest.fixture
def nouns(tmp_path):
    (tmp_path / "data.noun").write_text(NOUNS)
    return read_nouns(tmp_path / "data.noun")


def test_synsets_are_read_with_their_words_and_noun_hypernyms(nouns):
    assert len(nouns) == 9
    assert nouns["03800933"].words == ("musical instrument", "instrument")
    assert nouns["00000002"].hypernyms == ("03800933",)
    assert nouns["00000003"].hypernyms == ("03563967", "03122748")


def test_the_first_rule_that_fits_decides(nouns):
    wnids = ["n00000002", "n00000003", "n00000004", "n03776460", "n03183080"]
    assert classify(wnids, nouns) == [5, 5, 9, 9, 4]


def test_the_table_is_made_of_these_rules(nouns, monkeypatch):
    chosen = [categories()[0], categories()[1]]
    both = {category.wnid[1:]: nouns["00000002"] for category in chosen}
    monkeypatch.setattr(macro_classes, "categories", lambda: chosen)
    lines = make_table({**nouns, **both}).splitlines()
    rows = list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))
    assert [row["wnid"] for row in rows] == [category.wnid for category in chosen]
    assert [(row["devkit"], row["name"], row["semantic"]) for row in rows] == [
        ("1", "lyre", "5"),
        ("2", "lyre", "5"),
    ]


def test_other_files_are_refused(tmp_path, nouns):
    with pytest.raises(InputError, match=r"data\.noun is needed"):
        read_nouns(tmp_path / "nothing")
    (tmp_path / "other").write_text("a b c\n")
    with pytest.raises(InputError, match=r"not WordNet's data\.noun"):
        read_nouns(tmp_path / "other")
    with pytest.raises(InputError, match="n99999999: no such noun synset"):
        classify(["n99999999"], nouns)


# whose classes these are


def places(names, numbers=None, **fields):
    numbers = np.arange(len(names)) if numbers is None else np.array(numbers)
    found = devkit_places(Data(**fields), names, numbers)
    return None if found is None else found.tolist()


def test_official_files_are_in_devkit_order_unless_said_otherwise():
    assert places(OFFICIAL, source="imagenet32") == list(range(1000))
    assert places(OFFICIAL, source="imagenet64", class_order="sorted") == sorted_places().tolist()
    reverse = list(range(999, -1, -1))
    assert places(OFFICIAL, reverse, source="imagenet32", class_order="file.tsv") == reverse


def test_wnids_say_what_classes_are_whatever_the_source():
    assert places(["n02100735", "n02119789"], source="folder") == [1, 0]
    assert places(["n02100735", "other"], source="folder") is None
    assert places(["0", "1"], source="folder") is None


def test_sorted_places_are_those_of_sorted_wnids():
    wnids = [categories()[place].wnid for place in sorted_places()]
    assert wnids == sorted(BY_WNID)
    assert wnids[0] == "n01440764"  # tench comes first in every list of sorted wnids


def test_unnamed_parquet_classes_are_taken_for_sorted_by_semantic_tasks_only():
    numbers = [str(i) for i in range(1000)]
    assert places(numbers, source="parquet", task="semantic") == sorted_places().tolist()
    assert places(numbers, source="parquet", task="modulo:10") is None
    assert places(numbers, source="parquet", task="modulo:10", class_order="devkit") == list(range(1000))
    assert places(numbers, source="folder", task="semantic") is None
    assert places(numbers[:-1], source="parquet", task="semantic") is None


@pytest.mark.parametrize("protocol", [2, None])
def test_official_64_files_with_the_semantic_task(write_official, protocol):
    root = write_official(64, protocol)
    dataset = open_dataset(Data(source="imagenet64", root=str(root), task="semantic"), 0)
    assert dataset.shape == (3, 64, 64)
    assert dataset.classes == MACRO_CLASSES
    batch = dataset.draw(0, 0, 0, 300)
    expected = np.array([category.semantic for category in categories()])
    np.testing.assert_array_equal(batch.labels, expected[batch.indices])  # image n is of devkit class n + 1
    np.testing.assert_array_equal(dataset.validation.labels, expected[[0, 499, 999, 6]])


def test_orders_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="is for ImageNet's 1000 classes, the data has 3"):
        places(["a", "b", "c"], class_order="sorted")
    with pytest.raises(
        InputError, match="class_order=devkit, but the wnids of the data stand in another order"
    ):
        places(sorted(BY_WNID), class_order="devkit")
    assert places(sorted(BY_WNID), class_order="sorted") == sorted_places().tolist()


def test_modulo_says_that_the_order_of_a_thousand_unknown_classes_is_the_files_own():
    numbers = [str(i) for i in range(1000)]
    said = "data.task=modulo:10 uses the 1000 class numbers of the files; if they are ImageNet's"
    for names in (numbers, [f"name {i}" for i in range(1000)]):
        task = resolve(Data(source="parquet", task="modulo:10"), names)
        assert task.labels.tolist() == [i % 10 for i in range(1000)]
        [note] = task.notes
        assert said in note
    for fields, names in (
        ({"class_order": "sorted"}, numbers),
        ({"class_order": "devkit"}, numbers),
        ({}, sorted(BY_WNID)),
        ({}, numbers[:10]),
        ({"source": "imagenet32"}, numbers),
    ):
        assert resolve(Data(**{"source": "parquet", "task": "modulo:10", **fields}), names).notes == ()
    assert resolve(Data(source="parquet", task="classes"), numbers).notes == ()
    sorted_task = resolve(Data(source="parquet", task="modulo:10", class_order="sorted"), numbers)
    assert sorted_task.labels.tolist() == (sorted_places() % 10).tolist()
