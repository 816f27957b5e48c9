"""These tests read parquet files in the layouts, columns and types that image sets have."""

import contextlib
import io
import json
import os

import numpy as np
import polars as pl
import pytest
from PIL import Image

from prunescope.data import open_dataset
from prunescope.data.prepared.preparation import prepare
from prunescope.data.prepared.reading import open_prepared
from prunescope.data.sources.parquet_footer import ParquetFooter
from prunescope.data.sources.parquet_table import ParquetTable
from prunescope.errors import InputError
from prunescope.experiment import Data


def encode(image, form="PNG"):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form)
    return stream.getvalue()


def prepared(root, **fields):
    return open_prepared(prepare(Data(source="parquet", root=str(root), **fields)))


def refused(match, root, **fields):
    with pytest.raises(InputError, match=match) as caught:
        prepare(Data(source="parquet", root=str(root), **fields))
    assert "\n" not in str(caught.value)


@pytest.fixture
def write(tmp_path, images):
    """Return a writer of the twelve images with any columns beside them."""

    def write(name, count=12, features=None, image="image", **columns):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"bytes": encode(pixels), "path": None} for pixels in images[0][:count]]
        given = {
            key: values if isinstance(values, pl.Series) else list(values)[:count]
            for key, values in columns.items()
        }
        metadata = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
        pl.DataFrame({image: rows, **given}, strict=False).write_parquet(path, metadata=metadata)
        return tmp_path / "set"

    return write


def both(write, values, other=None, **options):
    write("train-0.parquet", label=values, **options)
    return write("validation-0.parquet", label=values if other is None else other, **options)


NAMES = ["cat", "ant", "dog"] * 4


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical, pl.Enum(["dog", "cat", "ant"])])
def test_text_becomes_classes_in_the_order_of_the_names(write, kind):
    found = prepared(both(write, pl.Series(NAMES, dtype=kind)))
    assert found.classes == ("ant", "cat", "dog")
    assert found.labels("train").tolist() == found.labels("validation").tolist() == [1, 0, 2] * 4


def test_text_has_the_same_number_in_both_splits_and_in_all_files(write):
    write("train-00000-of-00002.parquet", 4, label=["cat", "dog", "cat", "dog"])
    write("train-00001-of-00002.parquet", 4, label=["ant", "ant", "dog", "cat"])
    found = prepared(write("validation-0.parquet", 2, label=["dog", "cat"]))
    assert found.labels("train").tolist() == [1, 2, 1, 2, 0, 0, 2, 1]
    assert found.labels("validation").tolist() == [2, 1]


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (pl.Series([0.0, 1, 2] * 4), [0, 1, 2] * 4),
        (pl.Series([True, False] * 6), [1, 0] * 6),
        (pl.Series([0, 1, 2] * 4, dtype=pl.UInt8), [0, 1, 2] * 4),
    ],
)
def test_whole_numbers_of_other_types(write, values, numbers):
    assert prepared(both(write, values)).labels("validation").tolist() == numbers


@pytest.mark.parametrize(
    ("train", "held", "message"),
    [
        (
            NAMES,
            ["eel", *NAMES[1:]],
            "validation-0.parquet: column 'label': label 'eel' is not a class of the training",
        ),
        ([[0]] * 12, None, r"train-0.parquet: column 'label' is List\(Int64\), one class an image is read"),
        ([{"a": 0}] * 12, None, r"column 'label' is Struct\(.*\), one class an image is read"),
        ([0, None, 2] * 4, None, "train-0.parquet: image 1 has no label: 4 of 12 in column 'label' are null"),
        (
            [0, 1, 2] * 4,
            [-1] * 12,
            "validation-0.parquet: column 'label': every label is -1, so that this part",
        ),
        ([0, 1, 2.5] * 4, None, "labels are float64, they must be integers: that of image 2 is 2.5"),
        ([0, 1, float("nan")] * 4, None, "they must be integers: that of image 2 is nan"),
        ([0, 1, 9] * 4, None, "3 different labels, from 0 to 9: number them 0 to 2"),
        ([1, 2, 3] * 4, None, "labels go from 1 to 3: number them from 0"),
        ([0, 2_000_000_000] * 6, None, "2 different labels, from 0 to 2000000000: number them 0 to 1"),
        ([5] * 12, None, "all labels are 5: at least 2 classes are needed"),
        (
            [0, 1, 2] * 4,
            NAMES,
            "validation-0.parquet: column 'label' is String, in .*train-0.parquet it is Int64",
        ),
        (pl.Series([0, 1, 2] * 4, dtype=pl.Int128), None, "column 'label' is Int128, one class an image"),
        (pl.Series([0, 2**64 - 1] * 6, dtype=pl.UInt64), None, "label 18446744073709551615 is too large"),
        (["", "a", "b"] * 4, None, "column 'label': some labels are empty: leave these images out"),
        ([None] * 12, None, "column 'label' is Null, one class an image"),
    ],
)
def test_labels_that_are_refused(write, train, held, message):
    refused(message, both(write, train, held))


