"""The tool that whitens images: run with `pytest tests/data/test_whitened_images.py`."""

import runpy
from pathlib import Path

import numpy as np

from prunescope.data import open_dataset
from prunescope.experiment import load

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "whitened_images.py"))


def smooth(rng, count):
    """Images 3×6×6 whose neighbouring pixels and channels are alike."""
    images = rng.standard_normal((count, 3, 8, 8)) + 2 * rng.standard_normal((count, 1, 8, 8))
    images = sum(images[..., dy : dy + 6, dx : dx + 6] for dy in range(3) for dx in range(3))
    return np.clip(128 + 8 * images, 0, 255).astype(np.uint8)


def beside(images):
    """The correlation of pixels that are beside each other, mean over the image."""
    one, other = images[..., :-1].astype(float), images[..., 1:].astype(float)
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    return float(((one * other).mean(axis=0) / (one.std(axis=0) * other.std(axis=0))).mean())


def test_whitened_images_have_no_correlations_and_keep_their_labels(tmp_path):
    rng = np.random.default_rng(0)
    train, test = smooth(rng, 4000), smooth(rng, 600)
    labels = rng.integers(0, 4, 4000), rng.integers(0, 4, 600)
    np.savez(tmp_path / "smooth.npz", x_train=train, y_train=labels[0], x_test=test, y_test=labels[1])
    out = tmp_path / "white.npz"
    TOOL["main"]([str(out), "data.source=npz", f"data.root={tmp_path / 'smooth.npz'}"])
    white = np.load(out)
    assert beside(train) > 0.5
    assert abs(beside(white["train_images"])) < 0.05
    assert abs(beside(white["validation_images"])) < 0.1
    flat = white["train_images"].reshape(4000, -1).astype(float)
    correlations = np.corrcoef(flat.T) - np.eye(flat.shape[1])
    assert np.abs(correlations).max() < 0.2
    assert flat.std(axis=0).min() > 10
    np.testing.assert_array_equal(np.bincount(white["train_labels"]), np.bincount(labels[0]))
    assert white["validation_images"].shape == (600, 3, 6, 6)
    experiment = load("quickstart", ["data.source=npz", f"data.root={out}", "data.validation=300"])
    assert open_dataset(experiment.data, 0).shape == (3, 6, 6)


def test_a_whitened_image_is_nearest_to_the_image():
    rng = np.random.default_rng(1)
    images = smooth(rng, 3000).reshape(3000, -1)
    mean, matrix = TOOL["whitening"](images)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert np.linalg.eigvalsh(matrix.astype(float)).min() > 0
    white = (images - mean) @ matrix
    covariance = white.T @ white / len(white)
    # Rounding to grey levels is a noise of its own, which the ridge is beside.
    assert np.abs(np.linalg.eigvalsh(covariance)).max() < 1.01
