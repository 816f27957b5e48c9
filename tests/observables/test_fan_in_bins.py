"""prunescope.observables.fan_in_bins: run with `pytest tests/observables/test_bins.py`."""

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.observables import locality, locality_by_fan_in

SHAPE = (1, 5, 6)


def mask_with(*fan_ins):
    """Node j keeps its first fan_ins[j] inputs."""
    return np.arange(30) < np.array(fan_ins)[:, np.newaxis]


def test_bins_start_at_the_smallest_fan_in_and_the_last_covers_the_rest():
    found = locality_by_fan_in(mask_with(3, 12, 4, 5, 29, 0, 7), SHAPE, 2, bins=3)
    assert [(b.low, b.high, b.nodes) for b in found] == [(3, 4, 2), (5, 6, 1), (7, 29, 3)]


def test_no_more_bins_than_the_range_needs_and_empty_ones_stay():
    found = locality_by_fan_in(mask_with(2, 9, 10), SHAPE, 3, bins=8)
    assert [(b.low, b.high, b.nodes) for b in found] == [(2, 4, 1), (5, 7, 0), (8, 10, 2)]
    assert not found[1].locality.same.any()


def test_bins_add_up_to_the_whole():
    mask = np.random.default_rng(0).random((50, 30)) < np.linspace(0, 0.9, 50)[:, np.newaxis]
    found = locality_by_fan_in(mask, SHAPE, 4, bins=5)
    assert sum(b.nodes for b in found) == (mask.sum(axis=1) > 0).sum()
    assert np.array_equal(sum(b.locality.same for b in found), locality(mask, SHAPE).same)
    chosen = (mask.sum(axis=1) >= found[2].low) & (mask.sum(axis=1) <= found[2].high)
    assert np.array_equal(found[2].locality.same, locality(mask[chosen], SHAPE).same)


def test_an_empty_mask_has_no_bins_and_bad_arguments_are_refused():
    assert locality_by_fan_in(np.zeros((3, 30)), SHAPE, 2) == []
    with pytest.raises(ValueError, match="does not hold 30"):
        locality_by_fan_in(np.zeros((3, 30)), (3, 5, 6), 2)
    with pytest.raises(InputError, match="width must be 1 or more, got 0"):
        locality_by_fan_in(mask_with(1), SHAPE, 0)
    with pytest.raises(InputError, match="bins must be 1 or more, got 0"):
        locality_by_fan_in(mask_with(1), SHAPE, 1, bins=0)
