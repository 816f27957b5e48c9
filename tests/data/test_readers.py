"""These tests run each reader on files written in its form, and on files that it must refuse."""

import numpy as np
import pytest
from PIL import Image

from prunescope.data.prepared.preparation import open_raw, prepare
from prunescope.data.prepared.reading import open_prepared
from prunescope.errors import InputError
from prunescope.experiment import Data


def prepared(source, root, **fields):
    return open_prepared(prepare(Data(source=source, root=str(root), **fields)))


def refused(match, source, root, **fields):
    with pytest.raises(InputError, match=match) as caught:
        prepare(Data(source=source, root=str(root), **fields))
    assert "\n" not in str(caught.value)


# parquet


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_parquet_gives_the_pixels_channel_first(images, planes, write_parquet, form):
    write_parquet(images[0][:5], images[1][:5], "data/train-00000-of-00002.parquet", ["a", "b", "c"], form)
    write_parquet(images[0][5:], images[1][5:], "data/train-00001-of-00002.parquet", ["a", "b", "c"], form)
    root = write_parquet(images[0][:4], images[1][:4], "data/validation-00000-of-00001.parquet", form=form)
    found = prepared("parquet", root)
    assert found.shape == (3, 8, 8)
    assert found.classes == ("a", "b", "c")
    np.testing.assert_array_equal(found.images("train"), planes)
    np.testing.assert_array_equal(found.images("validation"), planes[:4])
    np.testing.assert_array_equal(found.labels("train"), images[1])


def test_parquet_without_metadata_numbers_its_classes_and_takes_a_test_split(images, write_parquet):
    write_parquet(images[0], images[1], "train-0.parquet")
    root = write_parquet(images[0], images[1], "test-0.parquet")
    assert prepared("parquet", root).classes == ("0", "1", "2")


def test_parquet_of_grey_images_has_one_channel_unless_some_are_in_colour(images, write_parquet):
    grey = list(images[0][..., 0])
    write_parquet(grey, images[1], "train-0.parquet")
    root = write_parquet(grey, images[1], "val-0.parquet")
    assert prepared("parquet", root).shape == (1, 8, 8)
    write_parquet([*grey[:-1], images[0][0]], images[1], "train-0.parquet", folder="mixed")
    root = write_parquet(grey, images[1], "val-0.parquet", folder="mixed")
    found = prepared("parquet", root)
    assert found.shape == (3, 8, 8)
    np.testing.assert_array_equal(found.images("train")[0], np.tile(grey[0].ravel(), 3))


def test_parquet_refuses_what_is_wrong(images, write_parquet):
    root = write_parquet(images[0], images[1], "train-0.parquet")
    refused("no validation file", "parquet", root)
    write_parquet(images[0], [*images[1][:-1], 3], "validation-0.parquet")
    refused("label 3 of image 11 is out of range", "parquet", root)
    write_parquet([*images[0][:3], images[0][3, :4]], images[1][:4], "validation-0.parquet")
    refused("image 3 is 8x4, the first image is 8x8", "parquet", root)
    file = root / "validation-0.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    refused("validation-0.parquet: not a whole parquet file", "parquet", root)
    (root / "empty").mkdir()
    refused("no train-", "parquet", root / "empty")


def test_parquet_refuses_bytes_that_are_no_image_and_missing_columns(images, write_parquet):
    import polars as pl

    root = write_parquet(images[0], images[1], "validation-0.parquet")
    bad = pl.DataFrame({"image": [{"bytes": b"hello", "path": ""}] * 3, "label": [0, 1, 2]})
    bad.write_parquet(root / "train-0.parquet")
    refused("image 0: truncated or not an image", "parquet", root)
    bad.rename({"label": "other"}).write_parquet(root / "train-0.parquet")
    refused("no column 'label'; it has image, other", "parquet", root)


# official ImageNet


@pytest.mark.parametrize("protocol", [2, 4, 5, None])
def test_official_files_in_every_form(write_official, protocol):
    root = write_official(protocol=protocol)
    found = prepared("imagenet32", root)
    rng = np.random.default_rng(1)
    expected = [rng.integers(0, 256, (100, 3072), np.uint8) for _ in range(10)]
    np.testing.assert_array_equal(found.images("train"), np.concatenate(expected))
    np.testing.assert_array_equal(found.labels("train"), np.arange(1000))
    assert found.labels("validation").tolist() == [0, 499, 999, 6]
    np.testing.assert_allclose(found.array("mean"), np.concatenate(expected).mean(axis=0))
    assert found.shape == (3, 32, 32)
    assert len(found.classes) == 1000


def test_imagenet64_and_the_wrong_size(write_official):
    root = write_official(size=64)
    assert prepared("imagenet64", root).shape == (3, 64, 64)
    refused("12288 values, those of imagenet32 have 3·32·32 = 3072", "imagenet32", root)


@pytest.mark.parametrize("wrong", [0, 1001])
def test_official_labels_out_of_range_are_refused(write_official, wrong):
    root = write_official(labels=[5, wrong])
    refused(
        f"train_data_batch_3: label {wrong} of image 1 is out of range: labels go from 1", "imagenet32", root
    )


