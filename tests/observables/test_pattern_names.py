"""prunescope.observables.pattern_names: run with `pytest tests/observables/test_pattern_names.py`."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.observables.blocks import block_share
from prunescope.observables.group_patterns import pattern_share
from prunescope.observables.pattern_names import satisfied_patterns
from prunescope.randomness import generator
from reference.small_masks import blocky, grouped

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 20)))


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
