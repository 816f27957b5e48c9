"""Batches that go to a device in blocks: run with `pytest tests/training/torch/test_block_feed.py`."""

import numpy as np
import pytest
import torch

from prunescope.data import Batch
from prunescope.training.torch import block_feed
from prunescope.training.torch.block_feed import BlockFeed, ResidentImages, Staging
from prunescope.training.torch.captured_step import WARM_UPS

CPU = torch.device("cpu")


def batches(count, size, dtype=np.uint8, pixels=7):
    """Batches of ``size`` that bring two images more than they use."""
    rng = np.random.default_rng(count)
    return [
        Batch(
            rng.integers(0, 256, (size + 2, pixels)).astype(dtype),
            rng.permutation(size + 2)[:size],
            rng.integers(0, 5, size),
        )
        for _ in range(count)
    ]


def rows_and_labels(feed, step):
    """What a step at ``step`` reads."""
    return feed.images[feed.indices[step]].numpy(), feed.labels[step].numpy()


@pytest.mark.parametrize("count", [1, 3, 5])
def test_batches_of_a_set_on_the_device_are_its_indices_and_labels(count):
    images = np.random.default_rng(0).integers(0, 256, (20, 7)).astype(np.uint8)
    feed = BlockFeed(Batch(images, np.arange(4), np.zeros(4, np.int64)), CPU, torch.from_numpy(images), 5)
    feed.at.position.fill_(3)
    for seed in range(3):  # by both pieces of memory, and again by the first
        rng = np.random.default_rng(seed)
        drawn = [Batch(images, rng.integers(0, 20, 4), rng.integers(0, 9, 4)) for _ in range(count)]
        feed.load(drawn)
        assert feed.at.position.item() == 0
        for step, batch in enumerate(drawn):
            rows, labels = rows_and_labels(feed.at, step)
            np.testing.assert_array_equal(rows, images[batch.indices])
            np.testing.assert_array_equal(labels, batch.labels)
    assert feed.steps == 5
    assert feed.at.images.data_ptr() == images.ctypes.data  # not copied


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_batches_that_bring_their_images_are_copied_with_them(count, dtype):
    drawn = batches(count, 4, dtype)
    feed = BlockFeed(drawn[0], CPU, None, 5)
    feed.load(batches(5, 4, dtype))
    feed.load(drawn)
    for step, batch in enumerate(drawn):
        rows, labels = rows_and_labels(feed.at, step)
        assert rows.dtype == dtype
        np.testing.assert_array_equal(rows, batch.pixels[batch.indices])
        np.testing.assert_array_equal(labels, batch.labels)


@pytest.mark.parametrize(
    ("dtype", "steps"), [(np.uint8, 8), (np.float32, 2), (np.float64, 1)], ids=["bytes", "float32", "float64"]
)
def test_a_window_has_as_many_steps_as_its_memory(monkeypatch, dtype, steps):
    monkeypatch.setattr(block_feed, "WINDOW_BYTES", 8 * 4 * 7 + 3)
    feed = BlockFeed(batches(1, 4, dtype)[0], CPU, None, 1000)
    assert feed.steps == steps
    assert len(feed.at.images) == steps * 4
    monkeypatch.setattr(block_feed, "WINDOW_BYTES", 1)
    assert BlockFeed(batches(1, 4, dtype)[0], CPU, None, 1000).steps == 1


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 20, 21, 41])
def test_warming_up_at_the_last_step_stays_within_the_buffers(steps, resident):
    drawn = batches(steps, 3)
    images = torch.from_numpy(drawn[0].pixels) if resident else None
    feed = BlockFeed(drawn[0], CPU, images, steps)
    assert feed.steps == steps
    for position in range(steps - 1, steps - 1 + WARM_UPS):
        assert feed.at.images[feed.at.indices[position]].shape == (3, 7)
        assert feed.at.labels[position].shape == (3,)


