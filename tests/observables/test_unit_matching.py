"""Units of two masks matched to each other: run with `pytest tests/observables/test_unit_matching.py`."""

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables import unit_matching
from prunescope.observables.fixed_margins import draws_at_margins
from prunescope.observables.overlap import overlap
from prunescope.observables.unit_matching import LayerPair, carried, match_units, overlap_layers
from prunescope.randomness import generator
from reference.overlaps import most_shared, ragged, shared


def permutation(size, seed=0):
    return generator(seed, "permutation").permutation(size)


def reordered(mask, units=None, inputs=None):
    """A mask whose unit units[j] is unit j of this one, and likewise its inputs."""
    array = mask.array
    if units is not None:
        array = array[np.argsort(units)]
    if inputs is not None:
        array = array[:, np.argsort(inputs)]
    return Mask(array)


def test_the_matching_shares_the_most_of_all_matchings():
    for seed in range(6):
        a, b = ragged(6, 9, 0.3, seed=seed), ragged(6, 9, 0.4, seed=seed + 10)
        found = match_units(a, b, draws=0)
        assert found.shared == most_shared(a.array, b.array) == shared(a.array, b.array[found.order])
        assert found.share.value == found.shared / min(a.kept, b.kept)
        assert found.share.shuffles is None


@pytest.mark.parametrize("tile", [1 << 24, 50])
def test_shared_weights_of_all_pairs_of_units(tile, monkeypatch):
    monkeypatch.setattr(unit_matching, "TILE", tile)
    a, b, inputs = ragged(12, 60, 0.4, seed=1), ragged(12, 60, 0.3, seed=2), permutation(60)
    found = unit_matching.shared_by_units(a, b, inputs)
    for j, k in np.ndindex(12, 12):
        assert found[j, k] == sum(a.array[j, i] and b.array[k, inputs[i]] for i in range(60))


def test_a_planted_permutation_is_recovered():
    mask, order = ragged(40, 90, 0.3), permutation(40)
    planted = reordered(mask, order)
    found = match_units(mask, planted)
    assert np.array_equal(found.order, order)
    assert found.shared == mask.kept
    assert found.jaccard == found.share.value == 1
    assert found.share.z > 20
    assert abs(overlap(mask, planted).share.z) < 5


def test_a_permutation_is_recovered_where_half_of_the_weights_differ():
    mask, order = ragged(40, 90, 0.2), permutation(40)
    noise = next(draws_at_margins(mask, 1, "noise")).array
    mixed = np.where(generator(0, "which").random(mask.array.shape) < 0.5, mask.array, noise)
    found = match_units(mask, reordered(Mask(mixed), order))
    large = mask.fan_in >= 8
    assert (found.order == order)[large].mean() > 0.9
    assert found.share.z > 8


def test_independent_masks_are_at_the_chance_of_matching():
    scores = []
    for number in range(12):
        a, b = (next(draws_at_margins(ragged(20, 30, 0.15), 1, f"{number} {one}")) for one in "ab")
        found = match_units(a, b)
        assert found.share.shuffles == 50
        # This is why matching needs a null of its own.
        assert found.share.null_mean > 1.5 * overlap(a, b).share.null_mean
        scores.append(found.share.z)
    assert max(map(abs, scores)) < 4
    assert abs(np.mean(scores)) < 4 / np.sqrt(12)


def test_exchanging_the_masks_inverts_the_matching():
    a, b, inputs = ragged(15, 20, 0.3, seed=1), ragged(15, 20, 0.2, seed=2), permutation(20)
    one, other = match_units(a, b, inputs), match_units(b, a, np.argsort(inputs))
    assert np.array_equal(np.argsort(other.order), one.order)
    assert (one.share, one.shared, one.kept) == (other.share, other.shared, other.kept[::-1])


def test_equal_masks_match_in_place_with_units_that_are_alike():
    mask = Mask(np.repeat([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 1]], 4, axis=0))
    assert match_units(mask, mask, draws=0).order.tolist() == list(range(12))


