"""prunescope.observables.kernels: run with `pytest tests/observables/test_kernels.py`."""

from itertools import combinations, product

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.observables.kernels import Kernels, kernel_scalars
from prunescope.randomness import generator


def every_mask(fan_in, channels, kernel):
    """Yield every mask [filters, channels, *kernel] whose filters have these numbers of weights."""
    size = channels * int(np.prod(kernel))
    ways = [list(combinations(range(size), kept)) for kept in fan_in]
    for places in product(*ways):
        mask = np.zeros((len(fan_in), size), bool)
        for row, one in zip(mask, places, strict=True):
            row[list(one)] = True
        yield mask.reshape(len(fan_in), channels, *kernel)


def slow_values(mask, groups=1):
    """Return the unnormalised scalars by loops over filters and channels."""
    filters, channels = mask.shape[:2]
    reached = [[bool(mask[j, c].any()) for c in range(channels)] for j in range(filters)]
    counts = np.array([mask[:, :, *place].sum() for place in np.ndindex(mask.shape[2:])])
    fan_out = np.array(
        [
            [
                sum(reached[j][c] for j in range(filters) if j * groups // filters == g)
                for c in range(channels)
            ]
            for g in range(groups)
        ]
    )
    return {
        "kernel_position_ratio": np.square(counts - counts.mean()).sum(),
        "kernel_centre": counts[len(counts) // 2] * len(counts) / mask.sum(),
        "dead_kernels": 1 - np.mean(reached),
        "channel_fan_out_ratio": np.square(fan_out - fan_out.mean(axis=1, keepdims=True)).sum(),
        "dead_channels": (fan_out == 0).mean(),
    }


@pytest.mark.parametrize("groups", [1, 2])
def test_values_means_and_sds_are_those_of_all_masks(groups):
    masks = list(every_mask((1, 2, 1, 1), 2, (1, 3)))[::7]
    every = [slow_values(mask, groups) for mask in every_mask((1, 2, 1, 1), 2, (1, 3))]
    for mask in masks[::90]:
        found, slow = kernel_scalars(Kernels(mask, groups)), slow_values(mask, groups)
        for name, value in slow.items():
            null = np.array([one[name] for one in every])
            scale = null.mean() if name.endswith("ratio") else 1.0
            assert found[name].value == pytest.approx(value / scale), name
            assert found[name].null_mean == pytest.approx(null.mean() / scale), name
            least = {"dead_kernels": 1 / 8, "dead_channels": 1 / (2 * groups)}.get(name, 0)
            assert found[name].null_sd == pytest.approx(max(null.std() / scale, least)), name


def test_channel_fan_in_is_held_against_all_masks():
    def slow(mask, mean):
        return float(sum((one.any(axis=(1, 2)).sum() - m) ** 2 for one, m in zip(mask, mean, strict=True)))

    masks = list(every_mask((2, 3), 3, (1, 2)))
    reached = np.array([[one.any(axis=(1, 2)).sum() for one in mask] for mask in masks])
    mean, variance = reached.mean(axis=0), reached.var(axis=0).sum()
    null = np.array([slow(mask, mean) for mask in masks]) / variance
    found = kernel_scalars(Kernels(masks[11]))["channel_fan_in_ratio"]
    assert found.value == pytest.approx(null[11])
    assert null.mean() == pytest.approx(1.0)
    assert found.null_sd == pytest.approx(null.std())


@pytest.mark.parametrize(
    ("shape", "groups"), [((64, 3, 7, 7), 1), ((64, 32, 3, 3), 1), ((48, 1, 3, 3), 48), ((64, 8, 5), 4), ((16, 8, 3, 3, 3), 1)]
)  # fmt: skip
def test_random_masks_lie_near_their_null(shape, groups):
    for seed in range(3):
        rng = generator(seed, "test")
        share = rng.uniform(0.05, 0.4, (shape[0],) + (1,) * (len(shape) - 1))
        for scalar in kernel_scalars(Kernels(rng.random(shape) < share, groups)).values():
            assert not abs(scalar.z) > 4


def test_planted_structure_is_found():
    mask = generator(0, "test").random((64, 32, 3, 3)) < 0.2
    dead = mask.copy()
    dead[:, ::2][generator(1, "test").random((64, 16)) < 0.3] = False
    assert kernel_scalars(Kernels(dead))["dead_kernels"].z > 10
    centre = mask.copy()
    centre[:, :, 1, 1] |= generator(2, "test").random((64, 32)) < 0.2
    found = kernel_scalars(Kernels(centre))
    assert found["kernel_centre"].z > 10
    assert found["kernel_position_ratio"].z > 10
    channels = mask.copy()
    channels[:, 3] = channels[:, 9] = False
    found = kernel_scalars(Kernels(channels))
    assert found["dead_channels"].value == 2 / 32
    assert found["dead_channels"].z == pytest.approx(2.0)  # chance leaves none: two channels are two sds
    assert found["channel_fan_out_ratio"].z > 10


def test_order_of_filters_and_channels_does_not_matter():
    rng = generator(3, "test")
    mask = rng.random((16, 8, 3, 3)) < 0.15
    one = kernel_scalars(Kernels(mask))
    other = kernel_scalars(Kernels(mask[rng.permutation(16)][:, rng.permutation(8)]))
    for name in one:
        assert other[name].value == pytest.approx(one[name].value)
        assert other[name].null_sd == pytest.approx(one[name].null_sd)


def test_a_dense_convolution_and_a_pointwise_one():
    dense = kernel_scalars(Kernels(np.ones((4, 3, 3, 3), bool)))
    assert dense["dead_kernels"].value == dense["dead_channels"].value == 0.0
    assert np.isnan(dense["kernel_position_ratio"].value)
    assert dense["kernel_centre"].value == 1.0
    assert kernel_scalars(Kernels(np.ones((4, 3, 1, 1), bool))) == {}


def test_masks_that_are_no_convolutions_are_refused():
    with pytest.raises(InputError, match="3 axes or more"):
        Kernels(np.ones((4, 3), bool))
    with pytest.raises(InputError, match="4 filters cannot be shared by 3 groups"):
        Kernels(np.ones((4, 3, 3, 3), bool), 3)
