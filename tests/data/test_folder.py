"""These tests read folders of images as they are found: parts of any name, litter, links, and what is refused."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from prunescope.data import info, open_dataset
from prunescope.data.prepared.preparation import prepare
from prunescope.data.prepared.reading import open_prepared
from prunescope.errors import InputError
from prunescope.experiment import Data

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _cache_elsewhere(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))


def picture(path, array=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = RNG.integers(0, 256, (4, 4, 3), np.uint8) if array is None else array
    Image.fromarray(array).save(path)


def pictures(root, classes="ab", count=4, suffix=".png"):
    for name in classes:
        for i in range(count):
            picture(root / name / f"{i}{suffix}")
    return root


def prepared(root, size=4):
    return open_prepared(prepare(Data(source="folder", root=str(root), size=size)))


def counts(root):
    found = info(prepared(root).path)
    return found["images"]["train"], found["images"]["validation"]


def notes(root):
    return " | ".join(prepared(root).notes)


def refusal(root, **fields):
    with pytest.raises(InputError) as caught:
        prepare(Data(source="folder", root=str(root), size=4, **fields))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# which folders are the parts


@pytest.mark.parametrize("train", ["train", "Train", "TRAIN", "training", "Training_Set", "train_images"])
@pytest.mark.parametrize(
    "validation",
    ["val", "Val", "VALIDATION", "valid", "test", "Testing", "dev", "eval", "Validation Data", "images_test"],
)
def test_parts_are_known_by_many_names(tmp_path, train, validation):
    pictures(tmp_path / train, count=3)
    pictures(tmp_path / validation, count=2)
    found = prepared(tmp_path)
    assert found.classes == ("a", "b")
    assert counts(tmp_path) == (6, 4)
    assert found.notes == ()


def test_val_is_preferred_to_test_and_what_is_not_used_is_said(tmp_path):
    for name, count in (("train", 5), ("test", 3), ("val", 2), ("unlabelled", 1)):
        pictures(tmp_path / name, count=count)
    assert counts(tmp_path) == (10, 4)
    assert notes(tmp_path) == "folders beside train and val are not used: test, unlabelled"


def test_a_tenth_is_held_out_where_there_is_only_a_training_part(tmp_path):
    pictures(tmp_path / "train", count=20)
    assert counts(tmp_path) == (36, 4)
    assert "train but no validation part: a fixed tenth" in notes(tmp_path)


def test_a_class_may_be_called_train(tmp_path):
    pictures(tmp_path, classes=("bus", "car", "train"))
    assert prepared(tmp_path).classes == ("bus", "car", "train")
    assert "taken as classes, since no folder is in them: train" in notes(tmp_path)


@pytest.mark.parametrize("inside", ["", "seg_train"])
def test_folders_that_seem_to_be_parts_are_never_classes(tmp_path, inside):
    pictures(tmp_path / "seg_train" / inside)
    pictures(tmp_path / "seg_test" / inside)
    assert "seg_train and seg_test hold folders: if they are the training" in refusal(tmp_path)


def test_parts_below_classes_are_refused(tmp_path):
    for name in ("bad", "good"):
        pictures(tmp_path / name, classes=("train", "test"))
    assert "bad: train and test in a class folder: parts must be above the classes" in refusal(tmp_path)


def test_words_for_parts_may_be_in_the_names_of_classes(tmp_path):
    for name in ("bullet_train", "test_tube"):
        pictures(tmp_path / name, classes=("images",))
    assert prepared(tmp_path).classes == ("bullet_train", "test_tube")
    assert prepared(tmp_path).notes == ()


@pytest.mark.parametrize("part", ["", "train"])
def test_images_below_the_class_folders_are_said_to_count_to_the_class_above(tmp_path, part):
    pictures(tmp_path / part / "animal", classes=("cat", "dog"))
    pictures(tmp_path / part / "vehicle", classes=("bus", "train"))
    assert prepared(tmp_path).classes == ("animal", "vehicle")
    assert "(animal/cat, animal/dog, vehicle/bus, …) count to the class above them" in notes(tmp_path)


def test_class_folders_whose_names_are_no_text_are_refused(tmp_path):
    pictures(tmp_path)
    try:
        os.rename(tmp_path / "a", os.fsencode(tmp_path) + b"/\xff")
    except OSError:  # macOS has no such names
        pytest.skip("the file system takes UTF-8 only")
    assert "the name '\\udcff' of a class folder is no UTF-8 text: rename the folder" in refusal(tmp_path)


def test_pointers_of_git_lfs_are_told_from_images(tmp_path):
    pictures(tmp_path)
    (tmp_path / "b" / "2.png").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )
    assert "b/2.png: a pointer of Git LFS in place of the file: fetch it with git lfs pull" in refusal(
        tmp_path
    )


def test_parts_that_cannot_be_understood_are_refused(tmp_path):
    pictures(tmp_path / "one" / "val")
    pictures(tmp_path / "one" / "test")
    assert "val, test but no train in it" in refusal(tmp_path / "one")
    pictures(tmp_path / "two" / "Train")
    pictures(tmp_path / "two" / "training")
    assert "Train and training in it: which has the training images?" in refusal(tmp_path / "two")
    picture(tmp_path / "flat" / "train" / "0.png")
    pictures(tmp_path / "flat" / "val")
    assert "no class folders in it, expected train/CLASS/*" in refusal(tmp_path / "flat")
    pictures(tmp_path / "empty" / "train")
    (tmp_path / "empty" / "val" / "a").mkdir(parents=True)
    assert "val: no image in it" in refusal(tmp_path / "empty")
    pictures(tmp_path / "unlabelled" / "train")
    picture(tmp_path / "unlabelled" / "val" / "0.png")
    assert "val: 1 images but no class folders and no val_annotations.txt" in refusal(tmp_path / "unlabelled")


# tiny-imagenet-200


@pytest.fixture
def tiny_imagenet(tmp_path):
    """A tree as in tiny-imagenet-200's archive, with two classes, and the pixels of its validation images."""
    root, values = tmp_path / "tiny-imagenet-200", {}
    (root / "train").mkdir(parents=True)
    (root / "wnids.txt").write_text("n02\nn01\n")
    for wnid in ("n01", "n02"):
        for i in range(3):
            picture(root / "train" / wnid / "images" / f"{wnid}_{i}.JPEG")
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t3\t3\n")
    lines = []
    for i, wnid in enumerate(("n02", "n01", "n02")):
        values[i] = np.full((4, 4, 3), 40 * i, np.uint8)
        picture(root / "val" / "images" / f"val_{i}.JPEG", values[i])
        lines.append(f"val_{i}.JPEG\t{wnid}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    picture(root / "test" / "images" / "test_0.JPEG")
    return root


def test_tiny_imagenet_is_read_as_its_archive_has_it(tiny_imagenet):
    found = prepared(tiny_imagenet)
    assert found.classes == ("n01", "n02")
    assert found.labels("train").tolist() == [0, 0, 0, 1, 1, 1]
    assert found.labels("validation").tolist() == [0, 1, 1]
    assert found.images("validation")[:, 0].tolist() == [40, 0, 80]
    assert "folders beside train and val are not used: test" in found.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("n02", "n03"), "n03: not a class of the training images"),
        (lambda text: text.splitlines()[0], "no line for the image val_1.JPEG, nor for 1 others"),
        (lambda text: text + "val_9.JPEG\tn01\n", "line 4: no image val_9.JPEG"),
        (lambda text: text + text, "line 4: no image val_0.JPEG, or two lines for it"),
        (lambda text: text + "n01\n", "line 4: expected FILE<TAB>CLASS"),
    ],
)
def test_annotations_that_do_not_fit_are_refused(tiny_imagenet, change, message):
    file = tiny_imagenet / "val" / "val_annotations.txt"
    file.write_text(change(file.read_text()))
    assert message in refusal(tiny_imagenet)


