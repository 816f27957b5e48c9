"""Preactivations measured on a torch device: run with `pytest tests/runs/test_layer_inputs.py`."""

import numpy as np
import pytest
import torch

from prunescope.mask import Mask
from prunescope.observables.kurtosis import JointMoments, excess_kurtosis, random_keys
from prunescope.observables.scattered import scattered
from prunescope.runs import layer_inputs
from prunescope.runs.layer_inputs import DeviceInputs, LayerInputs, Shuffled

CPU = torch.device("cpu")


def problem():
    rng = np.random.default_rng(0)
    inputs = (rng.standard_normal((90, 40)) ** 3 + 0.5).astype(np.float32)
    masked = rng.standard_normal((12, 40)).astype(np.float32) * (rng.random((12, 40)) < 0.3)
    return masked.astype(np.float32), inputs


def test_kurtosis_is_that_of_the_host_and_of_float64():
    masked, inputs = problem()
    masked[3] = 0
    found = DeviceInputs(inputs, CPU).kurtosis(masked)
    assert (found.dtype, found.shape) == (np.float64, (12,))
    np.testing.assert_allclose(found, LayerInputs(inputs).kurtosis(masked), rtol=1e-4, atol=1e-5)
    exact = excess_kurtosis(inputs.astype(np.float64) @ masked.T.astype(np.float64))
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-5)
    assert np.isnan(found[3])
    assert np.isfinite(np.delete(found, 3)).all()


def test_scattered_weights_have_the_kurtosis_of_dense_ones():
    masked, inputs = problem()
    moved = scattered(masked[masked != 0], Mask(masked != 0), np.random.default_rng(1))
    for place in (DeviceInputs(inputs, CPU), LayerInputs(inputs)):
        np.testing.assert_allclose(place.kurtosis(moved), place.kurtosis(moved.dense()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("at_once", [40, 200, 1 << 22])
def test_shuffled_weights_are_sorted_on_the_device_as_on_the_host(monkeypatch, at_once):
    monkeypatch.setattr(layer_inputs, "SORTED", at_once)
    masked, inputs = problem()
    masked[1, :4] = [-0.0, 0.0, -3e-30, 2e30]
    place = DeviceInputs(inputs, CPU)
    for seed in range(3):
        shuffled = Shuffled(masked, random_keys(masked.shape, np.random.default_rng(seed)))
        assert place._weights(shuffled).numpy().tobytes() == shuffled.dense().tobytes()
        found, wanted = place.kurtosis(shuffled), LayerInputs(inputs).kurtosis(shuffled)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    other = Shuffled(masked[::-1].copy(), shuffled.keys)
    assert place._weights(other).numpy().tobytes() == other.dense().tobytes()


def test_a_node_without_spread_or_with_nan_has_no_kurtosis():
    masked, inputs = problem()
    inputs[:, 0] = 7.0
    masked[2] = 0
    masked[2, 0] = 1e3  # a constant input
    masked[5, 4] = np.nan
    found = DeviceInputs(inputs, CPU).kurtosis(masked)
    assert np.flatnonzero(np.isnan(found)).tolist() == [2, 5]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(LayerInputs(inputs).kurtosis(masked)))


@pytest.mark.parametrize("block", [17, 500])
def test_joint_moments_are_those_of_the_host(monkeypatch, block):
    monkeypatch.setattr(layer_inputs, "BLOCK", block)
    masked, inputs = problem()
    v = masked[:5].astype(np.float64)
    found, wanted = (one.joint_moments(v) for one in (DeviceInputs(inputs, CPU), LayerInputs(inputs)))
    for field in JointMoments.__dataclass_fields__:
        np.testing.assert_allclose(getattr(found, field), getattr(wanted, field), rtol=1e-9, atol=1e-12)
