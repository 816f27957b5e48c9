"""prunescope.observables.group_patterns: run with `pytest tests/observables/test_group_patterns.py`."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.mask import Mask
from prunescope.observables import shuffle_at_fan_in
from prunescope.observables.group_patterns import (
    BLOCKS,
    PATTERNS,
    block_null,
    block_share,
    groups,
    pattern_scalars,
    pattern_share,
    satisfied_patterns,
)
from prunescope.randomness import generator
from reference.small_masks import masks_with_fan_in

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 20)))


def slow_share(mask, kept, length, exactly=False):
    counts = [
        row[start : start + length].sum()
        for row in mask
        for start in range(0, len(row) // length * length, length)
    ]
    return np.mean([count == kept if exactly else count <= kept for count in counts]) if counts else np.nan


def slow_blocks(mask, height, width):
    sums = [
        mask[y : y + height, x : x + width].sum()
        for y in range(0, len(mask) // height * height, height)
        for x in range(0, mask.shape[1] // width * width, width)
    ]
    return np.mean([one in (0, height * width) for one in sums]) if sums else np.nan


def grouped(n_out, n_in, kept, length, seed=0):
    """A random mask in which each group of ``length`` inputs keeps exactly ``kept``."""
    order = np.argsort(generator(seed, "test").random((n_out, n_in // length, length)), axis=2)
    return (order < kept).reshape(n_out, n_in)


def blocky(n_out, n_in, height, width, density=0.4, seed=0):
    blocks = generator(seed, "test").random((n_out // height, n_in // width)) < density
    return np.kron(blocks, np.ones((height, width), bool))


@settings(max_examples=60)
@given(MASKS)
def test_shares_are_those_of_slow_counts(mask):
    for kept, length in PATTERNS:
        for exactly in (False, True):
            along = pattern_share(mask, kept, length, exactly=exactly).value
            np.testing.assert_equal(along, slow_share(mask, kept, length, exactly))
            across = pattern_share(mask, kept, length, "outputs", exactly=exactly).value
            np.testing.assert_equal(across, slow_share(mask.T, kept, length, exactly))
    for height, width in [(1, 4), (4, 1), (2, 3), (4, 4)]:
        np.testing.assert_equal(block_share(mask, height, width).value, slow_blocks(mask, height, width))


@pytest.mark.parametrize("size", [1 << 9, 1 << 30])
def test_large_masks_are_counted_in_parts(monkeypatch, size):
    monkeypatch.setattr("prunescope.observables.group_patterns.COUNTED_AT_ONCE", size)
    mask = generator(1, "test").random((70, 130)) < 0.5
    mask[:32, 32:64] = True
    for height, width in BLOCKS:
        assert block_share(mask, height, width).value == slow_blocks(mask, height, width)
    assert pattern_share(mask, 2, 4, "outputs").value == slow_share(mask.T, 2, 4)


@pytest.mark.parametrize(
    ("fan_in", "n_in", "kept", "length"),
    [
        ([3, 2], 6, 1, 2),
        ([3, 2], 7, 1, 2),
        ([4, 1], 8, 2, 4),
        ([0, 3, 5], 5, 1, 2),
        ([2, 4], 6, 1, 3),
        ([2], 5, 2, 4),
    ],
)
@pytest.mark.parametrize("exactly", [False, True])
def test_moments_of_group_shares_over_all_masks_of_the_fan_ins(fan_in, n_in, kept, length, exactly):
    masks = list(masks_with_fan_in(fan_in, n_in))
    values = [slow_share(mask, kept, length, exactly) for mask in masks]
    number = np.arange(length + 1)
    found = groups(Mask(masks[0]), length, "inputs").null(number == kept if exactly else number <= kept)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.sd == pytest.approx(np.std(values), abs=1e-9)
    scalar = pattern_share(masks[0], kept, length, exactly=exactly)
    assert scalar == pattern_share(masks[0].T, kept, length, "outputs", exactly=exactly)
    assert (scalar.null_mean, scalar.shuffles) == (found.mean, 0)


@pytest.mark.parametrize(
    ("fan_in", "n_in", "block"),
    [
        ([2, 3, 1], 6, (2, 2)),  # one band, a row left over
        ([2, 2, 2, 1], 4, (2, 2)),
        ([2, 3], 7, (1, 3)),  # an input left over
        ([0, 3, 4, 2], 5, (2, 2)),
        ([3, 1, 2], 4, (3, 1)),
        ([3, 4], 5, (2, 4)),  # one block of a band
        ([1, 1], 4, (1, 2)),
    ],
)
def test_moments_of_block_shares_over_all_masks_of_the_fan_ins(fan_in, n_in, block):
    masks = list(masks_with_fan_in(fan_in, n_in))
    values = [slow_blocks(mask, *block) for mask in masks]
    found = block_null(np.array(fan_in), n_in, *block)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.sd == pytest.approx(np.std(values), abs=1e-9)
    scalar = block_share(masks[0], *block)
    assert (scalar.null_mean, scalar.shuffles) == (found.mean, 0)


@pytest.mark.parametrize("density", [0.06, 0.5, 0.93])
def test_moments_of_shuffled_masks(density):
    rng = generator(2, "test")
    mask = Mask(rng.random((45, 61)) < density * rng.uniform(0.6, 1.07, 45)[:, np.newaxis])
    nulls = [shuffle_at_fan_in(mask, generator(k, "test")) for k in range(300)]
    for measure in (
        lambda one: pattern_share(one, 2, 4),
        lambda one: pattern_share(one, 4, 8, exactly=True),
        lambda one: block_share(one, 4, 4),
        lambda one: block_share(one, 8, 2),
    ):
        found, values = measure(mask), [measure(one).value for one in nulls]
        assert abs(np.mean(values) - found.null_mean) < 4.5 * found.null_sd / np.sqrt(len(nulls))
        if 0.02 < found.null_mean < 0.98:
            assert np.std(values) == pytest.approx(found.null_sd, rel=0.18)


def test_the_sd_of_what_has_no_float64():
    # A band's first block is all kept, and its second all pruned, with the probability p = 1/C(64, 32)^32, or the other
    # way round. The share of two bands has the variance 2p/2.
    found = block_null(np.full(64, 32), 64, 32, 32)
    assert found.mean == 0
    assert np.log(found.sd) == pytest.approx(-16 * np.log(float(comb(64, 32))), rel=1e-9)


@pytest.mark.parametrize(
    ("kept", "length", "name"), [(2, 4, "2:4"), (1, 4, "1:4"), (4, 8, "4:8"), (1, 2, "1:2")]
)
def test_planted_patterns_are_found_and_named(kept, length, name):
    mask = grouped(64, 96, kept, length)
    found = pattern_share(mask, kept, length)
    assert (found.value, found.z > 20) == (1, True)
    assert pattern_share(mask, kept, length, exactly=True).value == 1
    assert satisfied_patterns(mask) == (f"{name} along inputs",)
    assert satisfied_patterns(mask.T) == (f"{name} along outputs",)
    # Which groups keep fewer, the name does not say.
    sparser = mask & (generator(3, "test").random(mask.shape) < 0.9)
    assert satisfied_patterns(sparser) == (f"{name} along inputs",)
    mask[3, :length] = True
    assert satisfied_patterns(mask) == ()
    assert pattern_share(mask, kept, length).value == 1 - 1 / (64 * 96 / length)


@pytest.mark.parametrize(("height", "width"), [(1, 4), (4, 1), (4, 4), (8, 8), (16, 16), (32, 32)])
def test_planted_blocks_are_found_and_named(height, width):
    mask = blocky(128, 256, height, width)
    found = block_share(mask, height, width)
    assert (found.value, found.z > 0.8 * min(30, 128 * 256 / (height * width))) == (1, True)
    assert satisfied_patterns(mask) == (f"blocks {height}x{width}",)


def test_what_chance_would_keep_has_no_name():
    rng = generator(4, "test")
    assert satisfied_patterns(rng.random((64, 64)) < 0.5) == ()
    assert satisfied_patterns(rng.random((64, 64)) < 0.004) == ()
    assert satisfied_patterns(np.ones((64, 64))) == ()
    assert satisfied_patterns(np.zeros((64, 64))) == ()
    assert satisfied_patterns([[1, 0, 1, 0]]) == ()
    # Whole units and whole inputs that are pruned are no pattern, though each is one of blocks and of some N:M.
    lines = rng.random((64, 1)) < 0.5
    for mask in (np.repeat(lines, 64, axis=1), np.repeat(np.arange(64)[:, np.newaxis] % 2 == 0, 64, axis=1)):
        assert satisfied_patterns(mask) == satisfied_patterns(mask.T) == ()


def test_order_of_rows_plays_no_part_along_inputs():
    mask = blocky(24, 32, 2, 4) & grouped(24, 32, 3, 4)
    order = generator(5, "test").permutation(24)
    found, moved = pattern_scalars(mask), pattern_scalars(mask[order])
    for name in found:
        if name.endswith("_inputs") or name == "blocks_1x4":
            assert moved[name].value == found[name].value
            assert moved[name].null_sd == pytest.approx(found[name].null_sd)
    assert moved["at_most_2_of_4_outputs"].value != found["at_most_2_of_4_outputs"].value


def test_a_mask_smaller_than_a_group_has_no_share():
    found = pattern_scalars([[1, 0, 1]])
    assert found["at_most_1_of_2_inputs"].value == 1
    assert np.isnan(found["at_most_1_of_4_inputs"].value)
    assert np.isnan(found["blocks_4x4"].value)
    assert found["blocks_4x4"].shuffles is None