# litter, links and other files


def test_litter_is_left_out_and_said(tmp_path):
    pictures(tmp_path, count=12)
    for place in (".ipynb_checkpoints", "deep/__MACOSX", ".hidden"):
        picture(tmp_path / "a" / place / "0.png")
    for place in (".ipynb_checkpoints", "__MACOSX"):
        picture(tmp_path / place / "0.png")
    (tmp_path / "a" / "._0.png").write_bytes(b"litter")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "b" / name).write_bytes(b"litter")
    assert prepared(tmp_path).classes == ("a", "b")
    assert sum(counts(tmp_path)) == 24
    assert notes(tmp_path) == (
        "left out: 1 folder .hidden, 1 folder .ipynb_checkpoints, 1 folder __MACOSX, 1 file hidden"
    )


def test_files_that_are_no_images_are_counted(tmp_path):
    pictures(tmp_path)
    for name in ("a/x.heic", "a/y.HEIC", "b/notes.txt", "b/bare"):
        (tmp_path / name).write_text("no image")
    picture(tmp_path / "loose.png")
    assert sum(counts(tmp_path)) == 8
    assert notes(tmp_path) == (
        f"left out: 2 files .heic, 1 file .txt, 1 file beside the class folders in {tmp_path.name}, "
        "1 file without suffix"
    )
    (tmp_path / "c").mkdir()
    shutil.copy(tmp_path / "a" / "x.heic", tmp_path / "c" / "x.heic")
    assert refusal(tmp_path).endswith("c: class without an image (in it: 1 file .heic)")


