"""These tests read .npz files with the keys, types and shapes that people have, and refuse what cannot be right."""

import contextlib
import os
import zipfile

import numpy as np
import pytest

from prunescope.data.prepared.preparation import open_raw, prepare
from prunescope.data.prepared.reading import open_prepared
from prunescope.errors import InputError
from prunescope.experiment import Data, build


@pytest.fixture
def file(tmp_path):
    def file(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return str(tmp_path / "a.npz")

    return file


def prepared(root, **fields):
    return open_prepared(prepare(Data(source="npz", root=root, **fields)))


def refused(match, root, **fields):
    with pytest.raises(InputError, match=match) as caught:
        prepare(Data(source="npz", root=root, **fields))
    assert "\n" not in str(caught.value)


X = np.random.default_rng(0).integers(0, 256, (12, 4, 4), np.uint8)
X[:2, 0, 0] = 0, 255
Y = np.arange(12) % 3


@pytest.mark.parametrize(
    "keys", ["images labels", "x y", "X y", "data labels", "data targets", "data target"]
)
def test_keys_without_a_split(file, keys):
    values, labels = keys.split()
    found = prepared(file(**{values: X, labels: Y}))
    assert (len(found.images("train")), len(found.images("validation"))) == (9, 3)


@pytest.mark.parametrize(
    "keys",
    [
        "X_train y_train X_test y_test",
        "x_train y_train x_val y_val",
        "train_x train_y val_x val_y",
        "train_data train_labels test_data test_labels",
        "train_images train_labels valid_images valid_labels",
        "training_images training_labels testing_images testing_labels",
        "Xtrain ytrain Xtest ytest",
    ],
)
def test_keys_with_a_split(file, keys):
    found = prepared(file(**dict(zip(keys.split(), (X, Y, X[:5], Y[:5]), strict=True))))
    np.testing.assert_array_equal(found.images("train"), X.reshape(12, 16))
    np.testing.assert_array_equal(found.images("validation"), X[:5].reshape(5, 16))


def test_of_medmnist_the_validation_images_are_those_called_val_unless_others_are_chosen(file):
    parts = {"train": X, "val": X[:5], "test": X[5:]}
    arrays = {f"{name}_images": values for name, values in parts.items()}
    root = file(**arrays, train_labels=Y[:, None], val_labels=Y[:5, None], test_labels=Y[5:, None])
    assert len(prepared(root).images("validation")) == 5
    assert prepared(root).notes_of_reading == (
        "val_images is the validation part; data.validation_split=test takes test_images",
    )
    chosen = prepared(root, validation_split="test")
    np.testing.assert_array_equal(chosen.images("validation"), X[5:].reshape(7, 16))
    assert chosen.parameters == {"validation_split": "test"}
    refused("none of them fit data.validation_split=dev", root, validation_split="dev")
    with pytest.raises(InputError, match=r"was prepared with data\.validation_split='test', not ''"):
        prepared(str(chosen.path))


def test_a_validation_part_beside_keras_keys_is_named(file):
    root = file(x_train=X, y_train=Y, x_val=X[:4], y_val=Y[:4], x_test=X[:5], y_test=Y[:5])
    found = prepared(root)
    assert len(found.images("validation")) == 5
    assert found.notes_of_reading == ("x_test is the validation part; data.validation_split=val takes x_val",)
    chosen = prepared(root, validation_split="val")
    assert len(chosen.images("validation")) == 4
    assert chosen.notes_of_reading == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_dark_images_get_a_note(file, dtype):
    found = prepared(file(images=(X // 16).astype(dtype), labels=Y))
    assert found.images("train").max() == 15
    [note] = found.notes_of_reading
    assert note == "images: the brightest training pixel is 15 of 255; if it is white, scale the images"
    assert prepared(file(images=X.astype(dtype), labels=Y)).notes_of_reading == ()
    assert prepared(file(images=X / 255, labels=Y)).notes_of_reading == ()


def test_keys_can_be_chosen(file):
    root = file(pictures=X, fine=Y, coarse=Y % 2)
    refused(
        "its keys are coarse, fine, pictures; expected .*data.image_column and data.label_column name", root
    )
    assert len(prepared(root, image_column="pictures", label_column="fine").classes) == 3
    assert len(prepared(root, image_column="pictures", label_column="coarse").classes) == 2


def test_choices_are_for_files_that_have_them():
    for source, fields in (("folder", {"train_split": "a"}), ("cifar100", {"label_column": "coarse"})):
        with pytest.raises(
            InputError, match=f"data.{next(iter(fields))} is for data.source=parquet and npz, not"
        ):
            build({"name": "x", "data": {"source": source, **fields}})
    with pytest.raises(InputError, match=r"data.train_split and data.validation_split are both 'train'"):
        build({"name": "x", "data": {"source": "npz", "train_split": "train", "validation_split": "train"}})


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint16, np.float32, np.float64])
def test_whole_numbers_up_to_255_are_read_exactly(file, dtype):
    found = prepared(file(images=X.astype(dtype), labels=Y))
    assert {row.tobytes() for row in found.images("train")} <= {row.tobytes() for row in X}


def test_booleans_are_black_and_white(file):
    found = prepared(file(x_train=X > 99, y_train=Y, x_test=X > 99, y_test=Y))
    np.testing.assert_array_equal(found.images("train"), 255 * (X > 99).reshape(12, 16))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (X.astype(np.uint16) * 257, r"images is uint16 with pixels from 0 to 65535, they must go from 0 to 255"),
        (X.astype(np.int16) - 1, r"is int16 with pixels from -1 to 254, they must go from 0 to 255: rescale them"),
        (X * 0.99, r"float pixels from 0 to 252.45, they must lie in \[0, 1\], or be whole numbers from 0 to 255"),
        (X / 127.5 - 1, r"float pixels from -1 to 1, they must lie in \[0, 1\]"),
        (X.reshape(12, 16), r"has shape \[12, 16\], .*data.geometry=none, or reshape them \(\[N, 4, 4\]\)"),
        (np.zeros((12, 4, 4, 4)), r"has shape \[12, 4, 4, 4\], .*drop the fourth channel"),
        (np.zeros((12, 4, 4, 2)), r"has shape \[12, 4, 4, 2\], expected .* with C = 1 or 3$"),
        (np.zeros((12, 0, 4)), r"has shape \[12, 0, 4\]"),
        (np.zeros((0, 4, 4)), "images holds no image"),
        (np.array(["a"] * 12), r"images has shape \[12\]"),
    ],
)  # fmt: skip
def test_images_that_cannot_be_right(file, pixels, message):
    refused(message, file(images=pixels, labels=Y[: len(pixels)]))


