"""prunescope.observables.gabor: run with `pytest tests/observables/test_gabor.py`."""

import numpy as np
import pytest

from prunescope import observables
from prunescope.errors import InputError
from prunescope.observables.gabor_shapes import bank, gabor, gabor_and_slopes

SHAPE = (3, 14, 17)


def synthetic(shape, count, seed):
    """Gabors with one geometry, and an amplitude (of either sign) and an offset a channel; and their parameters."""
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    y, x = np.mgrid[:height, :width]
    images, known = [], []
    for _ in range(count):
        x0, y0 = rng.uniform(0.25, 0.75) * (width - 1), rng.uniform(0.25, 0.75) * (height - 1)
        theta, sigma = rng.uniform(0, np.pi) * (height > 1), rng.uniform(1.2, 3)
        gamma, wavelength = rng.uniform(0.5, 1.0), sigma * rng.uniform(1.8, 2.5)
        across = (x - x0) * np.cos(theta) + (y - y0) * np.sin(theta)
        along = (y - y0) * np.cos(theta) - (x - x0) * np.sin(theta)
        phase = rng.uniform(0, 2 * np.pi)
        wave = np.exp(-(across**2 + gamma**2 * along**2) / 2 / sigma**2)
        wave = wave * np.cos(2 * np.pi * across / wavelength + phase)
        amplitude = rng.uniform(0.3, 1, channels) * rng.choice([-1, 1], channels)
        offset = rng.normal(size=channels) * 0.1
        images.append((amplitude[:, None, None] * wave + offset[:, None, None]).ravel())
        known.append((x0, y0, theta, sigma, gamma, wavelength, phase, amplitude, offset))
    return np.array(images), known


def dense(weights):
    return np.ones(weights.shape, bool)


def test_slopes_are_the_derivatives():
    geometry = np.array([5.3, 7.1, 0.7, 0.6, 0.9, 1.4, 2.2])
    value, slopes = gabor_and_slopes(geometry, SHAPE)
    np.testing.assert_array_equal(value, gabor(geometry, SHAPE))
    for entry in range(7):
        step = np.zeros(7)
        step[entry] = 1e-6
        quotient = (gabor(geometry + step, SHAPE) - gabor(geometry - step, SHAPE)) / 2e-6
        np.testing.assert_allclose(slopes[entry], quotient, atol=1e-8)


def test_the_bank_finds_its_own_geometries():
    whole = bank(SHAPE)
    small = np.flatnonzero(whole.size < 3)  # the widest do not fit the image, and are found only roughly
    for entry in small[::7]:
        geometry = whole.geometries[entry] + np.array([8, 6, 0, 0, 0, 0, 0.4])
        wave = gabor(geometry, SHAPE)
        image = np.outer([1.0, -0.5, 0.2], wave - wave.mean()).reshape(SHAPE)
        start = whole.starts(image)[whole.size[entry]]
        parts = np.stack([gabor(start, SHAPE), gabor(start + np.eye(7)[6] * np.pi / 2, SHAPE)], axis=1)
        basis = np.linalg.qr(parts - parts.mean(axis=0))[0]
        assert np.linalg.norm(basis.T @ image[0].ravel()) / np.linalg.norm(image[0]) > 0.99


def test_gabors_are_recovered():
    weights, known = synthetic(SHAPE, 12, 0)
    fits = observables.gabor_fit(weights, dense(weights), SHAPE, shuffles=0)
    assert fits.r2.min() > 0.9999
    for k, (x0, y0, theta, sigma, gamma, wavelength, phase, amplitude, offset) in enumerate(known):
        np.testing.assert_allclose(fits.image(k), weights[k], atol=0.01)
        if np.abs(amplitude).argmax() != fits.amplitude[k].argmax():
            continue  # nearly equal amplitudes
        sign = np.sign(amplitude[np.abs(amplitude).argmax()])
        np.testing.assert_allclose([fits.x[k], fits.y[k]], [x0, y0], atol=0.05)
        np.testing.assert_allclose([fits.sigma[k], fits.wavelength[k]], [sigma, wavelength], rtol=0.05)
        assert fits.gamma[k] == pytest.approx(gamma, rel=0.05)
        assert abs(np.sin(fits.theta[k] - theta)) < 0.05
        turned = -1 if np.cos(fits.theta[k] - theta) < 0 else 1
        shift = fits.phase[k] - turned * (phase + np.pi * (sign < 0))
        assert np.cos(shift) > 0.98
        np.testing.assert_allclose(fits.amplitude[k], sign * amplitude, rtol=0.1, atol=0.02)
        np.testing.assert_allclose(fits.offset[k], offset, atol=0.02)
    assert ((fits.theta >= 0) & (fits.theta < np.pi)).all()
    assert ((fits.phase >= 0) & (fits.phase < 2 * np.pi)).all()
    assert (fits.amplitude.max(axis=1) >= np.abs(fits.amplitude).max(axis=1)).all()
    np.testing.assert_allclose(fits.cycles, 2 * fits.sigma / fits.wavelength)