@pytest.mark.parametrize(
    "suffix", [".jpg", ".JPEG", ".jfif", ".jpe", ".bmp", ".gif", ".tif", ".webp", ".ppm"]
)
def test_suffixes_of_images(tmp_path, suffix):
    assert counts(pictures(tmp_path, suffix=suffix)) == (6, 2)


def test_links_are_followed_and_loops_refused(tmp_path):
    pictures(tmp_path / "elsewhere", count=6)
    root = tmp_path / "root"
    (root / "b").mkdir(parents=True)
    (root / "a").symlink_to(tmp_path / "elsewhere" / "a")
    (root / "b" / "more").symlink_to(tmp_path / "elsewhere" / "b")
    (root / "b" / "one.png").symlink_to(tmp_path / "elsewhere" / "a" / "0.png")
    assert sum(counts(root)) == 13
    (root / "b" / "back").symlink_to(root)
    assert "back/b: a link to a folder above it" in refusal(root)
    (root / "b" / "back").unlink()
    (root / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert "gone.png: a link to nowhere" in refusal(root)


def test_folders_that_may_not_be_read_are_refused(tmp_path, monkeypatch):
    pictures(tmp_path)
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert refusal(tmp_path).endswith("b: Permission denied")


def test_what_lies_in_place_of_class_folders_is_said(tmp_path):
    pictures(tmp_path / "outer" / "inner")
    assert f"if the classes are in inner, say data.root={tmp_path}/outer/inner" in refusal(tmp_path / "outer")
    picture(tmp_path / "flat" / "0.png")
    assert "1 images lie directly in it: move them to CLASS/*" in refusal(tmp_path / "flat")


def test_a_clone_of_a_parquet_set_is_refused_with_its_source(tmp_path):
    pictures(tmp_path, classes=("assets",))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-0.parquet").write_bytes(b"content")
    message = refusal(tmp_path)
    assert f"data.root={tmp_path / 'data'} holds parquet files: read it with data.source=parquet" in message


def test_a_set_has_one_prepared_folder_by_whatever_link_it_is_named(tmp_path):
    root = pictures(tmp_path / "set")
    (tmp_path / "link").symlink_to(root)
    (root / "a" / "linked.png").symlink_to(root / "b" / "0.png")
    assert prepared(tmp_path / "link").path == prepared(root).path
    picture(root / "b" / "0.png")  # the file behind the link has changed
    assert (
        prepared(tmp_path / "link").path == prepared(root).path != prepared(pictures(tmp_path / "other")).path
    )


def test_one_image_a_class_is_refused(tmp_path):
    assert "one image a class" in refusal(pictures(tmp_path, count=1))


# colours


def grey(count):
    return [RNG.integers(0, 256, (4, 4), np.uint8) for _ in range(count)]


def test_one_image_in_colour_makes_a_set_of_three_channels(tmp_path):
    for i, array in enumerate(grey(150)):
        picture(tmp_path / "a" / f"{i:03}.png", array)
        picture(tmp_path / "b" / f"{i:03}.png", array)
    assert prepared(tmp_path).shape == (1, 4, 4)
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 250
    for path in (tmp_path / "b" / f"{i:03}.png" for i in (61, 62)):  # at least one is in the training part
        picture(path, red)
    found = prepared(tmp_path)
    assert found.shape == (3, 4, 4)
    rows = np.concatenate([found.images("train"), found.images("validation")])
    assert (rows == np.repeat([250, 0, 0], 16)).all(axis=1).sum() == 2
    assert (rows.reshape(-1, 3, 16) == rows.reshape(-1, 3, 16)[:, :1]).all(axis=(1, 2)).sum() == 298


def test_colour_in_the_validation_part_alone_is_made_grey_and_said(tmp_path):
    for name in "ab":
        picture(tmp_path / "train" / name / "0.png", grey(1)[0])
        picture(tmp_path / "val" / name / "0.png", np.full((4, 4, 3), (0, 255, 0), np.uint8))
    found = prepared(tmp_path)
    assert found.shape == (1, 4, 4)
    assert found.images("validation").tolist() == [[150] * 16] * 2  # 0.587 of 255
    assert "2 validation images in colour made grey" in notes(tmp_path)


@pytest.mark.parametrize("fields", [{}, {"rotate": 20.0}])
def test_a_folder_prepared_by_an_earlier_version_opens_with_a_warning(tmp_path, fields):
    found = prepared(pictures(tmp_path / "set", count=20))
    whole = Data(source="folder", root=str(found.path), size=4, validation=2, **fields)
    now = open_dataset(whole, 0)
    assert now.notes == ()
    manifest = json.loads((found.path / "prepared.json").read_text())
    del manifest["validation_images_in_training"]
    for name in ("notes", "reader"):  # neither is in what 0.1.0 wrote
        del manifest["provenance"][name]
    (found.path / "prepared.json").write_text(json.dumps(manifest))
    earlier = open_dataset(whole, 0, cache=tmp_path / "own")
    assert earlier.notes[0].split(":")[0].endswith("hidden folders wrongly")
    uncounted = ["whether validation images are also training images was not counted"]  # rotation counts them
    assert [note.split(" by ")[0] for note in earlier.notes[1:]] == ([] if fields else uncounted)
    assert earlier.fingerprint == now.fingerprint


def test_parts_that_an_earlier_version_took_for_classes_are_named(tmp_path):
    manifest = prepared(pictures(tmp_path, count=20)).path / "prepared.json"
    content = json.loads(manifest.read_text()) | {"classes": ["Train", "Val"]}
    del content["provenance"]["reader"]
    manifest.write_text(json.dumps(content))
    told = open_dataset(Data(source="folder", root=str(manifest.parent), size=4, validation=2), 0).notes
    assert "its classes Train, Val seem to be the training and the validation part" in told[1]


def test_notes_are_those_of_the_data_set(tmp_path):
    pictures(tmp_path, count=20)
    shutil.copy(tmp_path / "a" / "0.png", tmp_path / "a" / "x.heic")
    dataset = open_dataset(Data(source="folder", root=str(tmp_path), size=4, validation=2), 0)
    assert dataset.notes == ("left out: 1 file .heic",)
    assert info(prepared(tmp_path).path)["provenance"]["notes"] == ["left out: 1 file .heic"]
