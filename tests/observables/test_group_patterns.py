"""prunescope.observables.group_patterns: run with `pytest tests/observables/test_group_patterns.py`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.mask import Mask
from prunescope.observables.group_patterns import PATTERNS, groups, pattern_scalars, pattern_share
from prunescope.randomness import generator
from reference.small_masks import blocky, grouped, masks_with_fan_in
from shuffled_nulls import check_against_shuffles

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 20)))


def slow_share(mask, kept, length, exactly=False):
    counts = [
        row[start : start + length].sum()
        for row in mask
        for start in range(0, len(row) // length * length, length)
    ]
    return np.mean([count == kept if exactly else count <= kept for count in counts]) if counts else np.nan


@settings(max_examples=25)
@given(MASKS)
def test_shares_are_those_of_slow_counts(mask):
    for kept, length in PATTERNS:
        for exactly in (False, True):
            along = pattern_share(mask, kept, length, exactly=exactly).value
            np.testing.assert_equal(along, slow_share(mask, kept, length, exactly))
            across = pattern_share(mask, kept, length, "outputs", exactly=exactly).value
            np.testing.assert_equal(across, slow_share(mask.T, kept, length, exactly))


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


@pytest.mark.parametrize("density", [0.06, 0.5, 0.93])
def test_moments_of_shuffled_masks(density):
    measures = (
        lambda one: pattern_share(one, 2, 4),
        lambda one: pattern_share(one, 4, 8, exactly=True),
    )
    check_against_shuffles(measures, density)


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
