"""The mean image and the live pixels that runs store: run with `pytest tests/runs/test_stored_input.py`."""

import shutil

import numpy as np
import pytest

import tiny
from prunescope.data import open_dataset
from prunescope.errors import InputError
from prunescope.network.network_input import NetworkInput
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.directory import Run
from prunescope.runs.stored_input import FILE, packed_input, read_input


@pytest.fixture
def copied(finished_run, tmp_path):
    """A copy of a finished run, to write into."""
    return Run(shutil.copytree(finished_run.path, tmp_path / "run"))


def test_a_run_stores_the_mean_image_and_the_live_pixels_of_its_data(finished_run):
    stored = finished_run.network_input()
    dataset = open_dataset(finished_run.experiment.data, finished_run.seed)
    np.testing.assert_array_equal(stored.mean, dataset.mean)
    np.testing.assert_array_equal(stored.live, dataset.live_pixels)
    assert stored.are_bytes
    assert np.flatnonzero(~stored.live).tolist() == list(tiny.DEAD_PIXELS)


@pytest.mark.parametrize("are_bytes", [True, False])
@pytest.mark.parametrize("size", [8, 13])
def test_what_is_packed_is_read(tmp_path, size, are_bytes):
    rng = np.random.default_rng(0)
    pixels = NetworkInput(rng.random(size, np.float32), rng.random(size) < 0.5, are_bytes)
    path = tmp_path / FILE
    write_arrays(path, *packed_input(pixels))
    for known in (size, None):
        found = read_input(path, *read_arrays(path), known)
        np.testing.assert_array_equal(found.mean, pixels.mean)
        np.testing.assert_array_equal(found.live, pixels.live)
        assert found.are_bytes == are_bytes


@pytest.mark.parametrize(
    ("changes", "notes", "words"),
    [
        ({"mean": np.zeros(9, np.float32)}, {}, "mean does not have a finite number for each of 108 pixels"),
        ({"mean": np.zeros(108, np.float64)}, {}, "mean does not have"),
        ({"mean": np.full(108, np.nan, np.float32)}, {}, "mean does not have"),
        (
            {"live_pixels": np.zeros(13, np.uint8)},
            {},
            "live_pixels does not have a bit for each of 108 pixels",
        ),
        ({"live_pixels": np.zeros(108, np.bool_)}, {}, "live_pixels does not have"),
        ({"more": np.zeros(1, np.uint8)}, {}, "arrays other than mean and live_pixels"),
        ({}, {"pixels": "int4"}, "pixels is 'int4': uint8 or float32"),
    ],
)
def test_damaged_files_are_refused(copied, changes, notes, words):
    path = copied.path / FILE
    arrays, metadata = read_arrays(path)
    write_arrays(path, arrays | changes, metadata | notes)
    with pytest.raises(InputError, match=f"damaged \\(.*{words}"):
        copied.network_input()


def test_a_file_of_another_run_is_refused(copied):
    path = copied.path / FILE
    arrays, metadata = read_arrays(path)
    write_arrays(path, arrays, metadata | {"seed": "77"})
    with pytest.raises(InputError, match="belongs to"):
        copied.torch(1)


def test_a_run_of_an_earlier_version_asks_its_data(copied, finished_run):
    (copied.path / FILE).unlink()
    found, stored = copied.network_input(), finished_run.network_input()
    np.testing.assert_array_equal(found.mean, stored.mean)
    np.testing.assert_array_equal(found.live, stored.live)
    assert found.are_bytes
    assert not (copied.path / FILE).exists()


def test_data_that_are_gone_or_others_are_refused(small_run, tmp_path):
    from prunescope.pruning.running import run

    file = tiny.write_images(tmp_path / "images.npz")
    done = run(small_run(data={"root": str(file)}, prune={"levels": 0}), seed=0, out=tmp_path / "runs")
    (done.path / FILE).unlink()
    file.unlink()
    with pytest.raises(InputError, match="an earlier version made this run and stored no mean image"):
        done.torch(0)
    tiny.write_images(file, seed=5)
    with pytest.raises(InputError, match=r"those of data.root=.* are others"):
        done.torch(0)