def test_r2_is_the_share_that_the_drawn_fit_explains():
    rng = np.random.default_rng(1)
    weights, _ = synthetic(SHAPE, 4, 1)
    weights += rng.normal(size=weights.shape) * weights.std()
    mask = rng.random(weights.shape) < 0.7
    fits = observables.gabor_fit(weights, mask, SHAPE, nodes=[3, 1], shuffles=0)
    assert fits.nodes.tolist() == [3, 1]
    for k, node in enumerate(fits.nodes):
        image = (weights[node] * mask[node]).reshape(3, -1)
        left = ((image - fits.image(k).reshape(3, -1)) ** 2).sum()
        about_mean = ((image - image.mean(axis=1, keepdims=True)) ** 2).sum()
        assert fits.r2[k] == pytest.approx(1 - left / about_mean, abs=1e-6)
        assert 0.1 < fits.r2[k] < 0.9


def test_gabors_stand_out_from_their_shuffles_and_noise_does_not():
    weights, _ = synthetic(SHAPE, 2, 2)
    noise = np.random.default_rng(2).normal(size=(6, weights.shape[1]))
    both = np.concatenate([weights + 0.5 * weights.std(axis=1, keepdims=True) * noise[:2], noise])
    fits = observables.gabor_fit(both, dense(both), SHAPE, shuffles=2)
    assert fits.null_r2.shape == (8, 2)
    assert (fits.r2[:2] > fits.null_r2[:2].max(axis=1) + 0.4).all()
    spread = fits.null_r2[2:].std()
    assert abs(fits.r2[2:].mean() - fits.null_r2[2:].mean()) < 2 * spread
    again = observables.gabor_fit(both, dense(both), SHAPE, nodes=[5], shuffles=2)
    np.testing.assert_array_equal(again.null_r2[0], fits.null_r2[5])  # whatever else was asked for
    with pytest.warns(DeprecationWarning, match="has no effect"):
        seeded = observables.gabor_fit(both, dense(both), SHAPE, nodes=[5], shuffles=2, seed=1)
    np.testing.assert_array_equal(seeded.null_r2, again.null_r2)
    less = dense(both)
    less[0, 0] = False
    other = observables.gabor_fit(both, less, SHAPE, nodes=[5], shuffles=2)
    assert (other.null_r2 != again.null_r2).all()


def test_a_single_weight_is_a_gabor_wherever_it_lies():
    """So a high R² of a node with few connections says nothing: its null is as high."""
    mask = np.zeros((1, np.prod(SHAPE)), bool)
    mask[0, 100] = True
    fits = observables.gabor_fit(np.full(mask.shape, -2.0), mask, SHAPE, shuffles=2)
    assert fits.r2[0] > 0.95
    np.testing.assert_allclose(fits.null_r2, fits.r2[0], atol=0.03)


def test_dead_and_constant_nodes_have_no_fit():
    weights = np.ones((2, np.prod(SHAPE)))
    weights[0] = np.random.default_rng(0).normal(size=weights.shape[1])
    mask = dense(weights)
    mask[0] = False
    fits = observables.gabor_fit(weights, mask, SHAPE, shuffles=1)
    assert np.isnan(fits.r2).all()
    assert np.isnan(fits.null_r2).all()
    assert np.isnan(fits.amplitude).all()
    assert observables.gabor_fit(weights, mask, SHAPE, nodes=[]).amplitude.shape == (0, 3)


@pytest.mark.parametrize("channels", [1, 2])
def test_of_a_series_the_fit_has_no_angle(channels):
    weights, known = synthetic((channels, 1, 80), 4, 3)
    fits = observables.gabor_fit(weights, dense(weights), (channels, 1, 80), shuffles=2)
    assert fits.r2.min() > 0.999
    assert (fits.r2 > fits.null_r2.max(axis=1)).all()  # few pixels: shuffles reach 0.9
    assert np.isnan(fits.gamma).all()
    assert (fits.theta == 0).all()
    np.testing.assert_allclose(fits.wavelength, [entry[5] for entry in known], rtol=0.05)
    np.testing.assert_allclose(fits.image(2), weights[2], atol=0.02)


@pytest.mark.parametrize(
    ("shape", "change", "message"),
    [
        ((3, 4, 4), {}, "does not hold"),
        ((1, 24, 1), {}, r"give a series as \(C, 1, W\)"),
        ((8, 1, 3), {}, "more than 6 pixels, got 1x3"),
        ((3, 2, 4), {}, "more than 9 pixels, got 2x4"),
        ((1, 4, 6), {"shuffles": -1}, "shuffles must be 0 or more"),
        ((1, 4, 6), {"mask": np.ones((2, 25), bool)}, "weights have shape"),
        ((1, 4, 6), {"weights": np.full((2, 24), np.inf)}, "finite weights"),
    ],
)
def test_what_does_not_fit_is_refused(shape, change, message):
    asked = {"weights": np.ones((2, 24)), "mask": np.ones((2, 24), bool), "shape": shape} | change
    with pytest.raises(InputError, match=message):
        observables.gabor_fit(**asked)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_fits_to_weights_of_any_size(scale):
    weights = np.random.default_rng(1).standard_normal((1, 25))
    plain, scaled = (
        observables.gabor_fit(w, np.ones((1, 25)), (1, 5, 5), shuffles=0) for w in (weights, weights * scale)
    )
    np.testing.assert_allclose(scaled.r2, plain.r2, rtol=1e-6)
    np.testing.assert_allclose(scaled.amplitude / scale, plain.amplitude, rtol=1e-5)
