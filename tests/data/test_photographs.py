"""These tests check that photographs are balanced, the same each time, and have no trivial difference of classes."""

import numpy as np
import pytest
from PIL import Image

from prunescope.data import open_dataset, prepare
from prunescope.data.sources import photographs
from prunescope.errors import InputError
from prunescope.experiment import Data

SMALL = {"size": 16, "patches": 600, "validation": 300, "heldout": 100}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(Data(**SMALL), 0, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def gradient(tmp_path):
    """A picture whose red gives the column of each pixel, with noise in green."""
    rng = np.random.default_rng(0)
    image = np.zeros((200, 1000, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, 1000).round()
    image[..., 1] = rng.integers(0, 256, (200, 1000))
    Image.fromarray(image).save(tmp_path / "gradient.png")
    return tmp_path / "gradient.png"


def test_sizes_and_balance(dataset):
    assert dataset.shape == (3, 16, 16)
    assert dataset.classes == ("photograph", "scrambled")
    assert dataset.train_size == 600
    train = dataset.draw(0, 0, 0, 600, "epochs").labels
    for labels in (train, dataset.validation.labels, dataset.heldout.labels):
        assert np.bincount(labels).tolist() == [len(labels) // 2] * 2


def test_the_same_patches_every_time_whatever_the_seed(dataset, tmp_path):
    again = open_dataset(Data(**SMALL), 7, cache=tmp_path)
    assert again.fingerprint == dataset.fingerprint
    other = open_dataset(Data(**{**SMALL, "patches": 602}), 0, cache=tmp_path)
    assert other.fingerprint != dataset.fingerprint


def test_means_and_contrast_do_not_tell(dataset):
    batch = dataset.draw(0, 0, 0, 600, "epochs")
    images = np.asarray(batch.pixels[batch.indices]).reshape(600, 3, 256).astype(float)
    assert np.abs(images.mean(axis=2) - 128).max() < 4
    deviations = (images - images.mean(axis=2, keepdims=True)).std(axis=(1, 2))
    for label in (0, 1):
        assert np.abs(np.median(deviations[batch.labels == label]) - 127 / 4) < 0.1
    assert (np.abs(deviations - 127 / 4) < 0.5).mean() > 0.95
    clipped = (images < 2) | (images > 254)
    assert clipped.mean() < 0.01


def test_training_and_validation_parts_share_no_column(gradient):
    ends = {}
    for split in ("train", "validation"):
        found = photographs.parts(gradient, split, 16)
        assert len(found) == 4
        ends[split] = [(part.pixels[0].min(), part.pixels[0].max()) for part in found]
    border = 0.8 * 255
    assert max(high for _, high in ends["train"]) <= border + 1
    assert min(low for low, _ in ends["validation"]) >= border - 1
    assert ends["train"][0][1] <= ends["validation"][0][0]


def test_patches_lie_inside_their_part_and_are_not_dull(gradient):
    pixels = np.asarray(Image.open(gradient)).copy()
    pixels[:, :400] = 90  # a dull half
    Image.fromarray(pixels).save(gradient)
    part = photographs.parts(gradient, "train", 16)[0]
    y, x = np.divmod(part.corners, part.pixels.shape[2])
    assert y.max() <= part.pixels.shape[1] - 64
    assert x.max() <= part.pixels.shape[2] - 64
    rng = np.random.default_rng(0)
    for i in rng.choice(len(y), 50):
        patch = part.pixels[:, y[i] : y[i] + 64, x[i] : x[i] + 64]
        for piece in (patch, patch[:, 24:40, 24:40]):
            assert np.sqrt(piece.var(axis=(1, 2)).mean()) > photographs.DULL - 0.01
    assert x.min() > 400 - 64 + 24  # the centre must reach what is not dull


def test_scrambling_keeps_the_spectrum_and_the_phase_differences_of_the_channels():
    patches = np.random.default_rng(0).random((5, 3, 64, 64)).astype(np.float32) * 255
    scrambled = photographs.scramble(patches, np.random.default_rng(1))
    assert scrambled.dtype == np.float32
    before, after = np.fft.fft2(patches.astype(float)), np.fft.fft2(scrambled.astype(float))
    np.testing.assert_allclose(np.abs(after), np.abs(before), rtol=1e-3, atol=1)
    np.testing.assert_allclose(
        after[:, 0] * after[:, 1].conj(), before[:, 0] * before[:, 1].conj(), rtol=1e-2, atol=2000
    )
    np.testing.assert_allclose(scrambled.mean(axis=(2, 3)), patches.mean(axis=(2, 3)), rtol=1e-4)
    for i in range(5):
        assert abs(np.corrcoef(patches[i, 0].ravel(), scrambled[i, 0].ravel())[0, 1]) < 0.1


def test_normalise_gives_every_patch_the_same_contrast():
    rng = np.random.default_rng(0)
    heavy = rng.standard_t(5, (20, 3, 16, 16)).astype(np.float32)  # clipping alone would take 5 % off
    light = rng.random((20, 3, 16, 16)).astype(np.float32) * 9 + 100
    deviations = photographs.normalise(np.concatenate([heavy, light])).std(axis=(2, 3)).mean(axis=1)
    assert np.abs(deviations / (127 / 4) - 1).max() < 0.03


def test_too_large_a_centre_is_refused():
    with pytest.raises(InputError, match=r"data.size is 65: centres of photograph patches are at most 64"):
        prepare(Data(size=65))


def test_the_largest_centres_keep_a_border_and_every_photograph(tmp_path):
    assert [photographs.patch_size(size) for size in (16, 32, 48, 64)] == [64, 64, 64, 86]
    for path in photographs.files():
        for split in ("train", "validation"):
            part = photographs.parts(path, split, 64)[0]
            y, x = np.divmod(part.corners, part.pixels.shape[2])
            assert y.max() <= part.pixels.shape[1] - 86
            assert x.max() <= part.pixels.shape[2] - 86
    large = open_dataset(Data(**{**SMALL, "size": 64}), 0, cache=tmp_path)
    batch = large.draw(0, 0, 0, 600, "epochs")
    images = np.asarray(batch.pixels[batch.indices]).reshape(600, 3, 64, 64).astype(float)
    # Opposite edges of a whole scrambled patch fit together like neighbours; those of a centre must not.
    scrambled = images[batch.labels == 1]
    across = np.abs(scrambled[..., 0] - scrambled[..., -1]).mean()
    assert across > 2 * np.abs(scrambled[..., 0] - scrambled[..., 1]).mean()


def test_a_prepared_folder_of_other_parameters_is_refused(tmp_path):
    out = prepare(Data(**SMALL), out=tmp_path / "own")
    assert prepare(Data(**SMALL, root=str(out))) == out
    with pytest.raises(InputError, match="was prepared with patches 600, not 700"):
        prepare(Data(**{**SMALL, "patches": 700}, root=str(out)))
