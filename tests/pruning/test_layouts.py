"""prunescope.pruning.layouts and keep_top: run with `pytest tests/pruning/test_layouts.py`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.model import Ticket
from prunescope.pruning.layouts import (
    erdos_renyi,
    layer_densities,
    overall_density,
    random_ticket,
    shuffled,
)
from prunescope.pruning.selection import keep_top

SIZES = st.lists(st.integers(1, 40), min_size=3, max_size=6).map(tuple)
DENSITIES = st.floats(0.001, 1)


def test_erdos_renyi_against_densities_worked_out():
    # weights 8 and 16, (n_in + n_out)/(n_in n_out) = 6/8 and 10/16: half of 24 = ε (6 + 10), ε = 3/4
    assert erdos_renyi((4, 2, 8, 3), 0.5) == pytest.approx((0.5625, 0.46875))


def test_a_layer_that_would_keep_more_than_all_is_dense_and_the_rest_goes_to_the_others():
    # 21.6 of 24: ε = 1.35 gives the first 1.0125; 13.6 remain for the second's 16
    assert erdos_renyi((4, 2, 8, 3), 0.9) == pytest.approx((1, 0.85))


@given(SIZES, DENSITIES)
def test_erdos_renyi_keeps_the_density_and_the_proportions(sizes, density):
    found = np.array(erdos_renyi(sizes, density))
    n_in, n_out = np.array(sizes[:-2]), np.array(sizes[1:-1])
    assert overall_density(sizes, found.tolist()) == pytest.approx(density)
    assert (found > 0).all()
    assert (found <= 1).all()
    scale = found / ((n_in + n_out) / (n_in * n_out))
    below = found < 1 - 1e-9
    if below.any():
        np.testing.assert_allclose(scale[below], scale[below][0])
        assert (scale[~below] <= scale[below][0] * (1 + 1e-6)).all()


def test_uniform_gives_every_layer_the_same_and_other_layouts_are_refused():
    assert layer_densities((4, 2, 8, 3), 0.3, "uniform") == (0.3, 0.3)
    assert layer_densities((4, 2, 8, 3), 0.9, "erk") == erdos_renyi((4, 2, 8, 3), 0.9)
    with pytest.raises(ValueError, match="no layout 'square'"):
        layer_densities((4, 2, 3), 0.3, "square")


@given(SIZES, DENSITIES, st.integers(0, 5))
def test_random_tickets_keep_exactly_round_of_the_density(sizes, density, seed):
    ticket = random_ticket(sizes, (density,) * (len(sizes) - 2), seed)
    assert [m.kept for m in ticket.masks] == [max(1, round(density * m.array.size)) for m in ticket.masks]
    assert ticket.biases[0].all()
    assert ticket == random_ticket(sizes, (density,) * (len(sizes) - 2), seed)


def test_random_tickets_differ_by_seed_level_and_layer():
    sizes, densities = (12, 12, 12, 3), (0.3, 0.3)
    tickets = [random_ticket(sizes, densities, seed, level) for seed in (0, 1) for level in (1, 2)]
    masks = {mask for ticket in tickets for mask in ticket.masks}
    assert len(masks) == 8


def test_random_positions_are_uniform():
    counts = sum(random_ticket((6, 5, 2), (0.3,), seed).masks[0].array.astype(int) for seed in range(2000))
    assert abs(counts - 600).max() < 5 * np.sqrt(2000 * 0.3 * 0.7)


@given(SIZES, DENSITIES)
def test_shuffling_keeps_fan_ins_and_biases(sizes, density):
    ticket = random_ticket(sizes, (density,) * (len(sizes) - 2), 0)
    biases = tuple(np.arange(len(b)) % 2 == 0 for b in ticket.biases)
    moved = shuffled(Ticket(ticket.masks, biases), 0, 3)
    for own, other in zip(moved.masks, ticket.masks, strict=True):
        np.testing.assert_array_equal(own.fan_in, other.fan_in)
    assert all((a == b).all() for a, b in zip(moved.biases, biases, strict=True))


def test_shuffling_moves_and_each_level_has_its_own_positions():
    ticket = random_ticket((30, 20, 20, 2), (0.2, 0.2), 0)
    found = [shuffled(ticket, 0, 1), shuffled(ticket, 0, 2), shuffled(ticket, 1, 1), ticket]
    assert len({mask for one in found for mask in one.masks}) == 8


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=2, max_size=30), st.data())
def test_the_top_is_exact_and_ties_go_to_the_higher_index(values, data):
    scores = np.array(values)
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    if not kept.any():
        return
    keep = data.draw(st.integers(1, int(kept.sum())))
    order = sorted(np.flatnonzero(kept), key=lambda i: (scores[i], i))
    expected = np.isin(np.arange(len(values)), order[-keep:])
    np.testing.assert_array_equal(keep_top([scores], [kept], keep)[0], expected)


def test_a_layer_that_must_not_be_emptied_takes_the_place_of_the_lowest_elsewhere():
    first, second = np.array([[5.0, 4.0], [3.0, 9.0]]), np.array([[0.1, 0.2]])
    whole = [np.ones((2, 2), bool), np.ones((1, 2), bool)]
    plain = keep_top([first, second], whole, 3)
    assert [m.tolist() for m in plain] == [[[True, True], [False, True]], [[False, False]]]
    spared = keep_top([first, second], whole, 3, never_empty=(0, 1))
    assert [m.tolist() for m in spared] == [[[True, False], [False, True]], [[False, True]]]


def test_what_cannot_be_kept_is_an_error():
    scores, whole = [np.arange(4.0), np.arange(3.0)], [np.ones(4, bool), np.ones(3, bool)]
    for keep, never_empty in ((0, ()), (8, ()), (1, (0, 1))):
        with pytest.raises(ValueError, match="cannot keep"):
            keep_top(scores, whole, keep, never_empty=never_empty)
    with pytest.raises(ValueError, match="finite"):
        keep_top([np.array([np.nan, 1])], [np.ones(2, bool)], 1)
