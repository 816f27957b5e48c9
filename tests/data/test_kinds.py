"""These tests give each source a root of another, which must be answered by the right one."""

import os

import numpy as np
import pytest
from PIL import Image

from prunescope.data.prepared.preparation import prepare
from prunescope.data.sources import kinds
from prunescope.data.sources.kinds import source_of
from prunescope.errors import InputError
from prunescope.experiment import Data

SOURCES = ("imagenet32", "imagenet64", "cifar10", "cifar100", "parquet", "npz", "folder", "idx")


def refused(match, source, root):
    with pytest.raises(InputError, match=match) as caught:
        prepare(Data(source=source, root=str(root)))
    assert "\n" not in str(caught.value)


def all_but(*names):
    return [source for source in SOURCES if source not in names]


def test_cifar_under_other_sources(write_cifar, tmp_path):
    for number in (10, 100):
        root = write_cifar(number, folder=f"c{number}")
        for source in all_but(f"cifar{number}"):
            refused(
                f"holds the pickles of CIFAR-{number}: read it with data.source=cifar{number}, not {source}",
                source,
                root,
            )


def test_official_files_under_other_sources(write_official):
    root = write_official()
    for source in all_but("imagenet32", "imagenet64"):
        refused(f"read it with data.source=imagenet32 or imagenet64, not {source}", source, root)


def test_parquet_and_npz_under_other_sources(images, write_parquet, small_npz):
    root = write_parquet(images[0], images[1], "data/train-0.parquet")
    for source in all_but("parquet"):
        refused(f"holds parquet files: read it with data.source=parquet, not {source}", source, root)
    for source in all_but("npz"):
        refused(f"holds an .npz file: read it with data.source=npz, not {source}", source, small_npz)


def test_the_tree_of_tiny_imagenet_under_other_sources(tmp_path):
    for wnid in ("n01443537", "n01629819"):
        place = tmp_path / "train" / wnid / "images"
        place.mkdir(parents=True)
        (tmp_path / "train" / wnid / f"{wnid}_boxes.txt").write_text("0 0 1 1\n")
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(place / f"{wnid}_0.JPEG")
    (tmp_path / "wnids.txt").write_text("n01443537\nn01629819\n")
    for source in all_but("folder"):
        refused(f"holds folders of images: read it with data.source=folder, not {source}", source, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train_32x32.mat", "is a MATLAB file, .*numpy.savez"),
        ("a.npy", "is one NumPy array, .*numpy.savez"),
        ("a.h5", "is an HDF5 file"),
        ("a.pkl", "is a pickle, which can run code when it is loaded"),
        ("a.pt", "is a file of PyTorch"),
        ("a.csv", "is a table of text"),
        ("a.arrow", "is an Arrow file, .*write it as parquet"),
        ("a.tar.gz", "is a compressed file, .*: unpack it, and give the folder"),
        ("a.zip", "is an archive, .*: unpack it, and give the folder"),
    ],
)
@pytest.mark.parametrize("source", SOURCES)
def test_files_that_no_source_reads_say_what_to_do(tmp_path, name, message, source):
    (tmp_path / name).write_bytes(b"content")
    refused(rf"{name} {message}", source, tmp_path / name)
    refused(rf"{name} {message}", source, tmp_path)


def test_a_table_beside_folders_of_images_is_no_obstacle(images, write_folder):
    root = write_folder(images[0], images[1])
    (root / "labels.csv").write_text("name,label\n")
    assert prepare(Data(source="folder", root=str(root), size=8)).is_dir()


def test_the_source_of_a_root(
    images, write_official, write_cifar, write_parquet, write_folder, small_npz, tmp_path
):
    roots = {
        "imagenet32": write_official(),
        "cifar10": write_cifar(10, folder="ten"),
        "cifar100": write_cifar(100, folder="hundred"),
        "parquet": write_parquet(images[0], images[1], "default/train/0000.parquet"),
        "folder": write_folder(images[0], images[1], "train"),
        "npz": small_npz,
    }
    assert {source: source_of(root) for source, root in roots.items()} == {source: source for source in roots}
    (tmp_path / "empty").mkdir()
    assert source_of(tmp_path / "empty") is None


def test_of_very_many_folders_only_some_are_opened(tmp_path, monkeypatch):
    for number in range(30):
        (tmp_path / f"c{number}").mkdir()
    monkeypatch.setattr(kinds, "_SOME", 4)
    opened, scandir = [], os.scandir

    def counted(path):
        opened.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert list(kinds._some(tmp_path, 3)) == []
    assert len(opened) <= 2 + 4 + 1
