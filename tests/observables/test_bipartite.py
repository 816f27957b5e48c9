"""prunescope.observables.bipartite: run with `pytest tests/observables/test_bipartite.py`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.mask import Mask
from prunescope.observables import bipartite
from prunescope.observables.bipartite import SAMPLED_WEIGHTS, clustering_scalars, sample
from prunescope.observables.trades import KeptPlaces, same_margins
from prunescope.randomness import generator
from reference.small_masks import clustered


def clustering(array):
    return bipartite.bipartite_clustering(KeptPlaces.of(array))


def gap(array):
    return bipartite.spectral_gap(KeptPlaces.of(array))


MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 7)))


def slow_clustering(mask):
    """Closed share of all paths of three weights, one by one."""
    paths = closed = 0
    for row, column in np.argwhere(mask):
        for other_row in np.flatnonzero(mask[:, column]):
            for other_column in np.flatnonzero(mask[row]):
                if other_row != row and other_column != column:
                    paths += 1
                    closed += mask[other_row, other_column]
    return closed / paths if paths else np.nan


@settings(max_examples=80)
@given(MASKS)
def test_clustering_and_gap_against_slow_ones(mask):
    np.testing.assert_allclose(clustering(mask), slow_clustering(mask))
    assert clustering(mask.T) == pytest.approx(clustering(mask), nan_ok=True)
    alive = mask[mask.any(axis=1)][:, mask.any(axis=0)]
    if min(alive.shape) < 2:
        assert np.isnan(gap(mask))
    else:
        scaled = alive / np.sqrt(np.outer(alive.sum(axis=1), alive.sum(axis=0)))
        values = np.linalg.svd(scaled, compute_uv=False)
        assert values[0] == pytest.approx(1)
        assert gap(mask) == pytest.approx(1 - values[1], abs=1e-6)


@pytest.mark.parametrize("dense_from", [0, 2])
@pytest.mark.parametrize(("shape", "density"), [((40, 60), 0.05), ((50, 30), 0.2), ((25, 25), 0.7)])
def test_sparse_and_dense_products_agree_with_slow_ones(monkeypatch, dense_from, shape, density):
    monkeypatch.setattr("prunescope.observables.trades.DENSE_FROM", dense_from)
    mask = generator(6, "test").random(shape) < density
    assert clustering(mask) == pytest.approx(slow_clustering(mask))
    alive = mask[mask.any(axis=1)][:, mask.any(axis=0)]
    scaled = alive / np.sqrt(np.outer(alive.sum(axis=1), alive.sum(axis=0)))
    assert gap(mask) == pytest.approx(1 - np.linalg.svd(scaled, compute_uv=False)[1], abs=1e-4)


def test_cycles_worked_out():
    # Two units that share three inputs: 3 cycles; each of 6 weights is the middle of 1 · 2 paths.
    assert clustering(np.ones((2, 3), bool)) == 1
    # A path of three weights that nothing closes, and a cycle.
    assert clustering(np.array([[1, 1], [0, 1]], bool)) == 0
    assert clustering(np.array([[1, 1, 0], [1, 1, 1]], bool)) == pytest.approx(4 / 6)
    assert gap(np.eye(3, dtype=bool)) == pytest.approx(0, abs=1e-6)


def test_clusters_are_found_where_margins_show_nothing():
    mask = clustered(80, 120, 0.25, 0.05)
    found = clustering_scalars(mask)
    assert found["bipartite_clustering"].z > 10
    assert found["spectral_gap"].z < -7
    assert found["bipartite_clustering"].shuffles == 50
    for one in same_margins(KeptPlaces.of(mask), generator(2, "test"), 1):
        assert all(abs(scalar.z) < 4 for scalar in clustering_scalars(one.array).values())


@pytest.mark.parametrize("spread", [0.0, 0.8])
def test_masks_that_are_random_but_for_their_margins_are_not_clustered(spread):
    rng = generator(3, "test")
    shares = np.outer(rng.lognormal(0, spread, 70), rng.lognormal(0, spread, 90))
    mask = rng.random((70, 90)) < 0.1 * shares / (1 + 0.1 * shares)
    assert all(abs(scalar.z) < 4 for scalar in clustering_scalars(mask).values())


def test_large_masks_are_sampled_and_small_ones_measured_whole():
    small = clustered(50, 60, 0.3, 0.1)
    np.testing.assert_array_equal(sample(Mask(small)), small)
    small[7] = small[:, 11] = False
    small[7, 3] = small[8, 11] = True  # a unit and an input with one weight
    alive = np.delete(np.delete(small, 7, axis=0), 11, axis=1)
    np.testing.assert_array_equal(sample(Mask(small)), alive)
    large = Mask(generator(4, "test").random((300, 1500)) < 0.1)
    part = sample(large)
    share = np.sqrt(SAMPLED_WEIGHTS / large.kept)
    assert part.shape == (np.ceil(share * 300), np.ceil(share * 1500))
    assert part.sum() == pytest.approx(SAMPLED_WEIGHTS, rel=0.1)
    np.testing.assert_array_equal(part, sample(Mask(large.array)))


def test_the_sample_is_part_of_the_mask():
    # Seven kinds of rows and of columns, of which a sample has the same parts.
    mask = np.add.outer(np.arange(200), 3 * np.arange(300)) % 7 < 2
    part = sample(Mask(mask))
    assert part.shape[0] < 200
    assert len(np.unique(part, axis=0)) == len(np.unique(part, axis=1).T) == 7


def test_clusters_of_a_sample_are_found():
    found = clustering_scalars(clustered(400, 1300, 0.07, 0.01))
    assert found["bipartite_clustering"].z > 10


def test_order_plays_no_part_in_small_masks():
    mask = clustered(30, 40, 0.3, 0.1)
    rng = generator(5, "test")
    moved = mask[rng.permutation(30)][:, rng.permutation(40)]
    one, other = clustering_scalars(mask), clustering_scalars(moved)
    assert one == clustering_scalars(Mask(mask))
    for name in one:
        assert other[name].value == pytest.approx(one[name].value, abs=1e-6)
        assert abs(other[name].null_mean - one[name].null_mean) < one[name].null_sd


def test_what_is_in_no_cycle_is_left_out_one_after_the_other():
    # A cycle of four weights, with a path of three more at one of its units.
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = mask[1, 2] = mask[2, 2] = mask[2, 3] = True
    np.testing.assert_array_equal(sample(Mask(mask)), np.ones((2, 2), bool))
    assert sample(Mask(np.eye(5))).size == 0


def test_a_gap_has_no_null_where_random_masks_fall_apart():
    found = clustering_scalars(
        np.kron(np.eye(6), np.ones((2, 2)))
    )  # random ones are cycles of 4, 6, … weights
    assert (found["spectral_gap"].value, found["spectral_gap"].shuffles) == (0, None)
    assert found["bipartite_clustering"].value == 1
    # A mask in two parts, which no random one of its margins is.
    found = clustering_scalars(np.kron(np.eye(2), np.ones((12, 12))))
    assert found["spectral_gap"].value == 0
    assert found["spectral_gap"].z < -5


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (4, 6)])
@pytest.mark.parametrize("value", [0, 1])
def test_masks_without_a_choice_have_no_z(shape, value):
    found = clustering_scalars(np.full(shape, value))
    assert all(np.isnan(scalar.z) for scalar in found.values())
