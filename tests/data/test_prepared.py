"""These tests check how prepared folders are written, verified and opened."""

import errno
import hashlib
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from prunescope.data import info, prepare, verify
from prunescope.data.prepared import preparation, writing
from prunescope.data.prepared.reading import open_prepared
from prunescope.data.raw_images import Raw, Split
from prunescope.errors import InputError
from prunescope.experiment import Data


def chunk(count=5, n0=12):
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, n0), np.uint8), np.arange(count) % 2


def raw_of(train, validation=lambda: iter([chunk(2)])):
    return Raw("npz", (3, 2, 2), ("a", "b"), Split(train), Split(validation), parameters={"x": 1})


def test_what_is_written(tmp_path):
    pieces = [chunk(5), chunk(7)]
    source = tmp_path / "source"
    source.write_text("hello")
    raw = raw_of(lambda: iter(pieces))
    seen = []
    out = writing.write(
        Raw(**{**raw.__dict__, "files": (source,)}), tmp_path / "out", lambda *args: seen.append(args)
    )
    pixels = np.concatenate([images for images, _ in pieces])
    np.testing.assert_array_equal(np.load(out / "train.npy", mmap_mode="r"), pixels)
    np.testing.assert_array_equal(np.load(out / "min.npy"), pixels.min(axis=0))
    np.testing.assert_array_equal(np.load(out / "max.npy"), pixels.max(axis=0))
    np.testing.assert_array_equal(np.load(out / "mean.npy"), pixels.sum(axis=0) / 12)
    found = info(out)
    assert found["images"] == {"train": 12, "validation": 2}
    assert found["per_class"] == {"train": [7, 5], "validation": [1, 1]}
    assert found["provenance"]["files"] == [
        {"path": str(source), "bytes": 5, "sha256": hashlib.sha256(b"hello").hexdigest()}
    ]
    assert verify(out) == []
    assert (12, 12, "train images") in seen
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_exception_midway_leaves_nothing(tmp_path, error):
    def train():
        yield chunk()
        raise error("midway")

    with pytest.raises(error):
        writing.write(raw_of(train), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert writing.write(raw_of(lambda: iter([chunk()])), tmp_path / "out") == tmp_path / "out"


def test_the_folder_that_one_is_in_may_be_written(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert writing.write(raw_of(lambda: iter([chunk()])), Path()) == tmp_path / "empty"
    assert (tmp_path / "empty" / "train.npy").is_file()
    assert os.listdir(tmp_path) == ["empty"]


def _hang(folder: Path) -> None:
    def train():
        yield chunk()
        time.sleep(60)

    writing.write(raw_of(train), folder / "out")


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 200
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def test_what_a_killed_process_left_is_cleared(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_hang, args=(tmp_path,))
    process.start()
    _wait_for(tmp_path / ".out.partial" / "train.npy")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (tmp_path / "out").exists()
    writing.write(raw_of(lambda: iter([chunk(9)])), tmp_path / "out")
    assert info(tmp_path / "out")["images"]["train"] == 9
    assert not (tmp_path / ".out.partial").exists()


def _count(folder: Path, name: str) -> None:
    def train():
        (folder / name).touch()
        time.sleep(0.3)
        yield chunk()

    writing.write(raw_of(train), folder / "out")


def test_of_two_processes_one_prepares_and_the_other_waits(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count, args=(tmp_path, name)) for name in ("one", "two")]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "one").exists() != (tmp_path / "two").exists()
    assert verify(tmp_path / "out") == []


def test_a_folder_with_other_things_is_not_overwritten(tmp_path):
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(InputError, match="exists and is not a prepared folder"):
        writing.write(raw_of(lambda: iter([chunk()])), tmp_path)
    assert (tmp_path / "mine").read_text() == "keep"


def test_a_split_without_images_is_refused(tmp_path):
    with pytest.raises(InputError, match="no validation image"):
        writing.write(raw_of(lambda: iter([chunk()]), lambda: iter([])), tmp_path / "out")


@pytest.mark.parametrize("dtype", ["|u1", "<f4"])
@pytest.mark.parametrize("n0", [12, 15])  # 15 bytes do not fill words of four
def test_validation_images_that_are_training_images_are_counted(tmp_path, dtype, n0):
    rng = np.random.default_rng(0)
    train, own = (rng.integers(0, 256, (count, n0)).astype(dtype) for count in (2500, 5))
    nearly = train[:1].copy()
    nearly[0, -1] += 1
    validation = np.concatenate([train[[3, 2400, 3]], own, nearly])
    labels = np.arange(2500) % 2

    def split(rows):
        return Split(lambda: iter([(rows[:2], labels[:2]), (rows[2:], labels[2 : len(rows)])]))

    raw = Raw("npz", (1, 1, n0), ("a", "b"), split(train), split(validation), dtype=dtype)
    out = writing.write(raw, tmp_path / "out")
    manifest = json.loads((out / "prepared.json").read_text())
    assert manifest["validation_images_in_training"] == 3
    assert info(out)["validation_images_in_training"] == 3
    assert "3 of 9 images of the validation part are also training images" in open_prepared(out).notes[0]
    del manifest["validation_images_in_training"]  # as earlier versions wrote it
    (out / "prepared.json").write_text(json.dumps(manifest))
    assert info(out)["validation_images_in_training"] == 3
    assert open_prepared(out).notes == ()


