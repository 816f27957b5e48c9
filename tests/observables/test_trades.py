"""prunescope.observables.trades: run with `pytest tests/observables/test_trades.py`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.observables.bipartite import bipartite_clustering
from prunescope.observables.trades import FIRST_TRADES, KeptPlaces, same_margins, trade
from prunescope.randomness import generator
from reference.small_masks import clustered, masks_with_margins

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 7)))


@settings(max_examples=40)
@given(MASKS, st.integers(0, 5))
def test_trades_keep_margins(mask, seed):
    rng, kept = generator(seed, "test"), KeptPlaces.of(mask)
    np.testing.assert_array_equal(kept.array, mask)
    for one in [trade(kept, rng), *same_margins(kept, rng, 3)]:
        assert one.array.sum() == len(one.rows) == mask.sum()
        np.testing.assert_array_equal(one.array.sum(axis=0), mask.sum(axis=0))
        np.testing.assert_array_equal(one.array.sum(axis=1), mask.sum(axis=1))


@pytest.mark.parametrize(
    ("fan_in", "fan_out"),
    [([2, 1, 1], [1, 2, 1]), ([2, 2, 1, 3], [3, 2, 2, 1]), ([1, 2, 1, 2, 2], [4, 3, 1])],
)
def test_all_masks_of_the_margins_are_equally_likely(fan_in, fan_out):
    every = masks_with_margins(fan_in, fan_out)
    rng, counts = generator(1, "test"), dict.fromkeys((mask.tobytes() for mask in every), 0)
    draws = 60 * len(every)
    for _ in range(draws // 6):
        for one in same_margins(KeptPlaces.of(every[0]), rng, 6):
            counts[one.array.tobytes()] += 1
    assert len(every) > 3
    # Draws of one call depend a little on each other: chi square, with twice its sd of a multinomial.
    square = sum((count - 60) ** 2 / 60 for count in counts.values())
    assert square < len(every) - 1 + 8 * np.sqrt(2 * len(every))


def test_the_first_trades_forget_clusters():
    mask = KeptPlaces.of(clustered(60, 80, 0.5, 0.05))
    short = [
        bipartite_clustering(one) for k in range(20) for one in same_margins(mask, generator(k, "test"), 1)
    ]
    rng, current, long = generator(99, "test"), mask, []
    for step in range(10 * FIRST_TRADES + 60):
        current = trade(current, rng)
        if step >= 10 * FIRST_TRADES and step % 3 == 0:
            long.append(bipartite_clustering(current))
    assert bipartite_clustering(mask) > 1.3 * np.mean(long)
    spread = np.std(long) * np.sqrt(1 / len(long) + 1 / len(short))
    assert abs(np.mean(short) - np.mean(long)) < 4.5 * spread
