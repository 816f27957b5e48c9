"""These tests check the batches that data sets draw, with both samplings and all transforms."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.data import open_dataset
from prunescope.data.dataset import epoch_indices
from prunescope.data.prepared.rotation import rotate
from prunescope.data.transforms import flip_each, roll_each, value_range
from prunescope.errors import InputError
from prunescope.experiment import Data


@pytest.fixture
def opened(small_npz):
    def opened(seed=0, split_rule=None, **fields):
        return open_dataset(Data(source="npz", root=str(small_npz), **fields), seed, split_rule=split_rule)

    return opened


def test_fields_of_a_dataset(opened, images, planes):
    dataset = opened(validation=4, split_rule="source order")
    assert dataset.shape == (3, 8, 8)
    assert dataset.train_size == 12
    assert dataset.mean.dtype == np.float32
    np.testing.assert_allclose(dataset.mean, planes.mean(axis=0), rtol=1e-6)
    assert dataset.live_pixels.all()
    np.testing.assert_array_equal(dataset.validation.pixels, planes[:4])
    np.testing.assert_array_equal(dataset.heldout.pixels, planes[4:6])
    np.testing.assert_array_equal(dataset.heldout.labels, images[1][4:6])
    assert len(opened(validation=100).heldout) == 0


def test_the_first_images_are_a_view_with_their_labels(opened):
    images = opened(validation=4).validation
    few = images.first(3)
    np.testing.assert_array_equal(few.pixels, images.pixels[:3])
    np.testing.assert_array_equal(few.labels, images.labels[:3])
    assert np.shares_memory(few.pixels, images.pixels)
    assert len(images.first(9)) == 4


def test_a_batch_carries_the_mapped_array_itself(opened, planes, images):
    dataset = opened()
    batch = dataset.draw(1, 2, 3, 50)
    assert batch.pixels is dataset.draw(1, 2, 4, 50).pixels
    np.testing.assert_array_equal(batch.pixels, planes)
    assert batch.indices.dtype == batch.labels.dtype == np.int64
    np.testing.assert_array_equal(batch.labels, images[1][batch.indices])
    assert len(np.unique(batch.indices)) < 50  # with replacement


@pytest.mark.parametrize("fields", [{}, {"translate": True, "flip": True}, {"fraction": 0.5}])
@pytest.mark.parametrize("sampling", ["replacement", "epochs"])
def test_a_draw_is_a_function_of_its_arguments(opened, fields, sampling):
    def content(*where):
        batch = opened(**fields).draw(*where, 20, sampling)
        return np.asarray(batch.pixels[batch.indices]).tobytes() + batch.labels.tobytes()

    assert content(0, 1, 2) == content(0, 1, 2)
    assert len({content(0, 1, 2), content(1, 1, 2), content(0, 2, 2), content(0, 1, 3)}) == 4


def test_an_unknown_sampling_is_refused(opened):
    with pytest.raises(InputError, match=r"train.sampling is 'sobol': use replacement or epochs"):
        opened().draw(0, 0, 0, 4, "sobol")


@given(total=st.integers(1, 40), size=st.integers(1, 50), seed=st.integers(0, 5))
def test_epochs_cover_every_image_once(total, size, seed):
    steps = -(-3 * total // size)
    order = np.concatenate([epoch_indices(seed, 0, step * size, size, total) for step in range(steps)])
    for epoch in range(3):
        piece = order[epoch * total : (epoch + 1) * total]
        np.testing.assert_array_equal(np.sort(piece), np.arange(total))


def test_a_subset_is_seeded_and_its_images_are_the_only_ones_drawn(opened):
    rows = {seed: np.unique(opened(seed, fraction=0.8).draw(5, 0, 0, 500).indices) for seed in (0, 1)}
    assert [len(found) for found in rows.values()] == [9, 9]
    assert rows[0].tolist() != rows[1].tolist()
    epoch = opened(0, fraction=0.8).draw(5, 0, 0, 9, "epochs")
    np.testing.assert_array_equal(np.sort(epoch.indices), rows[0])


def test_a_subset_of_the_official_files_is_their_beginning(write_official):
    root = write_official()
    fields = {"source": "imagenet32", "root": str(root), "task": "modulo:10"}
    dataset = open_dataset(Data(fraction=0.25, **fields), 3)
    assert dataset.train_size == 250
    batch = dataset.draw(0, 0, 0, 5000)
    np.testing.assert_array_equal(np.unique(batch.indices), np.arange(250))
    np.testing.assert_array_equal(batch.labels, batch.indices % 10)
    with pytest.raises(InputError, match=r"class 5 .* has no training image"):
        open_dataset(Data(fraction=0.005, **fields), 3)
    with pytest.raises(InputError, match=r"data.fraction=0.0001 of 1000 training images leaves none"):
        open_dataset(Data(fraction=0.0001, **fields), 3)


def test_dead_pixels_are_those_constant_over_the_images_used(tmp_path, images):
    pixels = images[0].copy()
    pixels[:, 0, 0, 0] = 7
    pixels[:, 0, 7, 0] = 9  # its mirror image is as constant, at another value
    pixels[:, 3, 3, 1] = 5
    pixels[11, 3, 3, 1] = 6  # alive only in the last image
    np.savez(tmp_path / "d.npz", x_train=pixels, y_train=images[1], x_test=pixels, y_test=images[1])

    def dead(**fields):
        dataset = open_dataset(Data(source="npz", root=str(tmp_path / "d.npz"), **fields), 0)
        used = np.unique(dataset.draw(0, 0, 0, 300).indices)
        return np.flatnonzero(~dataset.live_pixels).tolist(), used

    assert dead()[0] == [0, 7]
    found, used = dead(fraction=0.5)
    assert found == ([0, 7] if 11 in used else [0, 7, 64 + 3 * 8 + 3])
    assert dead(flip=True)[0] == []
    assert dead(translate=True)[0] == []


def test_value_range_against_every_transform():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 4, 18, np.uint8)
    high = low + rng.integers(0, 2, 18, np.uint8)
    images = np.stack([low, high]).reshape(2, 2, 3, 3)
    every = [np.roll(images, (dy, dx), (2, 3)) for dy in range(3) for dx in range(3)]
    every += [image[..., ::-1] for image in every]
    found = value_range(low, high, (2, 3, 3), translate=True, flip=True)
    np.testing.assert_array_equal(found[0], np.concatenate(every).min(axis=0).ravel())
    np.testing.assert_array_equal(found[1], np.concatenate(every).max(axis=0).ravel())


def test_translation_moves_a_dot_everywhere_and_keeps_it_whole():
    images = np.zeros((4000, 2, 4, 5), np.uint8)
    images[:, 0, 1, 2], images[:, 1, 1, 3] = 200, 100
    moved = roll_each(images, np.random.default_rng(0))
    assert (moved.sum(axis=(2, 3)) == [200, 100]).all()
    first, second = (moved[:, c].reshape(4000, -1).argmax(axis=1) for c in (0, 1))
    assert len(np.unique(first)) == 20
    np.testing.assert_array_equal(second // 5, first // 5)  # channels move together
    np.testing.assert_array_equal(second % 5, (first % 5 + 1) % 5)
    assert np.bincount(first, minlength=20).min() > 130  # 200 each on average


@pytest.mark.parametrize("width", [3, 8, 24])
def test_flips_mirror_half_of_the_images(width):
    images = np.zeros((2000, 2, 2, width), np.uint8)
    images[:, :, 1] = np.arange(1, width + 1)
    images[:, 1, 0, 0] = 9
    before = images.copy()
    flipped = flip_each(images, np.random.default_rng(0))
    mirrored = flipped[:, 0, 1, 0] == width
    np.testing.assert_array_equal(flipped[mirrored], before[mirrored, ..., ::-1])
    np.testing.assert_array_equal(flipped[~mirrored], before[~mirrored])
    assert 900 < mirrored.sum() < 1100


def test_transforms_leave_validation_and_labels_alone(opened, planes, images):
    dataset = opened(translate=True, flip=True)
    np.testing.assert_array_equal(dataset.validation.pixels, planes[:6])
    np.testing.assert_array_equal(dataset.mean, opened().mean)  # that of the images as they stand
    batch, plain = dataset.draw(0, 0, 0, 30), opened().draw(0, 0, 0, 30)
    np.testing.assert_array_equal(batch.labels, plain.labels)
    np.testing.assert_array_equal(batch.indices, np.arange(30))
    assert batch.pixels.shape == (30, 192)
    drawn = np.asarray(plain.pixels[plain.indices]).reshape(30, 3, 64)
    np.testing.assert_array_equal(np.sort(batch.pixels.reshape(30, 3, 64)), np.sort(drawn))


# rotation


def line(size, degrees):
    """Return a one-channel image of a line through the centre, ``degrees`` counter-clockwise from horizontal."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.deg2rad(degrees)
    distance = np.abs(np.sin(angle) * x + np.cos(angle) * y)  # y grows downwards
    return (255 * np.clip(2.5 - distance, 0, 1)).astype(np.uint8)