def test_a_set_without_shared_images_has_no_note(tmp_path):
    out = writing.write(raw_of(lambda: iter([chunk(5)])), tmp_path / "out")
    assert info(out)["validation_images_in_training"] == 0
    assert open_prepared(out).notes == ()


def test_images_read_by_an_older_reader_are_not_used_again(tmp_path):
    def name(reader):
        return preparation.prepared_name(Raw(**{**raw_of(lambda: iter([])).__dict__, "reader": reader}))

    assert name(1) != name(2) != name(3)
    assert name(1) == "npz-eb1c29b380b0"  # the name that 0.1.0 gave


@pytest.fixture
def folder(small_npz):
    return prepare(Data(source="npz", root=str(small_npz)))


@pytest.mark.parametrize("name", ["train", "train-labels", "validation", "mean", "max"])
def test_verify_catches_a_flipped_byte(folder, name):
    file = folder / f"{name}.npy"
    content = bytearray(file.read_bytes())
    content[-8] ^= 1
    file.write_bytes(content)
    assert any(f"{name}.npy: its SHA-256 is not the one" in problem for problem in verify(folder))


def test_verify_reports_labels_out_of_range(folder):
    labels = np.load(folder / "train-labels.npy")
    labels[0] = 3
    np.save(folder / "train-labels.npy", labels)
    assert any("labels from 0 to 3, they must go from 0 to 2" in problem for problem in verify(folder))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "train.npy").unlink(), "train.npy: missing"),
        (lambda f: os.truncate(f / "train.npy", 500), "train.npy: truncated or damaged"),
        (lambda f: os.truncate(f / "train.npy", 0), "train.npy: truncated or damaged"),
        (
            lambda f: np.save(f / "train.npy", np.zeros((3, 192), np.uint8)),
            "train.npy: holds uint8 \\[3, 192\\]",
        ),
        (lambda f: (f / "prepared.json").write_text("{"), "prepared.json: damaged"),
        (lambda f: (f / "prepared.json").write_text('{"format": 9}'), "format 9, this version reads 1"),
        (
            lambda f: (f / "prepared.json").write_text(
                '{"format": 1, "source": "npz", "shape": [3, 8, 8], "classes": [], "provenance": {}, "arrays": {}}'
            ),
            "prepared.json: damaged",
        ),
    ],
)
def test_opening_notices_missing_and_truncated_files(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message):
        open_prepared(folder)
    assert len(verify(folder)) == 1


def test_a_prepared_folder_serves_as_root_and_is_found_again(folder, small_npz, tmp_path):
    assert prepare(Data(source="npz", root=str(small_npz))) == folder
    assert prepare(Data(source="npz", root=str(folder))) == folder
    own = prepare(Data(source="npz", root=str(small_npz)), out=tmp_path / "own")
    assert own == tmp_path / "own"
    with pytest.raises(InputError, match=r"was prepared from npz, but data.source is parquet"):
        prepare(Data(source="parquet", root=str(own)))
    with pytest.raises(InputError, match="not a prepared folder"):
        verify(tmp_path)


@pytest.mark.parametrize("place", ["file", "file/below", "locked"])
def test_a_cache_that_cannot_be_written_is_refused(folder, small_npz, tmp_path, monkeypatch, place):
    (tmp_path / "file").touch()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked" and real(path, mode))
    with pytest.raises(InputError, match=r"prepared data cannot be written there .*PRUNESCOPE_CACHE"):
        prepare(Data(source="npz", root=str(small_npz)), cache=tmp_path / place)