def test_parts_that_are_scaled_differently(file):
    refused(
        r"x_test goes up to 1, .*x_train to 255: scale them alike",
        file(x_train=X.astype(float), y_train=Y, x_test=X / 255, y_test=Y),
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            np.array([1440764, 15075141])[Y % 2],
            "labels: 2 different labels, from 1440764 to 15075141: number them 0 to",
        ),
        (np.array([0, 2_000_000_000])[Y % 2], "2 different labels, from 0 to 2000000000: number them 0 to 1"),
        (Y + 1, "labels go from 1 to 3: number them from 0"),
        (np.ones((12, 14), int), r"labels has shape \[12, 14\] and row 0 is not one-hot: one class an image"),
        (np.zeros(12, int), "all labels are 0: at least 2 classes are needed"),
        (np.ones((12, 2, 2)), r"labels has shape \[12, 2, 2\], expected \[12\]"),
        (np.array([{}] * 12), "refused: labels holds Python objects"),
    ],
)
@pytest.mark.parametrize("geometry", ["image", "series", "none"])
def test_labels_that_cannot_be_right(file, labels, message, geometry):
    values = X if geometry == "image" else X.reshape(12, 16)
    refused(message, file(images=values, labels=labels), geometry=geometry)


def test_one_hot_rows_and_names(file):
    for labels, classes in ((np.eye(3)[Y], ("0", "1", "2")), (np.array(["c", "a", "b"])[Y], ("a", "b", "c"))):
        found = prepared(file(images=X, labels=labels))
        assert found.classes == classes
        expected = Y if classes[0] == "0" else np.array([2, 0, 1])[Y]
        own = {row.tobytes(): label for row, label in zip(X, expected, strict=True)}
        assert [own[row.tobytes()] for row in found.images("train")] == found.labels("train").tolist()


