"""prunescope.observables.blocks: run with `pytest tests/observables/test_blocks.py`."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.observables.blocks import BLOCKS, block_histogram, block_null, block_share
from prunescope.randomness import generator
from reference.small_masks import masks_with_fan_in
from shuffled_nulls import check_against_shuffles

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 20)))


def slow_blocks(mask, height, width):
    sums = [
        mask[y : y + height, x : x + width].sum()
        for y in range(0, len(mask) // height * height, height)
        for x in range(0, mask.shape[1] // width * width, width)
    ]
    return np.mean([one in (0, height * width) for one in sums]) if sums else np.nan


@settings(max_examples=25)
@given(MASKS)
def test_shares_are_those_of_slow_counts(mask):
    for height, width in [(1, 4), (4, 1), (2, 3), (4, 4)]:
        np.testing.assert_equal(block_share(mask, height, width).value, slow_blocks(mask, height, width))


@pytest.mark.parametrize("size", [1 << 9, 1 << 30])
def test_large_masks_are_counted_in_parts(monkeypatch, size):
    monkeypatch.setattr("prunescope.observables.blocks.COUNTED_AT_ONCE", size)
    mask = generator(1, "test").random((70, 130)) < 0.5
    mask[:32, 32:64] = True
    for height, width in BLOCKS:
        assert block_share(mask, height, width).value == slow_blocks(mask, height, width)
    assert block_histogram(mask, 4, 1).tolist() == block_histogram(mask.T, 1, 4).tolist()


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
    measures = (
        lambda one: block_share(one, 4, 4),
        lambda one: block_share(one, 8, 2),
    )
    check_against_shuffles(measures, density)


def test_the_sd_of_what_has_no_float64():
    # A band's first block is all kept, and its second all pruned, with the probability p = 1/C(64, 32)^32, or the other
    # way round. The share of two bands has the variance 2p/2.
    found = block_null(np.full(64, 32), 64, 32, 32)
    assert found.mean == 0
    assert np.log(found.sd) == pytest.approx(-16 * np.log(float(comb(64, 32))), rel=1e-9)