@pytest.mark.parametrize("degrees", [20.0, -35.0, 75.0])
def test_rotation_turns_a_line_counter_clockwise(degrees):
    size = 31
    turned = rotate(line(size, 10).reshape(1, -1), (1, size, size), degrees, np.zeros(size * size))
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    inner = np.hypot(x, y) < size / 2 - 2
    difference = np.abs(turned.reshape(size, size).astype(int) - line(size, 10 + degrees))[inner]
    assert difference.mean() < 5
    clockwise = np.abs(turned.reshape(size, size).astype(int) - line(size, 10 - degrees))[inner]
    assert clockwise.mean() > 20


def test_rotation_by_quarter_turns_is_exact():
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 6, 6), np.uint8)
    turned = rotate(images.reshape(3, -1), (2, 6, 6), 90.0, np.zeros(72))
    np.testing.assert_array_equal(turned.reshape(images.shape), np.rot90(images, axes=(2, 3)))


def test_rotation_takes_outside_pixels_from_the_mean_image():
    outside = np.arange(64, dtype=np.float64)
    turned = rotate(np.full((1, 64), 200, np.uint8), (1, 8, 8), 45.0, outside)[0]
    assert turned[0] == 0
    assert turned[7] == 7
    assert turned[63] == 63
    assert turned[27] == 200