def test_headers_and_labels_are_checked_without_reading_images(file, tmp_path):
    images, labels = np.tile(X, (100, 1, 1)), np.tile(Y, 100)

    def damaged(**arrays):
        root = file(**{"x_train": images, "y_train": labels, "x_test": images, "y_test": labels, **arrays})
        whole = (tmp_path / "a.npz").read_bytes()
        (tmp_path / "a.npz").write_bytes(whole.replace(images.tobytes(), bytes(images.size)))
        return root

    refused(r"x_test holds images \(1, 2, 4\), .*x_train \(1, 4, 4\)", damaged(x_test=images[:, :2]))
    refused("y_test: label 3 of image 0 is out of range", damaged(y_test=labels + 3))
    refused("x_test holds Python objects", damaged(x_test=np.array([{}] * 1200)))
    assert open_raw(Data(source="npz", root=damaged())).shape == (1, 4, 4)
    refused("a.npz: truncated or damaged: BadZipFile", damaged())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name(file, tmp_path):
    root = file(images=X, labels=Y)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("labels.npy", archive.read("labels.npy"))
    refused("two arrays are called 'labels': write the file anew", root)


def test_one_image_a_class_cannot_be_held_out(file):
    refused("one image a class in labels, so that none can be held out", file(images=X, labels=np.arange(12)))


def test_labels_that_do_not_fit_into_memory_are_refused_before_they_are_read(file, monkeypatch):
    root = file(images=np.zeros((12, 400, 400), np.uint8), labels=Y)
    monkeypatch.setattr("prunescope.memory.available_memory", lambda: 300)
    refused("labels: these labels would take", root)


def test_one_long_label_is_refused(file):
    refused(
        "a label of 600 characters begins with 'xxx", file(images=X, labels=np.array(["a", "x" * 600] * 6))
    )
    refused("a label of 600 characters begins", file(images=X, labels=np.array([b"a", b"x" * 600] * 6)))


def test_text_that_is_none(file):
    labels = np.array(["a", "b", "c"] * 4)
    labels.view(np.uint32)[0] = 0x110000
    refused("labels of text hold 1114112, which is no character", file(images=X, labels=labels))
    labels.view(np.uint32)[0] = 0xD800
    refused("is not valid text", file(images=X, labels=labels))


@pytest.mark.parametrize("dtype", ["V0", "V8", "i4,f8", "M8[s]", "c16"])
def test_labels_of_types_that_are_no_labels(file, dtype):
    refused("labels are .*, they must be integers|all labels are", file(images=X, labels=np.zeros(12, dtype)))


def test_a_pipe_a_folder_and_a_device_are_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    refused("neither a file nor a folder", str(tmp_path / "pipe.npz"))
    refused("pipe.npz: is a pipe, not a file", str(tmp_path))
    (tmp_path / "pipe.npz").unlink()
    (tmp_path / "folder.npz").mkdir()
    refused("folder.npz: is a directory, not a file", str(tmp_path))
    refused("data.root=/dev/zero: neither a file nor a folder", "/dev/zero")


@pytest.mark.parametrize("seed", range(5))
def test_damage_anywhere_is_one_line(file, tmp_path, seed):
    file(images=X, labels=Y)
    whole = (tmp_path / "a.npz").read_bytes()
    rng = np.random.default_rng(seed)
    for _ in range(40):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            content[place] = rng.integers(0, 256)
        (tmp_path / "a.npz").write_bytes(content)
        with contextlib.suppress(InputError):
            raw = open_raw(Data(source="npz", root=str(tmp_path / "a.npz")))
            assert sum(len(rows) for rows, _ in raw.train.chunks()) == raw.train.total