def test_labels_are_checked_before_any_image_is_decoded(write, tmp_path):
    root = both(write, [0, 1, 2] * 4, [0, 1, 7] * 4)
    bad = pl.DataFrame({"image": [{"bytes": b"no image", "path": None}] * 2, "label": [0, 1]})
    bad.write_parquet(root / "train-0.parquet")
    refused("label 7 of image 2 is out of range", root)


def test_numbers_left_out_are_kept_for_a_task_that_groups_them(write):
    assert len(prepared(both(write, [0, 1, 9] * 4), task="modulo:2").classes) == 10


def names(*values):
    return {"label": {"names": list(values), "_type": "ClassLabel"}}


def test_class_names_agree_and_all_have_an_image(write):
    write("train-0.parquet", label=[0, 1] * 6, features=names("a", "b"))
    root = write("validation-0.parquet", label=[0, 1] * 6, features=names("b", "a"))
    refused(
        "validation-0.parquet: column 'label': its metadata name the classes differently from .*train-0", root
    )
    root = both(write, [0, 2] * 6, features=names("a", "b", "c"))
    refused(r"class 1 \(b\) has no training image", root)
    assert prepared(root, task="modulo:2").classes == ("a", "b", "c")


# columns and splits


def test_columns_of_cifar100_and_a_note_on_the_one_taken(write):
    fine = {"_type": "ClassLabel", "names": ["a", "b", "c"]}
    coarse = {"_type": "ClassLabel", "names": ["x", "y"]}
    for name in ("cifar100/train-00000-of-00001.parquet", "cifar100/test-00000-of-00001.parquet"):
        root = write(
            name, image="img", fine_label=[0, 1, 2] * 4, coarse_label=[0, 1] * 6,
            features={"fine_label": fine, "coarse_label": coarse},
        )  # fmt: skip
    found = prepared(root)
    assert found.classes == ("a", "b", "c")
    note = "labels are column 'fine_label'; data.label_column chooses another (coarse_label)"
    assert found.notes_of_reading == (note,)
    chosen = prepared(root, label_column="coarse_label")
    assert chosen.classes == ("x", "y")
    assert chosen.labels("train").tolist() == [0, 1] * 6
    assert chosen.path != found.path
    assert chosen.notes_of_reading == ()
    with pytest.raises(InputError, match=r"was prepared with data\.label_column='coarse_label', not ''"):
        prepared(chosen.path)
    assert prepared(chosen.path, label_column="coarse_label").path == chosen.path


@pytest.mark.parametrize("name", ["^a$", "*"])
def test_names_of_columns_are_no_patterns(write, name):
    columns = {name: NAMES, "a": [0, 1, 2] * 4}
    write("train-0.parquet", **columns)
    assert prepared(write("val-0.parquet", **columns), label_column=name).classes == ("ant", "cat", "dog")


def test_a_column_that_is_not_there(write):
    root = both(write, [0, 1, 2] * 4)
    refused("no column 'kind'; it has image, label", root, label_column="kind")
    refused("no column 'photo'; it has image, label", root, image_column="photo")
    refused(r"column 'label' is Int64, it must be a struct with bytes, or binary", root, image_column="label")
    write("train-0.parquet", other=[0, 1, 2] * 4)
    refused("no column 'label'; it has image, other: data.label_column names another", root)