@pytest.mark.parametrize("protocol", [2, None])
def test_official_files_missing_or_truncated(write_official, protocol):
    root = write_official(protocol=protocol)
    file = root / ("train_data_batch_7" + (".npz" if protocol is None else ""))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    refused("train_data_batch_7.*truncated", "imagenet32", root)
    file.unlink()
    refused("train_data_batch_7: missing", "imagenet32", root)


@pytest.mark.parametrize("wrong", ["truncated pickle", "labels", "size"])
def test_official_files_are_checked_before_the_first_image_is_read(write_official, wrong):
    root = write_official(protocol=2 if wrong == "truncated pickle" else None)
    if wrong == "truncated pickle":
        (root / "val_data").write_bytes((root / "val_data").read_bytes()[:-1])
        message = "val_data: truncated or damaged pickle: it ends before its last value"
    elif wrong == "labels":
        np.savez(root / "val_data.npz", data=np.zeros((2, 3072), np.uint8), labels=[5, 0])
        message = "val_data.npz: label 0 of image 1 is out of range: labels go from 1 to 1000"
    else:
        np.savez(root / "val_data.npz", data=np.zeros((2, 48), np.uint8), labels=[5, 1])
        message = "val_data.npz: images have 48 values, those of imagenet32"
    with pytest.raises(InputError, match=message):
        open_raw(Data(source="imagenet32", root=str(root)))


def test_official_labels_of_other_types(write_official):
    root = write_official(protocol=None)
    np.savez(root / "val_data.npz", data=np.zeros((2, 3072), np.uint8), labels=[[5.0], [1.0]])
    assert prepared("imagenet32", root).labels("validation").tolist() == [4, 0]
    np.savez(root / "val_data.npz", data=np.zeros((2, 3072), np.uint8), labels=[5.5, 1])
    refused(
        "val_data.npz: labels are float64, they must be integers: that of image 0 is 5.5", "imagenet32", root
    )


# CIFAR


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("byte_keys", [False, True])
def test_cifar(write_cifar, tmp_path, classes, byte_keys):
    inner = "cifar-10-batches-py" if classes == 10 else "cifar-100-python"
    write_cifar(classes, byte_keys, folder=f"archive/{inner}")
    found = prepared(f"cifar{classes}", tmp_path / "archive")
    rng = np.random.default_rng(2)
    labels = rng.permutation(np.arange(200) % classes)
    np.testing.assert_array_equal(found.labels("train")[:200], labels)
    np.testing.assert_array_equal(found.images("train")[:200], rng.integers(0, 256, (200, 3072), np.uint8))
    assert found.classes[1] == "class 1"
    assert len(found.images("train")) == (1000 if classes == 10 else 200)


def test_cifar_with_a_file_missing(write_cifar, tmp_path):
    root = write_cifar(10)
    (root / "data_batch_4").unlink()
    refused("data_batch_4: missing", "cifar10", root)
    (root / "test_batch").unlink()
    refused("no 'test_batch' in it or in its folder", "cifar10", root)


def test_a_truncated_file_of_cifar_is_found_before_the_first_image_is_read(write_cifar):
    root = write_cifar(10)
    (root / "test_batch").write_bytes((root / "test_batch").read_bytes()[:-1])
    with pytest.raises(InputError, match="test_batch: truncated or damaged pickle"):
        open_raw(Data(source="cifar10", root=str(root)))


# folders


def test_folder_with_splits(images, planes, write_folder):
    write_folder(images[0], images[1], "train")
    root = write_folder(images[0][:3], images[1][:3], "val")
    found = prepared("folder", root, size=8)
    order = np.argsort(images[1], kind="stable")
    np.testing.assert_array_equal(found.images("train"), planes[order])
    np.testing.assert_array_equal(found.labels("train"), images[1][order])
    assert found.classes == ("class 0", "class 1", "class 2")


def test_folder_without_splits_holds_a_tenth_of_each_class_out_always_the_same(write_folder, tmp_path):
    rng = np.random.default_rng(3)
    root = write_folder(rng.integers(0, 256, (60, 4, 4, 3), np.uint8), np.arange(60) % 3)
    found = prepared("folder", root, size=4)
    assert np.bincount(found.labels("validation")).tolist() == [2, 2, 2]
    assert np.bincount(found.labels("train")).tolist() == [18, 18, 18]
    again = open_prepared(prepare(Data(source="folder", root=str(root), size=4), cache=tmp_path / "other"))
    np.testing.assert_array_equal(found.images("validation"), again.images("validation"))


def test_folder_crops_the_centre_and_averages(write_folder):
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, 2:6] = [[[10], [30], [50], [70]]]
    image[:, :2] = image[:, 6:] = 255  # outside the central square
    root = write_folder([image] * 4, [0, 0, 1, 1])
    found = prepared("folder", root, size=2)
    np.testing.assert_array_equal(found.images("train")[0].reshape(3, 2, 2)[0], [[20, 60], [20, 60]])