def test_pixels_that_come_from_outside_alone_are_dead(opened):
    live = opened(rotate=45.0).live_pixels.reshape(3, 8, 8)
    _, reach = np.mgrid[:8, :8] - 3.5
    inside = np.abs(reach) + np.abs(reach.T)  # turned by 45 degrees, a square is a diamond
    assert live[:, inside < 4.5].all()
    assert not live[:, inside > 8 / np.sqrt(2) + 1].any()
    assert not live[:, ::7, ::7].any()


def test_rotated_sets_are_prepared_of_their_own_validation_too(opened, planes):
    upright, turned = opened(), opened(rotate=20.0)
    assert turned.fingerprint != upright.fingerprint
    expected = rotate(planes, (3, 8, 8), 20.0, planes.mean(axis=0))
    np.testing.assert_array_equal(turned.draw(0, 0, 0, 2).pixels, expected)
    np.testing.assert_array_equal(turned.validation.pixels, expected[:6])
    np.testing.assert_allclose(turned.mean, expected.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("sampling", ["replacement", "epochs"])
@pytest.mark.parametrize("source", ["plain", "transforms", "nlgp"])
def test_threads_draw_the_same_batches(opened, source, sampling):
    if source == "nlgp":
        fields = {"size": 8, "lengths": (1.0, 2.0), "validation": 4, "heldout": 4, "label_noise": 0.2}
        dataset = open_dataset(Data(source="nlgp", **fields), 0)
    else:
        dataset = opened(translate=source == "transforms", flip=source == "transforms")

    def draw(step):  # 12 training images: a batch ends one epoch and begins another
        batch = dataset.draw(3, 1, step, 10, sampling)
        return batch.pixels[batch.indices].tobytes(), batch.indices.tobytes(), batch.labels.tobytes()

    steps = [step for step in range(40) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(draw, steps))
    assert found == [draw(step) for step in steps]