def test_a_feed_fits_batches_of_one_size_and_type_from_the_same_images():
    images = torch.zeros(6, 7, dtype=torch.uint8)
    bytes_, floats = batches(1, 4)[0], batches(1, 4, np.float32)[0]
    resident, windows = BlockFeed(bytes_, CPU, images, 5), BlockFeed(bytes_, CPU, None, 5)
    assert resident.fits(bytes_, images)
    assert not resident.fits(bytes_, images.clone())
    assert not resident.fits(bytes_, None)
    assert not resident.fits(batches(1, 3)[0], images)
    assert windows.fits(batches(2, 4)[1], None)
    assert not windows.fits(floats, None)
    assert not windows.fits(bytes_, images)


def test_staging_writes_the_first_places_and_leaves_the_others():
    buffer = torch.full((5, 2), -1)
    staging = Staging(buffer)
    staging.copy([np.array([1, 2]), np.array([3, 4])])
    assert buffer.tolist() == [[1, 2], [3, 4], *[[-1, -1]] * 3]
    staging.copy([np.array([[5, 6], [7, 8]]), np.array([[9, 10]])])  # several rows each
    assert buffer.tolist() == [[5, 6], [7, 8], [9, 10], *[[-1, -1]] * 2]


class Events:
    """Stands in for torch.cuda: copies are complete when their event is waited for."""

    def __init__(self, monkeypatch):
        self.waited, self.made = [], 0
        monkeypatch.setattr(torch.cuda, "Event", self.event)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: "stream")

    def event(self):
        outer, number = self, self.made
        self.made += 1

        class Event:
            def record(self, stream):
                assert stream == "stream"

            def synchronize(self):
                outer.waited.append(number)

        return Event()


def test_memory_is_written_again_only_when_the_copy_out_of_it_is_complete(monkeypatch):
    events, staging = Events(monkeypatch), Staging(torch.zeros(3, 2))
    staging._cuda = True
    for number in range(5):
        staging.copy([np.full(2, number, np.float32)])
        # Two copies may be on their way; before the third, the first must be complete.
        assert events.waited == list(range(max(0, number - 1)))


def test_sets_of_images_stay_on_the_device_the_last_three_of_them():
    resident, sets = ResidentImages(CPU), [np.full((5, 2), i, np.uint8) for i in range(4)]
    placed = [resident.get(pixels) for pixels in sets[:3]]
    assert all(resident.get(pixels) is images for pixels, images in zip(sets, placed, strict=False))
    np.testing.assert_array_equal(resident.get(sets[3]), sets[3])
    assert resident.get(sets[2]) is placed[2]
    assert resident.get(sets[0]) is not placed[0]


def test_a_set_that_is_used_again_stays_when_another_comes(monkeypatch):
    resident, sets = ResidentImages(CPU), [np.full((5, 2), i, np.uint8) for i in range(4)]
    placed = [resident.get(pixels) for pixels in sets[:3]]
    assert resident.get(sets[0]) is placed[0]
    held, upload = [], ResidentImages._upload

    def counting(self, pixels):
        held.append(len(self._sets))
        return upload(self, pixels)

    monkeypatch.setattr(ResidentImages, "_upload", counting)
    resident.get(sets[3])
    assert resident.get(sets[0]) is placed[0]
    assert resident.get(sets[1]) is not placed[1]
    assert held == [2, 2]  # What is left is freed before the other comes.


def test_a_large_set_is_uploaded_in_pieces(monkeypatch):
    monkeypatch.setattr(block_feed, "UPLOAD_ROWS", 4)
    pixels = np.random.default_rng(0).integers(0, 256, (11, 3)).astype(np.uint8)
    pixels.setflags(write=False)  # as images that are mapped from a file are
    np.testing.assert_array_equal(ResidentImages(CPU).get(pixels), pixels)


def test_a_set_that_does_not_fit_stays_on_the_host_and_is_tried_once(monkeypatch, caplog):
    def full(*args, **kwargs):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    monkeypatch.setattr(torch, "empty", full)
    resident, pixels = ResidentImages(CPU), np.zeros((1234, 2), np.uint8)
    assert resident.get(pixels) is None
    assert resident.get(pixels) is None
    assert [record.getMessage() for record in caplog.records] == [
        "1,234 images stay on the host and are streamed in windows: CUDA out of memory. Tried to allocate 2 GiB."
    ]


def test_images_that_cannot_be_uploaded_for_another_reason_are_an_error(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(torch, "empty", broken)
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        ResidentImages(CPU).get(np.zeros((5, 2), np.uint8))