@pytest.mark.parametrize(
    ("train", "held"),
    [
        ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("default/train/0000.parquet", "default/validation/0000.parquet"),
        (
            "data/train-00000-of-00001-0123456789abcdef.parquet",
            "data/valid-00000-of-00001-0123456789abcdef.parquet",
        ),
        ("plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet"),
        ("train.parquet", "val.parquet"),
        ("mnist_train.parquet", "mnist_test.parquet"),
        ("train/part-0.parquet", "test/part-0.parquet"),
    ],
)
def test_layouts(write, train, held):
    write(train, label=[0, 1, 2] * 4)
    root = write(held, 5, label=[0, 1, 2] * 4)
    found = prepared(root)
    assert (len(found.images("train")), len(found.images("validation"))) == (12, 5)


def test_splits_can_be_chosen(write):
    write("train-0.parquet", label=[0, 1, 2] * 4)
    write("extra-0.parquet", 9, label=[0, 1, 2] * 4)
    write("test-0.parquet", 7, label=[0, 1, 2] * 4)
    root = write("validation-0.parquet", 5, label=[0, 1, 2] * 4)

    def sizes(**fields):
        found = prepared(root, **fields)
        return len(found.images("train")), len(found.images("validation"))

    assert sizes() == (12, 5)
    assert sizes(validation_split="test") == (12, 7)
    assert sizes(train_split="extra", validation_split="train") == (9, 12)
    refused("no split 'dev' in it; it has extra, test, train, validation", root, validation_split="dev")
    refused("no validation file: .*; it has extra", root, train_split="validation", validation_split="")


def test_a_split_whose_name_holds_that_of_another_is_not_part_of_it(write):
    for name, count in (("train", 12), ("train_extra", 9), ("test", 5), ("test_unlabelled", 3)):
        root = write(f"{name}-00000-of-00001.parquet", count, label=[0, 1, 2] * 4)
    found = prepared(root)
    assert (len(found.images("train")), len(found.images("validation"))) == (12, 5)
    assert found.notes_of_reading == (
        "train and test are read, and not test_unlabelled, train_extra: data.train_split and data.validation_split "
        "choose others",
    )
    found = prepared(root, train_split="train_extra", validation_split="test")
    assert (len(found.images("train")), found.notes_of_reading) == (9, ())
    write("other/a_train-0.parquet", label=[0, 1, 2] * 4)
    refused(
        "no train-.* in it; it has a_train, b_train",
        write("other/b_train-0.parquet", label=[0] * 12) / "other",
    )


def test_files_of_a_split_that_are_missing_are_a_note(write):
    for number in (0, 2):
        write(f"train-{number:05}-of-00003.parquet", label=[0, 1, 2] * 4)
    found = prepared(write("test-00000-of-00001.parquet", label=[0, 1, 2] * 4))
    assert len(found.images("train")) == 24
    assert found.notes_of_reading == (
        "train-00001-of-00003 is missing: 2 of the 3 files of its split are read",
    )


def test_a_split_that_was_cut_off_is_a_note(write):
    write("default/partial-train/0000.parquet", label=[0, 1, 2] * 4)
    found = prepared(write("default/test/0000.parquet", 5, label=[0, 1, 2] * 4))
    assert (len(found.images("train")), len(found.images("validation"))) == (12, 5)
    assert found.notes_of_reading[0].startswith("partial-train holds a part of its split")


@pytest.mark.parametrize(
    "other", ["train-00000-of-00002.parquet", "train-00000-of-00001-0123456789abcdef.parquet"]
)
def test_files_of_two_versions_of_a_split_are_refused(write, other):
    write("train-00000-of-00001.parquet", label=[0, 1, 2] * 4)
    write(other, label=[0, 1, 2] * 4)
    root = write("test-00000-of-00001.parquet", label=[0, 1, 2] * 4)
    refused("are files of two versions of one split: remove those of one version", root)


def test_pointers_of_git_lfs_are_told_from_parquet_files(write):
    root = write("test-0.parquet", label=[0, 1, 2] * 4)
    (root / "train-0.parquet").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )
    refused("train-0.parquet: a pointer of Git LFS in place of the file", root)


