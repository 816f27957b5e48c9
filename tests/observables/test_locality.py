"""prunescope.observables.locality: run with `pytest tests/observables/test_locality.py`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables import (
    fan_out_image,
    inhomogeneous_null,
    locality,
    mirror_symmetry,
    radial_profile,
    relative_density,
    shuffle_at_fan_in,
    uniform_null,
)
from prunescope.observables.locality import same_channel_pairs
from prunescope.randomness import generator
from reference.locality import pair_counts, weighted_pairs

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7))


def random_mask(shape, n_out, density, seed):
    return np.random.default_rng(seed).random((n_out, int(np.prod(shape)))) < density


@given(SHAPES, st.integers(1, 5), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_counts_are_those_of_the_pair_loop(shape, n_out, density, seed):
    mask = random_mask(shape, n_out, density, seed)
    found = locality(mask, shape)
    same, different = pair_counts(mask, shape)
    assert found.same.dtype == found.different.dtype == np.int64
    assert np.array_equal(found.same, same)
    assert np.array_equal(found.different, different)


@pytest.mark.parametrize(("shape", "n_out"), [((3, 16, 16), 100), ((3, 32, 32), 20), ((1, 1, 200), 300)])
def test_many_nodes_of_all_densities_are_still_exact(shape, n_out):
    # More nodes than one chunk holds, of 0 to about 60 inputs, and one that is dense along a line.
    rng = generator(0, "test")
    n_in = int(np.prod(shape))
    mask = rng.random((n_out, n_in)) < rng.random((n_out, 1)) * 60 / n_in
    mask[3, : shape[2]] = True
    found = locality(mask, shape)
    same, different = pair_counts(mask, shape)
    assert np.array_equal(found.same, same)
    assert np.array_equal(found.different, different)


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 5, 9), (1, 1, 300)])
def test_a_dense_layer_is_its_own_uniform_null(shape):
    # Every pair is there: C(H-|dy|)(W-|dx|) in each node, the largest counts a layer can have.
    mask = np.ones((64, int(np.prod(shape))))
    found, null = locality(mask, shape), uniform_null(mask.sum(axis=1), shape)
    assert np.array_equal(found.same, np.rint(null.same))
    assert np.array_equal(found.different, np.rint(null.different))
    assert found.same[shape[1] - 1, shape[2]] == 64 * shape[0] * shape[1] * (shape[2] - 1)


def test_index_is_row_dy_then_column_dx():
    # Pixel (y=0, x=0) of channel 0; (1, 2) of channel 0; (0, 1) of channel 1. H = 2, W = 3.
    mask = np.zeros((1, 12), dtype=np.bool_)
    mask[0, [0, 1 * 3 + 2, 6 + 1]] = True
    found = locality(mask, (2, 2, 3))
    assert {tuple(d) for d in np.argwhere(found.same) - (1, 2)} == {(1, 2), (-1, -2)}
    assert {tuple(d) for d in np.argwhere(found.different) - (1, 2)} == {(0, 1), (0, -1), (-1, -1), (1, 1)}
    assert found.same.sum() + found.different.sum() == 3 * 2


@given(SHAPES, st.integers(1, 6), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_every_pair_is_counted_once_and_both_ways(shape, n_out, density, seed):
    mask = random_mask(shape, n_out, density, seed)
    found = locality(mask, shape)
    fan_in = mask.sum(axis=1)
    assert found.same.sum() + found.different.sum() == (fan_in * (fan_in - 1)).sum()
    assert found.same[shape[1] - 1, shape[2] - 1] == 0
    assert np.array_equal(found.same, found.same[::-1, ::-1])
    assert np.array_equal(found.different, found.different[::-1, ::-1])


@given(SHAPES, st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_the_order_of_nodes_does_not_matter_and_nodes_add_up(shape, density, seed):
    mask = random_mask(shape, 6, density, seed)
    order = np.random.default_rng(seed).permutation(6)
    whole = locality(mask, shape)
    assert np.array_equal(locality(mask[order], shape).same, whole.same)
    assert np.array_equal(locality(mask[order], shape).different, whole.different)
    single = [locality(mask, shape, nodes=[node]) for node in range(6)]
    assert np.array_equal(sum(s.same for s in single), whole.same)
    assert np.array_equal(sum(s.different for s in single), whole.different)
    chosen = np.arange(6) % 2 == 0
    assert np.array_equal(locality(mask, shape, nodes=chosen).same, locality(mask[::2], shape).same)
    assert not locality(mask, shape, nodes=[]).same.any()


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_moving_masks_within_the_image_keeps_their_pairs(dy, dx, seed):
    small = np.random.default_rng(seed).random((4, 3, 4, 5)) < 0.4
    at_corner, moved = np.zeros((2, 4, 3, 9, 10), dtype=np.bool_)
    at_corner[:, :, :4, :5] = small
    moved[:, :, dy : dy + 4, dx : dx + 5] = small
    first, second = (locality(m.reshape(4, -1), (3, 9, 10)) for m in (at_corner, moved))
    assert np.array_equal(first.same, second.same)
    assert np.array_equal(first.different, second.different)


@given(SHAPES, st.integers(0, 2**32 - 1))
def test_pairs_of_the_same_channel_alone_are_those_among_all(shape, seed):
    mask = Mask(random_mask(shape, 4, 0.4, seed))
    assert np.array_equal(same_channel_pairs(mask, shape), locality(mask, shape).same)


@given(SHAPES, st.integers(0, 2**32 - 1))
def test_transposing_the_image_transposes_the_counts(shape, seed):
    channels, height, width = shape
    images = random_mask(shape, 4, 0.4, seed).reshape(4, *shape)
    upright = locality(images.reshape(4, -1), shape)
    lying = locality(images.transpose(0, 1, 3, 2).reshape(4, -1), (channels, width, height))
    assert np.array_equal(upright.same.T, lying.same)
    assert np.array_equal(upright.different.T, lying.different)


def test_a_line_has_its_pairs_on_the_axis():
    images = np.zeros((2, 1, 7, 7), dtype=np.bool_)
    images[:, 0, 3, 1:6] = True
    found = locality(images.reshape(2, -1), (1, 7, 7)).same
    # Five pixels in a row, two nodes: 2·(5-|dx|) at dx = ±1 … ±4.
    assert found[6].tolist() == [0, 0, 2, 4, 6, 8, 0, 8, 6, 4, 2, 0, 0]
    assert found.sum() == found[6].sum()


def test_a_shape_of_another_size_is_refused():
    with pytest.raises(ValueError, match="3x5x5 does not hold 49"):
        locality(np.ones((2, 49)), (3, 5, 5))


@pytest.mark.parametrize("shape", [(3, 4, 6), (1, 5, 5), (2, 1, 9), (1, 1, 1)])
def test_uniform_null_sums_to_the_pairs(shape):
    fan_in = np.minimum([0, 1, 2, 5, 9], np.prod(shape))
    null = uniform_null(fan_in, shape)
    assert null.same.sum() + null.different.sum() == pytest.approx((fan_in * (fan_in - 1)).sum())
    assert null.same[shape[1] - 1, shape[2] - 1] == 0
    assert null.same.shape == (2 * shape[1] - 1, 2 * shape[2] - 1)


def test_uniform_null_is_the_mean_of_shuffles():
    shape, shuffles = (3, 4, 5), 400
    mask = random_mask(shape, 30, 0.3, 1)
    null = uniform_null(mask.sum(axis=1), shape)
    shuffled = [locality(shuffle_at_fan_in(mask, generator(k, "test")), shape) for k in range(shuffles)]
    for channel in ("same", "different"):
        found = np.array([getattr(s, channel) for s in shuffled])
        error = found.std(axis=0, ddof=1) / np.sqrt(shuffles)
        deviation = np.abs(found.mean(axis=0) - getattr(null, channel))
        assert (deviation <= 4.5 * error + 1e-9).all()


@given(SHAPES, st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_inhomogeneous_null_weighs_pairs_by_the_fan_outs(shape, density, seed):
    mask = random_mask(shape, 4, density, seed)
    fan_in = mask.sum(axis=1)
    pairs = (fan_in * (fan_in - 1)).sum()
    null = inhomogeneous_null(mask, shape)
    assert null.same.sum() + null.different.sum() == pytest.approx(pairs)
    same, different = weighted_pairs(fan_out_image(mask, shape), shape)
    scale = pairs / max(same.sum() + different.sum(), 1)
    assert np.allclose(null.same, same * scale)
    assert np.allclose(null.different, different * scale)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 6, 6), (2, 1, 7)])
def test_inhomogeneous_null_of_equal_fan_outs_is_the_uniform_one(shape):
    # Node k keeps the inputs k, k+1 and k+2 (mod n): each input is kept three times.
    n_in = int(np.prod(shape))
    mask = sum(np.roll(np.eye(n_in, dtype=np.int64), k, axis=1) for k in range(3))
    null, uniform = inhomogeneous_null(mask, shape), uniform_null(mask.sum(axis=1), shape)
    assert np.allclose(null.same, uniform.same)
    assert np.allclose(null.different, uniform.different)


def test_relative_density_is_one_at_chance_and_nan_where_nothing_can_be():
    shape = (1, 6, 8)
    null = uniform_null([5, 9], shape)
    g = relative_density(3 * null.same, null.same)
    assert np.isnan(g[5, 7])
    assert np.isnan(g).sum() == 1
    assert g[~np.isnan(g)] == pytest.approx(3)
    with pytest.raises(InputError, match=r"\(11, 15\).*\(3, 3\)"):
        relative_density(null.same, np.ones((3, 3)))
    with pytest.raises(InputError, match=r"\(11, 15\).*\(3, 3\)"):
        radial_profile(null.same, np.ones((3, 3)))


def test_radial_profile_is_summed_counts_over_summed_expectations():
    counts = np.arange(25.0).reshape(5, 5)
    expected = np.arange(1.0, 26).reshape(5, 5)
    profile = radial_profile(counts, expected)
    # |d| = 0; then 1 and √2; then 2 and √5; then √8.
    rings = {0: [], 1: [], 2: [], 3: []}
    for y in range(5):
        for x in range(5):
            rings[round(float(np.hypot(y - 2, x - 2)))].append((counts[y, x], expected[y, x]))
    assert [len(ring) for ring in rings.values()] == [1, 8, 12, 4]
    assert profile == pytest.approx([sum(c for c, _ in r) / sum(e for _, e in r) for r in rings.values()])
    null = uniform_null([4], (1, 3, 3))
    assert np.isnan(radial_profile(null.same, null.same)[0])
    assert radial_profile(null.same, null.same)[1:] == pytest.approx(1)


def test_mirror_symmetry_of_a_small_mask():
    # One node, 1x2x4, keeps three of eight: the outer pair of row 0 and one more. Two of six ordered pairs are mirrored;
    # of all 8·7 ordered pairs 8 are.
    mask = np.zeros((1, 2, 4), bool)
    mask[0, 0, [0, 3]] = mask[0, 1, 1] = True
    assert mirror_symmetry(mask.reshape(1, 8), (1, 2, 4)) == pytest.approx(2 / (6 * 8 / 56))
    assert np.isnan(mirror_symmetry(np.zeros((1, 8), bool), (1, 2, 4)))
    with pytest.raises(ValueError, match="1x2x3"):
        mirror_symmetry(mask.reshape(1, 8), (1, 2, 3))


@given(SHAPES, st.integers(1, 4), st.floats(0.1, 1), st.integers(0, 2**32 - 1))
def test_mirror_symmetry_is_that_of_the_pair_loop(shape, n_out, density, seed):
    mask = random_mask(shape, n_out, density, seed)
    place = np.arange(mask.shape[1]).reshape(shape)
    mirrored = place[..., ::-1].ravel()
    found = sum(
        bool(row[i] and row[mirrored[i]]) for row in mask for i in range(len(row)) if mirrored[i] != i
    )
    share = np.count_nonzero(mirrored != place.ravel()) / max(1, place.size * (place.size - 1))
    expected = share * sum(row.sum() * (row.sum() - 1.0) for row in mask)
    if expected == 0:
        assert np.isnan(mirror_symmetry(mask, shape))
    else:
        assert mirror_symmetry(mask, shape) == pytest.approx(found / expected)


@pytest.mark.parametrize("width", [8, 9])
def test_mirror_symmetry_tells_symmetric_masks_from_random_ones(width):
    half = generator(width, "test").random((2000, 2, 6, width)) < 0.1
    assert mirror_symmetry(half.reshape(2000, -1), (2, 6, width)) == pytest.approx(1, abs=0.1)
    both = half | half[..., ::-1]
    assert mirror_symmetry(both.reshape(2000, -1), (2, 6, width)) > 4