def test_a_cache_that_may_only_be_read_serves_what_is_in_it(folder, small_npz, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert prepare(Data(source="npz", root=str(small_npz))) == folder


def test_a_root_that_may_not_be_read_is_refused(small_npz, monkeypatch):
    real = os.open

    def denied(path, *rest, **options):
        if Path(path) == small_npz:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(InputError, match=r"small\.npz.*(Permission denied|PermissionError)"):
        prepare(Data(source="npz", root=str(small_npz)))


def test_changed_files_are_prepared_anew(folder, small_npz, images):
    os.utime(small_npz, ns=(1, 1))
    assert prepare(Data(source="npz", root=str(small_npz))) != folder


def test_images_are_mapped_not_read(folder):
    assert isinstance(open_prepared(folder).images("train"), np.memmap)
    assert json.loads((folder / "prepared.json").read_text())["shape"] == [3, 8, 8]


def changed(folder, place, value):
    """Set one value of a folder's manifest, or take the field away where the value is ``...``."""
    manifest = json.loads((folder / "prepared.json").read_text())
    *path, last = place.split(".")
    inner = manifest
    for name in path:
        inner = inner[name]
    inner.pop(last) if value is ... else inner.update({last: value})
    (folder / "prepared.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("source", [..., None, 1, [], "\ud800"]),
        (
            "shape",
            [
                ...,
                None,
                3,
                [],
                [3, 8],
                [3, 8, 0],
                [3, 8, -8],
                [3, 8, 8.0],
                [3, 8, True],
                [3, 8, 10**30],
                ["3", "8", "8"],
            ],
        ),
        ("classes", [..., None, {}, [], ["a", 1], "abc", [None] * 3]),
        ("provenance", [..., None, []]),
        ("provenance.parameters", [..., None, []]),
        ("provenance.parameters.geometry", [None, [], 1]),
        ("provenance.parameters.rotate", ["x", [], float("nan"), float("inf")]),
        ("provenance.notes", [None, {}, [1]]),
        ("provenance.reader", [None, -1, "1", 1.5]),
        ("validation_images_in_training", [None, -1, "x", float("nan"), 10**400]),
        ("arrays", [..., None, [], {}]),
        ("arrays.train", [..., None, []]),
        (
            "arrays.train.shape",
            [..., None, [], [9, 192, 1], [-9, 192], [0, 192], [9, 191], ["9", 192], 10**30],
        ),
        ("arrays.train.dtype", [..., None, "|O", "<f8", "x", 1]),
        ("arrays.train.sha256", [..., None, 1]),
        ("arrays.mean.dtype", ["<f4", "|O"]),
        ("arrays.train-labels.shape", [[8], [9, 1]]),
        ("arrays.../train", [{"shape": [1], "dtype": "|u1", "sha256": ""}]),
    ],
)
def test_manifests_of_wrong_types_are_damaged(folder, place, values):
    whole = (folder / "prepared.json").read_text()
    for value in values:
        (folder / "prepared.json").write_text(whole)
        if place == "arrays.../train":
            manifest = json.loads(whole)
            manifest["arrays"]["../train"] = value
            (folder / "prepared.json").write_text(json.dumps(manifest))
        else:
            changed(folder, place, value)
        with pytest.raises(InputError, match=r"prepared.json: damaged: .*: prepare the data anew"):
            open_prepared(folder)
        with pytest.raises(InputError, match="prepare the data anew"):
            prepare(Data(source="npz", root=str(folder)))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": ' + "9" * 5000 + "}",
        "[]",
        "null",
        '"format"',
        "\ufeff{}",
        '{"format": [1]}',
        '{"format": NaN}',
    ],
)
def test_manifests_that_are_none(folder, text):
    (folder / "prepared.json").write_text(text)
    with pytest.raises(
        InputError, match=r"prepared.json: (damaged|format .*): prepare the data anew"
    ) as caught:
        open_prepared(folder)
    assert len(str(caught.value)) < 500


def test_a_manifest_that_is_no_text(folder):
    (folder / "prepared.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match=r"prepared.json: damaged"):
        open_prepared(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_mean_that_is_no_number(folder, value):
    mean = np.load(folder / "mean.npy")
    mean[3] = value
    np.save(folder / "mean.npy", mean)
    with pytest.raises(
        InputError, match=r"mean.npy: has values beyond float32, or NaN: prepare the data anew"
    ):
        open_prepared(folder)


def test_pipes_in_a_prepared_folder_are_not_waited_for(folder):
    (folder / "train.npy").unlink()
    os.mkfifo(folder / "train.npy")
    with pytest.raises(InputError, match=r"train.npy: is a pipe, not a file"):
        open_prepared(folder)
    (folder / "prepared.json").unlink()
    os.mkfifo(folder / "prepared.json")
    with pytest.raises(InputError, match=r"prepared.json: is a pipe, not a file"):
        open_prepared(folder)


def test_images_too_large_for_the_memory_are_not_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.memory.available_memory", lambda: 700)
    with pytest.raises(InputError, match=r"data.source=npz: images of \[3, 2, 2\] would take"):
        writing.write(raw_of(lambda: iter([chunk()])), tmp_path / "out")


def test_an_array_that_does_not_fit_into_the_address_space_is_not_called_damaged(folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    prepared = open_prepared(folder)
    monkeypatch.setattr(np.lib.format, "open_memmap", refuse)
    with pytest.raises(InputError, match=r"train\.npy: cannot be mapped: there is not enough address space"):
        prepared.array("train")
