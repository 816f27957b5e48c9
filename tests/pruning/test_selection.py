"""prunescope.pruning.selection: run with `pytest tests/pruning/test_selection.py`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn.utils import prune as torch_prune

from prunescope.pruning.selection import select

# few distinct values, so that ties are the rule
TIED = arrays.arrays(np.float32, st.integers(1, 40), elements=st.sampled_from([0, 0.25, 0.5, 1, 2]))


@st.composite
def pools(draw):
    scores = draw(TIED)
    kept = draw(arrays.arrays(np.bool_, len(scores)))
    return scores, kept, draw(st.integers(0, len(scores) - 1))


@given(st.integers(2, 12), st.integers(2, 12), st.data())
def test_without_ties_it_is_what_torch_prunes(n_out, n_in, data):
    remove = data.draw(st.integers(1, n_out * n_in - 1))
    layer = torch.nn.Linear(n_in, n_out, bias=False)
    order = np.random.default_rng(remove).permutation(n_out * n_in) + 1
    signs = np.where(order % 2, 1, -1)
    layer.weight.data = torch.tensor((order * signs).reshape(n_out, n_in), dtype=torch.float32)
    weight = layer.weight.detach().numpy().copy()
    [found] = select([np.abs(weight)], [np.ones(weight.shape, bool)], remove)
    torch_prune.l1_unstructured(layer, "weight", amount=remove)
    np.testing.assert_array_equal(found, layer.weight_mask.bool())


@pytest.mark.parametrize("exact", [False, True])
def test_three_levels_are_torchs_three_rounds(exact):
    rng = np.random.default_rng(0)
    layer = torch.nn.Linear(31, 17, bias=False)
    kept, size = np.ones((17, 31), bool), 17 * 31
    removed = 0
    for share in (0.3, 0.51, 0.657):
        weight = rng.standard_normal((17, 31)).astype(np.float32)
        more = int(share * size) - removed
        removed += more
        getattr(layer, "weight_orig", layer.weight).data = torch.tensor(weight)
        layer(torch.zeros(1, 31))  # torch scores the weight its last forward pass used
        torch_prune.l1_unstructured(layer, "weight", amount=more)
        [kept] = select([np.abs(weight)], [kept], removed, exact=exact)
        np.testing.assert_array_equal(kept, layer.weight_mask.bool())


def test_one_pool_over_layers_is_torchs_global_pruning():
    layers = [torch.nn.Linear(7, 5), torch.nn.Linear(5, 4)]
    generator = torch.Generator().manual_seed(0)
    for layer in layers:
        layer.weight.data = torch.randn(layer.weight.shape, generator=generator)
    scores = [layer.weight.detach().abs().numpy() for layer in layers]
    found = select(scores, [np.ones(s.shape, bool) for s in scores], 30)
    torch_prune.global_unstructured(
        [(layer, "weight") for layer in layers], torch_prune.L1Unstructured, amount=30
    )
    for own, layer in zip(found, layers, strict=True):
        np.testing.assert_array_equal(own, layer.weight_mask.bool())


@given(pools())
def test_exact_removes_just_so_many_and_pruned_entries_go_first(pool):
    scores, kept, remove = pool
    [after] = select([scores], [kept], remove, exact=True)
    pruned = np.count_nonzero(~kept)
    assert np.count_nonzero(~after) == max(remove, pruned)
    assert not (after & ~kept).any()


@given(pools())
def test_exact_keeps_the_highest_scores_and_breaks_ties_by_index(pool):
    scores, kept, remove = pool
    [after] = select([scores], [kept], remove, exact=True)
    ranked = sorted(range(len(scores)), key=lambda i: (kept[i], scores[i] if kept[i] else 0, i))
    expected = [i for i in ranked[remove:] if kept[i]]
    assert list(np.flatnonzero(after)) == sorted(expected)


@given(pools())
def test_the_threshold_is_entry_k_of_the_sorted_pool_and_ties_with_it_survive(pool):
    scores, kept, remove = pool
    [after] = select([scores], [kept], remove)
    threshold = sorted(s if k else 0 for s, k in zip(scores, kept, strict=True))[remove]
    for survives, score, was in zip(after, scores, kept, strict=True):
        assert survives == (was and score >= threshold)


@given(pools(), st.booleans())
def test_nothing_pruned_comes_back_and_later_masks_nest(pool, exact):
    scores, kept, remove = pool
    [first] = select([scores], [kept], remove, exact=exact)
    assert not (first & ~kept).any()
    [second] = select([scores[::-1]], [first], min(remove + 3, len(scores) - 1), exact=exact)
    assert not (second & ~first).any()


def test_a_threshold_of_zero_does_not_revive():
    scores = np.array([5.0, 0.0, 0.0, 3.0, 2.0])
    kept = np.array([False, True, False, True, True])
    [after] = select([scores], [kept], 1)
    np.testing.assert_array_equal(after, kept)


@given(pools(), pools())
def test_several_arrays_make_one_pool(first, second):
    (a, kept_a, _), (b, kept_b, remove) = first, second
    apart = select([a, b], [kept_a, kept_b], remove)
    [together] = select([np.concatenate([a, b])], [np.concatenate([kept_a, kept_b])], remove)
    np.testing.assert_array_equal(np.concatenate(apart), together)


def test_shapes_come_back_as_given():
    weights, biases = np.arange(6.0).reshape(2, 3), np.array([0.5, 9.0])
    found = select([weights, biases], [np.ones((2, 3), bool), np.ones(2, bool)], 3)
    np.testing.assert_array_equal(found[0], [[False, False, True], [True, True, True]])
    np.testing.assert_array_equal(found[1], [False, True])


@pytest.mark.parametrize("remove", [-1, 4, 7])
def test_a_count_outside_the_pool_is_an_error(remove):
    with pytest.raises(ValueError, match=f"cannot remove {remove} of 4 entries"):
        select([np.ones(4)], [np.ones(4, bool)], remove)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_an_error_only_where_kept(value):
    scores = np.array([1.0, value, 2.0])
    with pytest.raises(ValueError, match="finite"):
        select([scores], [np.ones(3, bool)], 1)
    [after] = select([scores], [np.array([True, False, True])], 2)
    np.testing.assert_array_equal(after, [False, False, True])
