"""These tests compare NLGP and its clone with theory."""

import math

import numpy as np
import pytest
from scipy import stats

from prunescope.data import open_dataset
from prunescope.data.sources import streams
from prunescope.errors import InputError
from prunescope.experiment import Data

GAIN, SIZE, LENGTHS = 3.0, 12, (1.0, 2.5)


def opened(source, **fields):
    fields = {"size": SIZE, "gain": GAIN, "lengths": LENGTHS, "validation": 100, "heldout": 50, **fields}
    return open_dataset(Data(source=source, **fields), 0)


def slow_covariance(length):
    """Return the covariance of x, pixel pair by pixel pair, from the formulas of the paper."""
    share = GAIN**2 / (1 + GAIN**2)
    out = np.empty((SIZE, SIZE))
    for dy in range(SIZE):
        for dx in range(SIZE):
            r2 = min(dy, SIZE - dy) ** 2 + min(dx, SIZE - dx) ** 2
            z2 = 2 / math.pi * math.asin(share)
            out[dy, dx] = 2 / math.pi / z2 * math.asin(share * math.exp(-r2 / length**2))
    return out


def measured_covariance(images):
    power = (np.abs(np.fft.fft2(images)) ** 2).mean(axis=tuple(range(images.ndim - 2)))
    return np.fft.ifft2(power).real / images.shape[-1] ** 2


@pytest.fixture(scope="module", params=["nlgp", "nlgp-clone"])
def drawn(request):
    batch = opened(request.param).draw(0, 0, 0, 40_000)
    return request.param, batch.pixels.reshape(-1, SIZE, SIZE).astype(float), batch.labels


@pytest.mark.parametrize("label", [0, 1])
def test_covariance_is_that_of_theory_for_both(drawn, label):
    _, images, labels = drawn
    found = measured_covariance(images[labels == label])
    np.testing.assert_allclose(found, slow_covariance(LENGTHS[label]), atol=0.01)


@pytest.mark.parametrize("label", [0, 1])
def test_marginals_are_those_of_theory(drawn, label):
    source, images, labels = drawn
    values = images[labels == label][:, 0, 0]
    if source == "nlgp":  # x = erf(g z/√2)/Z with z standard normal, so z is found back
        scale = math.sqrt(2 / math.pi * math.asin(GAIN**2 / (1 + GAIN**2)))
        assert np.abs(values).max() <= 1 / scale + 1e-6
        quantiles = np.quantile(values, [0.1, 0.3, 0.5, 0.7, 0.9])
        z = stats.norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9])
        expected = [math.erf(GAIN * q / math.sqrt(2)) / scale for q in z]
        np.testing.assert_allclose(quantiles, expected, atol=0.03)
        assert stats.kurtosis(values) < -1
    else:
        assert stats.kstest(values, "norm").pvalue > 1e-3
    assert abs(values.mean()) < 0.03
    assert abs(values.var() - 1) < 0.03


def test_field_covariance_is_exact_where_it_is_positive():
    found = streams.covariance(16, 2.0)
    distance = np.minimum(np.arange(16), 16 - np.arange(16))
    expected = np.exp(-(distance[:, None] ** 2 + distance[None, :] ** 2) / 4)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    long = streams.covariance(8, 6.0)  # not positive on so small a torus: clipped, still of unit variance
    assert np.fft.fft2(long).real.min() > -1e-9
    assert long[0, 0] == pytest.approx(1)


def test_draws(drawn):
    source, _, labels = drawn
    assert np.bincount(labels).tolist() == [20_000, 20_000]
    dataset = opened(source, lengths=(1.0, 2.0, 4.0), channels=2)
    batch = dataset.draw(0, 1, 2, 10)
    assert batch.pixels.dtype == np.float32
    assert batch.pixels.shape == (10, 2 * SIZE * SIZE)
    assert sorted(np.bincount(batch.labels, minlength=3)) == [3, 3, 4]
    np.testing.assert_array_equal(batch.indices, np.arange(10))
    again = dataset.draw(0, 1, 2, 10)
    np.testing.assert_array_equal(batch.pixels, again.pixels)
    np.testing.assert_array_equal(batch.labels, again.labels)
    for other in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert not np.array_equal(batch.pixels, dataset.draw(*other, 10).pixels)
    channels = dataset.draw(0, 0, 0, 2000).pixels.reshape(2000, 2, -1)
    assert abs((channels[:, 0] * channels[:, 1]).mean()) < 0.02


def test_fixed_sets_and_fields():
    dataset = opened("nlgp", channels=1)
    assert (len(dataset.validation), len(dataset.heldout)) == (100, 50)
    assert dataset.validation.pixels.shape == (100, SIZE * SIZE)
    assert dataset.train_size is None
    assert not dataset.mean.any()
    assert dataset.live_pixels.all()
    assert dataset.classes == ("ξ = 1", "ξ = 2.5")
    np.testing.assert_array_equal(dataset.validation.pixels, opened("nlgp").validation.pixels)
    assert dataset.fingerprint == opened("nlgp").fingerprint
    assert dataset.fingerprint != opened("nlgp-clone").fingerprint
    assert dataset.fingerprint != opened("nlgp", gain=2.0).fingerprint


@pytest.mark.parametrize("field", [{"flip": True}, {"rotate": 20.0}, {"fraction": 0.5}, {"task": "modulo:2"}])
def test_options_that_mean_nothing_to_a_stream_are_refused(field):
    name = next(iter(field))
    with pytest.raises(InputError, match=f"data.{name}=.* means nothing to data.source=nlgp"):
        opened("nlgp", **field)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [5e-324, 1e-200, 1e-16, 1e16, 1e160, 1e308])
@pytest.mark.parametrize("source", ["nlgp", "nlgp-clone"])
def test_numbers_that_cannot_be_squared_are_refused(source, number):
    with pytest.raises(ValueError, match="gain"):
        opened(source, gain=number)
    with pytest.raises(ValueError, match="lengths"):
        opened(source, lengths=(1.0, number))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("source", ["nlgp", "nlgp-clone"])
def test_the_least_and_the_greatest_numbers_give_images(source):
    for fields in ({"gain": 1e-6}, {"gain": 1e6}, {"lengths": (1.0, 1e-3)}, {"lengths": (1.0, 1e6)}):
        pixels = opened(source, **fields).validation.pixels
        assert np.isfinite(pixels).all()
        assert 0.5 < pixels.std() < 2


@pytest.mark.parametrize(
    "field", [{"size": 10**6}, {"validation": 10**12}, {"heldout": 10**30}, {"channels": 10**9}]
)
def test_streams_that_do_not_fit_into_memory_are_refused(field):
    # A field refuses what no number can mean; the reader what does not fit.
    with pytest.raises(ValueError, match=f"{next(iter(field))}|images of .* would take .* GB of memory"):
        opened("nlgp", **field)
