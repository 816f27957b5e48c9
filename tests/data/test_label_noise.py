"""These tests check how many and which labels label noise replaces."""

import numpy as np
import pytest
from scipy import stats

from prunescope.data import open_dataset
from prunescope.data.dataset import with_noise
from prunescope.errors import InputError
from prunescope.experiment import Data, build
from prunescope.randomness import generator

COUNT, CLASSES = 6000, 4


@pytest.fixture
def opened(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 2, 2), np.uint8)
    labels = np.arange(COUNT) % CLASSES
    np.savez(tmp_path / "d.npz", x_train=pixels, y_train=labels, x_test=pixels[:50], y_test=labels[:50])
    root = str(tmp_path / "d.npz")
    return lambda seed=0, **fields: open_dataset(Data(source="npz", root=root, **fields), seed)


def within(changed, total, share):
    """Return whether so many changed labels are likely; a replacement is the old label once in CLASSES times."""
    low, high = stats.binom.interval(0.9999, total, share * (1 - 1 / CLASSES))
    return low <= changed <= high


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_share_of_changed_labels_is_binomial(opened, share):
    clean, noisy = opened().sampler.labels, opened(label_noise=share).sampler.labels
    changed = noisy != clean
    assert within(changed.sum(), COUNT, share)
    pairs = np.bincount(CLASSES * clean[changed] + noisy[changed], minlength=CLASSES**2)
    wrong = pairs.reshape(CLASSES, CLASSES)[~np.eye(CLASSES, dtype=bool)]
    assert stats.chisquare(wrong).pvalue > 1e-4  # every class takes every other's place


def test_the_seed_fixes_them_and_validation_is_untouched(opened):
    first, again, other = (opened(seed, label_noise=0.5) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.sampler.labels, again.sampler.labels)
    assert (first.sampler.labels != other.sampler.labels).mean() > 0.3
    np.testing.assert_array_equal(first.validation.labels, opened().validation.labels)
    assert first.fingerprint == other.fingerprint == opened().fingerprint
    batch = first.draw(0, 3, 7, 200)
    np.testing.assert_array_equal(batch.labels, first.sampler.labels[batch.indices])


def test_more_noise_keeps_the_noise_of_less():
    labels = np.arange(1000) % CLASSES
    some, more = (with_noise(labels, CLASSES, share, generator(0, "n")) for share in (0.3, 0.6))
    replaced = some != labels
    np.testing.assert_array_equal(more[replaced], some[replaced])
    np.testing.assert_array_equal(with_noise(labels, CLASSES, 0.0, generator(0, "n")), labels)


def test_a_subset_and_transforms_see_the_same_labels(opened):
    noisy = opened(label_noise=0.5).sampler.labels
    dataset = opened(label_noise=0.5, fraction=0.5, flip=True)
    plain = opened(label_noise=0.5, fraction=0.5).draw(0, 0, 0, 300)
    np.testing.assert_array_equal(dataset.draw(0, 0, 0, 300).labels, noisy[plain.indices])


def test_a_stream_is_noisy_anew_at_every_draw():
    def stream(share):
        data = Data(
            source="nlgp", size=4, lengths=(1.0, 2.0, 3.0, 4.0), validation=40, heldout=8, label_noise=share
        )
        return open_dataset(data, 0)

    clean, noisy = stream(0.0), stream(0.5)
    for step in range(2):
        a, b = clean.draw(0, 1, step, 4000), noisy.draw(0, 1, step, 4000)
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert within((a.labels != b.labels).sum(), 4000, 0.5)
        np.testing.assert_array_equal(b.labels, noisy.draw(0, 1, step, 4000).labels)
    np.testing.assert_array_equal(clean.validation.labels, noisy.validation.labels)


def test_it_is_part_of_the_identity_and_lies_between_0_and_1():
    def experiment(**data):
        return build({"name": "x", "data": data})

    assert experiment(label_noise=0.5).identity != experiment().identity == experiment(label_noise=0).identity
    with pytest.raises(InputError, match=r"data.label_noise is 1.5"):
        experiment(label_noise=1.5)
