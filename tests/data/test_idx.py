"""These tests read MNIST's files, written in their form, and files that must be refused."""

import gzip
import os
import struct

import numpy as np
import pytest

from prunescope.data.prepared.preparation import prepare
from prunescope.data.prepared.reading import open_prepared
from prunescope.errors import InputError
from prunescope.experiment import Data


def content(values):
    shape = values.shape
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + values.tobytes()


@pytest.fixture
def write(tmp_path):
    def write(
        train,
        labels,
        test,
        test_labels,
        folder=".",
        end="",
        names="{}-images-idx3-ubyte {}-labels-idx1-ubyte",
    ):
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        for part, images, numbers in (("train", train, labels), ("t10k", test, test_labels)):
            for name, values in zip(names.format(part, part).split(), (images, numbers), strict=True):
                data = content(values.astype(np.uint8))
                (place / f"{name}{end}").write_bytes(gzip.compress(data) if end else data)
        return tmp_path

    return write


X = np.random.default_rng(0).integers(0, 256, (20, 4, 5), np.uint8)
Y = np.arange(20) % 3


def refused(match, root, source="idx"):
    with pytest.raises(InputError, match=match) as caught:
        prepare(Data(source=source, root=str(root)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("folder", [".", "MNIST/raw"])
@pytest.mark.parametrize("dots", [False, True])
def test_images_and_labels(write, end, folder, dots):
    names = (
        "{}-images.idx3-ubyte {}-labels.idx1-ubyte" if dots else "{}-images-idx3-ubyte {}-labels-idx1-ubyte"
    )
    found = open_prepared(
        prepare(Data(source="idx", root=str(write(X, Y, X[:7], Y[:7], folder, end, names))))
    )
    assert found.shape == (1, 4, 5)
    assert found.classes == ("0", "1", "2")
    np.testing.assert_array_equal(found.images("train"), X.reshape(20, 20))
    np.testing.assert_array_equal(found.images("validation"), X[:7].reshape(7, 20))
    np.testing.assert_array_equal(found.labels("train"), Y)


def test_what_is_wrong_is_refused(write, tmp_path):
    refused("images are .4, 3., in training .4, 5.", write(X, Y, X[..., :3], Y))
    refused("train-images-idx3-ubyte: 20 images but 19 labels", write(X, Y[1:], X, Y))
    refused("train-labels-idx1-ubyte: labels go from 1 to 3: number them from 0", write(X, Y + 1, X, Y + 1))
    file = write(X, Y, X, Y) / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    refused("t10k-images-idx3-ubyte: truncated", tmp_path)
    file.write_bytes(b"\0\0\x0d\3" + bytes(12))
    refused("t10k-images-idx3-ubyte: not an idx file of bytes with 3 axes", tmp_path)
    file.unlink()
    refused("no t10k-images-idx3-ubyte in it, with or without .gz", tmp_path)


def test_a_truncated_compressed_file(write, tmp_path):
    file = write(X, Y, X, Y, end=".gz") / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-40])
    refused("train-images-idx3-ubyte.gz: truncated", tmp_path)


def test_another_source_is_told(write):
    root = write(X, Y, X, Y)
    for source in ("folder", "npz", "cifar10", "parquet"):
        refused(rf"holds idx files: read it with data.source=idx, not {source}", root, source)


def header(*shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_headers_that_say_more_than_the_file_can_hold(write, end, monkeypatch):
    root = write(X, Y, X, Y, end=end)
    largest = 2**32 - 1

    def put(name, data):
        (root / f"{name}{end}").write_bytes(gzip.compress(data) if end else data)

    put("train-labels-idx1-ubyte", header(largest))
    refused("train-labels-idx1-ubyte.*: truncated: it ends before its last value", root)
    put("train-labels-idx1-ubyte", content(Y.astype(np.uint8)))
    put("train-images-idx3-ubyte", header(20, largest, largest))
    refused("train-images-idx3-ubyte.*: truncated: it ends before its last value", root)
    put("train-images-idx3-ubyte", header(20, 0, largest))
    refused("they have no pixel", root)
    put("train-images-idx3-ubyte", content(X))
    monkeypatch.setattr("prunescope.memory.available_memory", lambda: 100)
    refused("would take 0.0 GB of memory", root)


def test_zeros_that_are_compressed_a_thousandfold(write, tmp_path):
    root = write(X, Y, X, Y, end=".gz")
    (root / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header(2**32 - 1) + bytes(1 << 20)))
    refused("truncated: it ends before its last value", root)


def test_a_pipe_is_not_waited_for(write):
    root = write(X, Y, X, Y)
    (root / "train-images-idx3-ubyte").unlink()
    os.mkfifo(root / "train-images-idx3-ubyte")
    refused("is a pipe, not a file", root)