def test_several_configurations_are_named(write):
    for config in ("full", "cropped"):
        write(f"{config}/train-0.parquet", label=[0, 1, 2] * 4)
        root = write(f"{config}/test-0.parquet", label=[0, 1, 2] * 4)
    refused(r"2 sets of parquet files in it: cropped, full: choose one with data.root=.*/cropped", root)
    assert len(prepared(root / "full").images("train")) == 12


def test_one_file_holds_a_tenth_of_each_class_out(write, planes):
    root = write("train-0.parquet", label=[0, 1, 2] * 4)
    found = prepared(root / "train-0.parquet")
    assert np.bincount(found.labels("train")).tolist() == [3, 3, 3]
    assert np.bincount(found.labels("validation")).tolist() == [1, 1, 1]
    own = {row.tobytes(): label for row, label in zip(planes, [0, 1, 2] * 4, strict=True)}
    for split in ("train", "validation"):
        for row, label in zip(found.images(split), found.labels(split), strict=True):
            assert own.pop(np.asarray(row).tobytes()) == label
    assert not own
    root = write("train-1.parquet", label=list(range(12)))
    refused("one image a class, so that none can be held out", root / "train-1.parquet")


# images


def test_images_as_bytes_in_a_binary_column(write, images, planes):
    for name in ("train-0.parquet", "test-0.parquet"):
        root = write(name, image="other", label=[0, 1, 2] * 4, jpg=[encode(image) for image in images[0]])
    np.testing.assert_array_equal(prepared(root, image_column="jpg").images("train"), planes)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.Series([{"path": "a.png"}] * 12), r"column 'image' is Struct\(.*\), it must be a struct with bytes"),
        (pl.Series([{"bytes": None, "path": "a.png"}] * 12, dtype=pl.Struct({"bytes": pl.Binary, "path": pl.String})),
         "train-0.parquet: image 0 has no bytes: the images themselves must be in the file, not paths"),
        (pl.Series(["a.png"] * 12), "column 'image' is String, it must be a struct with bytes"),
        (pl.Series([[[1, 2], [3, 4]]] * 12), r"column 'image' is List\(.*\), it must be a struct with bytes"),
    ],
)  # fmt: skip
def test_images_that_are_not_encoded_are_refused(tmp_path, column, message):
    for name in ("train-0.parquet", "test-0.parquet"):
        pl.DataFrame({"image": column, "label": [0, 1, 2] * 4}).write_parquet(tmp_path / name)
    refused(message, tmp_path)


def test_one_colour_image_late_in_the_training_set_makes_all_of_them_colour(tmp_path):
    grey, red = np.full((4, 4), 9, np.uint8), np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200
    for form in ("PNG", "JPEG"):
        root = tmp_path / form
        root.mkdir()
        rows = [encode(grey + i % 5, form) for i in range(150)]
        labels = [0, 1] * 75
        pl.DataFrame({"image": [*rows, encode(red, form)], "label": [*labels, 1]}).write_parquet(
            root / "train-0.parquet"
        )
        pl.DataFrame({"image": rows, "label": labels}).write_parquet(root / "val-0.parquet")
        found = prepared(root)
        assert found.shape == (3, 4, 4)
        assert found.images("train")[150].reshape(3, 16).mean(axis=1).round(-1).tolist() == [200, 0, 0]
        pl.DataFrame({"image": rows, "label": labels}).write_parquet(root / "train-0.parquet")
        assert prepared(root).shape == (1, 4, 4)
        pl.DataFrame({"image": [*rows[1:], encode(red, form)], "label": labels}).write_parquet(
            root / "val-0.parquet"
        )
        found = prepared(root)
        assert found.shape == (1, 4, 4)
        assert found.notes_of_reading == (
            "1 validation images in colour made grey, as all training images are",
        )


def test_a_folder_that_an_earlier_version_prepared_says_what_it_may_have_wrong(write):
    found = prepared(both(write, [0, 1, 2] * 4))
    content = json.loads((found.path / "prepared.json").read_text())
    del content["validation_images_in_training"], content["provenance"]["reader"]
    (found.path / "prepared.json").write_text(json.dumps(content))
    wrong, uncounted = open_dataset(Data(source="parquet", root=str(found.path), validation=6), 0).notes
    assert "which read 16-bit, float and transparent pictures and turned ones wrongly" in wrong
    assert f"prunescope data info {found.path} counts them" in uncounted