def test_the_null_of_equal_masks_does_not_draw_the_same_masks():
    mask = ragged(20, 40, 0.2)
    assert match_units(mask, mask).share.null_mean < 0.8


def test_large_layers_are_measured_on_some_of_their_units(monkeypatch):
    monkeypatch.setattr(unit_matching, "MOST_SAMPLED", 10)
    a, b = ragged(30, 40, 0.2, seed=1), ragged(30, 40, 0.2, seed=2)
    found = match_units(a, b)
    assert found.sampled == 10
    rows = np.round(np.linspace(0, 29, 10)).astype(int)
    alone = match_units(Mask(a.array[rows]), Mask(b.array[rows]))
    assert found.share.value == alone.share.value
    assert abs(found.share.z) < 4
    assert found.shared == shared(a.array, b.array[found.order])
    assert match_units(a, a).share.value == 1


def test_few_units_are_sampled_where_they_keep_many_weights(monkeypatch):
    monkeypatch.setattr(unit_matching, "MOST_KEPT", 100)
    a, b = ragged(30, 40, 0.3, seed=1), ragged(30, 40, 0.2, seed=2)
    assert len(unit_matching.sampled_units(a, b)) == 100 * 30 // a.kept


def test_layers_that_follow_each_other_are_matched_one_after_the_other():
    masks = [ragged(24, 60, 0.3), ragged(20, 24, 0.4, seed=1), ragged(5, 20, 0.6, seed=2)]
    orders = [permutation(24), permutation(20, 1), None]
    inputs = [None, *orders[:2]]
    others = [reordered(*each) for each in zip(masks, orders, inputs, strict=True)]
    pairs = [
        LayerPair(a, b, follows=number > 0, matched=number < 2)
        for number, (a, b) in enumerate(zip(masks, others, strict=True))
    ]
    found = list(overlap_layers(pairs))
    assert [match.shared for _, match in found] == [mask.kept for mask in masks]
    assert np.array_equal(found[0][1].order, orders[0])
    assert np.array_equal(found[1][1].order, orders[1])
    assert found[2][1].order.tolist() == [0, 1, 2, 3, 4]  # output units stay
    assert found[2][1].share.shuffles == 0
    assert all(plain.shared < mask.kept for (plain, _), mask in zip(found, masks, strict=True))
    assert [match for _, match in overlap_layers(pairs, match=False)] == [None] * 3


def test_a_channel_stands_for_several_inputs():
    masks = [ragged(12, 18, 0.4), ragged(6, 12 * 9, 0.3, seed=1)]
    order = permutation(12)
    images = masks[1].array.reshape(6, 12, 9)[:, np.argsort(order)]
    pairs = [
        LayerPair(masks[0], reordered(masks[0], order)),
        LayerPair(masks[1], Mask(images.reshape(6, -1)), follows=True),
    ]
    assert [match.shared for _, match in overlap_layers(pairs, draws=0)] == [mask.kept for mask in masks]
    with pytest.raises(InputError, match="10 inputs are no whole number for each of 12 units"):
        carried(order, 10)


def test_layers_that_cannot_be_matched_are_compared_as_they_are(monkeypatch):
    a, b = ragged(12, 10, 0.4), ragged(12, 10, 0.4, seed=1)
    monkeypatch.setattr(unit_matching, "MOST_UNITS", 11)
    with pytest.raises(InputError, match="12 units are more than the 11"):
        match_units(a, b)
    after = LayerPair(ragged(4, 12, 0.3), ragged(4, 12, 0.3, seed=1), follows=True, matched=False)
    assert [match for _, match in overlap_layers([LayerPair(a, b), after])] == [None, None]


def test_masks_without_weights_have_no_share():
    empty = Mask(np.zeros((3, 4)))
    found = match_units(empty, ragged(3, 4, 0.5))
    assert found.shared == 0
    assert np.isnan(found.share.value)