def test_folder_of_grey_images_has_one_channel(images, write_folder):
    root = write_folder(images[0], images[1], mode="L")
    assert prepared("folder", root, size=8).shape == (1, 8, 8)


def test_folder_sorts_numbered_classes_by_number(images, tmp_path):
    for name in ("2", "10", "1"):
        (tmp_path / "n" / name).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(images[0][i]).save(tmp_path / "n" / name / f"{i}.png")
    assert prepared("folder", tmp_path / "n", size=8).classes == ("1", "2", "10")


def test_folder_refuses_what_is_wrong(images, write_folder):
    root = write_folder(images[0], images[1])
    (root / "class 9").mkdir()
    refused("class 9: class without an image", "folder", root, size=8)
    (root / "class 9" / "text.png").write_text("no image")
    refused("text.png: truncated or not an image", "folder", root, size=8)


def test_folder_refuses_a_validation_class_that_is_not_trained(images, write_folder):
    write_folder(images[0], images[1], "train")
    root = write_folder(images[0][:1], [7], "validation")
    refused("class 7: not a class of the training images", "folder", root, size=8)


# npz


def test_npz_in_keras_form(images, planes, small_npz):
    found = prepared("npz", small_npz)
    np.testing.assert_array_equal(found.images("train"), planes)
    np.testing.assert_array_equal(found.labels("validation"), images[1][:6])


@pytest.mark.parametrize("layout", ["HWC", "CHW", "grey", "grey channel"])
@pytest.mark.parametrize("scale", ["uint8", "float32", "float64"])
def test_npz_layouts_and_floats(images, planes, tmp_path, layout, scale):
    pixels = images[0]
    if layout == "CHW":
        pixels = pixels.transpose(0, 3, 1, 2)
    elif layout.startswith("grey"):
        pixels = pixels[..., :1] if "channel" in layout else pixels[..., 0]
        planes = planes[:, :64]
    if scale != "uint8":
        pixels = (pixels / 255).astype(scale)
    keys = ("train_images", "train_labels", "val_images", "val_labels")
    np.savez(
        tmp_path / "m.npz", **dict(zip(keys, (pixels, images[1][:, None]) * 2, strict=True)), test_images=0
    )
    found = prepared("npz", tmp_path / "m.npz")
    np.testing.assert_array_equal(found.images("train"), planes)
    assert found.shape == (3 if layout in ("HWC", "CHW") else 1, 8, 8)


def test_npz_without_a_split_holds_images_out(images, planes, tmp_path):
    np.savez(tmp_path / "plain.npz", images=images[0], labels=images[1])
    found = prepared("npz", tmp_path)  # the only .npz of a folder
    assert np.bincount(found.labels("validation")).tolist() == [1, 1, 1]
    rows = np.concatenate([found.images("train"), found.images("validation")])
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(planes, axis=0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: a.update(x_train=np.full((12, 8, 8, 3), np.nan)),
            r"x_train\[0\] has NaN or infinite values",
        ),
        (lambda a: a.update(x_train=a["x_train"] / 100), "must lie in \\[0, 1\\]"),
        (lambda a: a.update(x_test=np.full((6, 8, 8, 3), np.nan)), r"x_test\[0\] has NaN or infinite values"),
        (
            lambda a: a.update(x_train=a["x_train"].astype(complex)),
            "is complex128, expected whole numbers or",
        ),
        (lambda a: a.update(x_train=a["x_train"][..., 0, 0]), "has shape \\[12, 8\\]"),
        (lambda a: a.update(y_train=a["y_train"][1:]), "expected \\[12\\], one label an image"),
        (lambda a: a.update(y_train=a["y_train"] - 1), "label -1 of image 0 is out of range"),
        (lambda a: a.update(y_test=a["y_test"] + 1), "label 3 of image 2 is out of range"),
        (lambda a: a.update(y_train=a["y_train"] + 0.5), "labels are float64, they must be integers"),
        (lambda a: a.update(x_test=a["x_test"][:, :4]), "holds images \\(3, 4, 8\\)"),
        (lambda a: a.pop("y_test"), "its keys are x_test, x_train, y_train; expected"),
        (lambda a: a.update(x_train=np.array([{}] * 12)), "refused: x_train holds Python objects"),
    ],
)
def test_npz_refuses_what_is_wrong(small_npz, change, message):
    arrays = dict(np.load(small_npz))
    change(arrays)
    np.savez(small_npz, **arrays)
    refused(message, "npz", small_npz)


def test_npz_truncated_or_of_another_kind(small_npz, tmp_path):
    small_npz.write_bytes(small_npz.read_bytes()[:-50])
    refused("small.npz: truncated, damaged or not a .npz file", "npz", small_npz)
    small_npz.write_text("hello")
    refused("small.npz: truncated, damaged or not a .npz file", "npz", small_npz)


# all of them


@pytest.mark.parametrize("source", ["parquet", "imagenet32", "cifar10", "folder", "npz"])
def test_a_missing_place_is_named(source, tmp_path):
    refused("no such file or folder", source, tmp_path / "nowhere")
    with pytest.raises(InputError, match=f"data.source={source} needs data.root"):
        prepare(Data(source=source))
