"""These tests check what is refused before a run starts, and that it is refused before any image is read."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunescope.data import open_dataset
from prunescope.data.prepared.preparation import prepare
from prunescope.data.sources import pictures
from prunescope.errors import InputError
from prunescope.experiment import Data


def refusal(**fields):
    with pytest.raises(InputError) as caught:
        open_dataset(Data(**fields), 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def unread(write_folder, monkeypatch):
    """A folder of three classes with eight images each, of which none may be decoded."""
    rng = np.random.default_rng(0)
    root = write_folder(rng.integers(0, 256, (24, 4, 4, 3), np.uint8), np.arange(24) % 3)

    def square(*_):
        raise AssertionError("an image was read")

    monkeypatch.setattr(pictures, "square", square)
    return {"source": "folder", "root": str(root), "size": 4}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "modulo:5"}, "data.task=modulo:5: the data has only 3 classes"),
        ({"task": "random:4"}, "data.task=random:4: the data has only 3 classes"),
        ({"task": "map:nowhere.tsv"}, "nowhere.tsv: No such file or directory"),
        ({"task": "semantic"}, "data.task=semantic needs classes of ImageNet"),
        ({"class_order": "sorted"}, "data.class_order=sorted is for ImageNet's 1000 classes, the data has 3"),
        ({"fraction": 0.01}, "data.fraction=0.01 of 21 training images leaves none"),
        ({"fraction": 0.1}, "has no training image: every class needs one"),
    ],
)
def test_what_names_and_labels_tell_is_refused_before_images_are_read(unread, fields, message):
    assert message in refusal(**unread, **fields)


def test_a_task_of_one_class_is_refused_before_images_are_read(unread, tmp_path):
    (tmp_path / "one.tsv").write_text("class 0\t0\nclass 1\t0\nclass 2\t0\n")
    message = refusal(**unread, task=f"map:{tmp_path / 'one.tsv'}")
    assert message.endswith("on 3 classes leaves one, 0: a network needs at least two to tell apart")


def test_a_damaged_header_is_refused_before_images_are_read(unread):
    for path in Path(unread["root"]).glob("class 0/*.png"):
        path.write_text("no image")
    assert "truncated or not an image" in refusal(**unread)


def test_one_class_is_refused_in_a_prepared_folder_too(tmp_path, small_npz, images):
    folder = prepare(Data(source="npz", root=str(small_npz)))
    (tmp_path / "one.tsv").write_text("0\t0\n1\t0\n2\t0\n")
    task = f"map:{tmp_path / 'one.tsv'}"
    assert "leaves one" in refusal(source="npz", root=str(folder), task=task)
    np.savez(tmp_path / "one.npz", images=images[0], labels=np.zeros(12, np.int64))
    assert "all labels are 0: at least 2 classes are needed" in refusal(
        source="npz", root=str(tmp_path / "one.npz")
    )


@pytest.mark.parametrize("fields", [{}, {"translate": True, "flip": True}, {"fraction": 0.5}])
def test_images_that_are_all_the_same_are_refused(tmp_path, images, fields):
    same = np.repeat(images[0][:1], 12, axis=0)
    path = tmp_path / "same.npz"
    np.savez(path, x_train=same, y_train=images[1], x_test=images[0], y_test=images[1])
    assert "training images used are the same: there is nothing to learn from" in refusal(
        source="npz", root=str(path), **fields
    )


def test_images_that_differ_in_one_pixel_are_not_refused(tmp_path, images):
    same = np.repeat(images[0][:1], 12, axis=0)
    same[11, 3, 3, 1] ^= 1
    path = tmp_path / "nearly.npz"
    np.savez(path, x_train=same, y_train=images[1], x_test=images[0], y_test=images[1])
    assert open_dataset(Data(source="npz", root=str(path)), 0).live_pixels.sum() == 1


def test_images_in_both_parts_are_noted(small_npz, tmp_path, images):
    opened = open_dataset(Data(source="npz", root=str(small_npz), validation=3), 0)
    assert opened.notes[0].startswith("6 of 6 images of the validation part are also training images")
    path = tmp_path / "apart.npz"
    np.savez(path, x_train=images[0], y_train=images[1], x_test=255 - images[0], y_test=images[1])
    assert open_dataset(Data(source="npz", root=str(path), validation=6), 0).notes == ()


def test_notes_outlive_a_rotation(write_folder):
    rng = np.random.default_rng(0)
    root = write_folder(rng.integers(0, 256, (40, 4, 4, 3), np.uint8), np.arange(40) % 2)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(root / "loose.png")
    opened = open_dataset(Data(source="folder", root=str(root), size=4, rotate=20.0, validation=2), 0)
    assert opened.notes == ("left out: 1 file beside the class folders in folder",)


def test_images_in_the_cache_that_an_earlier_version_did_not_count_are_named_by_their_folder(
    small_npz, tmp_path
):
    data = Data(source="npz", root=str(small_npz))
    open_dataset(data, 0, cache=tmp_path)
    (manifest,) = tmp_path.glob("*/prepared.json")
    content = json.loads(manifest.read_text())
    del content["validation_images_in_training"]
    manifest.write_text(json.dumps(content))
    told = f"that prepared them: prunescope data info {manifest.parent} counts them"
    assert [note for note in open_dataset(data, 0, cache=tmp_path).notes if note.endswith(told)]