def test_sixteen_bits_keep_their_brightness(tmp_path):
    ramp = np.linspace(0, 65535, 16).astype(np.uint16).reshape(4, 4)
    for name in ("train-0.parquet", "val-0.parquet"):
        pl.DataFrame({"image": [encode(ramp)] * 4, "label": [0, 1] * 2}).write_parquet(tmp_path / name)
    found = prepared(tmp_path)
    assert found.shape == (1, 4, 4)
    assert found.images("train")[0].tolist() == np.rint(ramp / 257).ravel().tolist()


def test_another_size_in_validation_is_refused_before_training_images_are_read(write, tmp_path, images):
    root = both(write, [0, 1, 2] * 4)
    small = [encode(image[:4]) for image in images[0]]
    pl.DataFrame({"image": small, "label": [0, 1, 2] * 4}).write_parquet(root / "validation-0.parquet")
    refused("validation-0.parquet: image 0 is 8x4, the first image is 8x8: all must have one size", root)


def test_a_damaged_file_is_one_line_without_a_report_of_a_panic(write, tmp_path, capfd):
    whole = (both(write, NAMES) / "train-0.parquet").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for place in rng.integers(4, len(content), 3):
            content[place] = rng.choice([0, 127, 128, 255])
        path = tmp_path / "set" / "train-0.parquet"
        path.write_bytes(content)
        with contextlib.suppress(InputError):
            table = ParquetTable(path)
            table.labels("label")
            table.images("image", 0, 12)
    assert capfd.readouterr().err == ""


def test_a_footer_that_contradicts_the_file(write, tmp_path):
    path = both(write, NAMES) / "train-0.parquet"
    content = path.read_bytes()
    path.write_bytes(b"PAR1" + content[-(8 + int.from_bytes(content[-8:-4], "little")) :])
    with pytest.raises(InputError, match="not a whole parquet file: its footer is damaged"):
        ParquetFooter(path).unpacked("label", 0, 12)


def test_unpacked_sizes_are_those_of_the_pages(tmp_path):
    path = tmp_path / "a.parquet"
    values = np.random.default_rng(0).integers(0, 2**62, 3000)
    pl.DataFrame({"label": values, "other": values}).write_parquet(
        path, row_group_size=1000, use_pyarrow=False, statistics=False
    )
    footer = ParquetFooter(path)
    all_rows = footer.unpacked("label", 0, 3000)
    assert 8 * 3000 <= all_rows < 8 * 3000 * 1.1
    assert footer.unpacked("label", 0, 1000) == footer.unpacked("label", 10, 20) < all_rows / 2
    assert footer.unpacked("label", 999, 2) == 2 * footer.unpacked("label", 0, 1)
    assert footer.unpacked("nothing", 0, 3000) == 0


def test_what_unpacks_into_more_than_the_memory_is_refused_before_it_is_read(write, monkeypatch):
    root = both(write, [0, 1, 2] * 4)
    monkeypatch.setattr("prunescope.memory.available_memory", lambda: 100)
    refused("the labels of its 24 rows would take 0.0 GB of memory", root)
    monkeypatch.setattr("prunescope.memory.available_memory", lambda: 1600)
    refused("column 'image' would take 0.0 GB of memory", root)


def test_a_long_label_and_names_that_are_none(write):
    refused("a label of 600 characters begins with 'aaa", both(write, ["a" * 600, "b"] * 6))
    for names, message in (([{}, "b"], "that are no text"), (["\ud800", "b"], "not valid text")):
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        refused(message, both(write, [0, 1] * 6, features=features))


def test_metadata_that_cannot_be_read_are_none(write, tmp_path):
    path = both(write, NAMES) / "train-0.parquet"
    for text in ("[" * 100_000, '{"info": ' + "9" * 6000 + "}", "\x00"):
        pl.DataFrame({"label": [1]}).write_parquet(path, metadata={"huggingface": text})
        assert ParquetTable(path).features == {}


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "train.parquet")
    with pytest.raises(InputError, match="is a pipe, not a file"):
        ParquetTable(tmp_path / "train.parquet")
    refused("neither a file nor a folder", tmp_path / "train.parquet")
