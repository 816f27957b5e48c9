"""prunescope.observables.hierarchy: run with `pytest tests/observables/test_hierarchy.py`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope import observables
from prunescope.errors import InputError
from reference import activations as reference
from reference.locality import count_paths

SIZES = (8, 6, 5, 4)


def layers(seed, density=0.4):
    rng = np.random.default_rng(seed)
    shapes = list(zip(SIZES[1:], SIZES[:-1], strict=True))
    return [rng.random(s) < density for s in shapes], [rng.normal(size=s) for s in shapes]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.3, 0.7]), st.integers(1, 3), st.integers(0, 3))
def test_it_is_the_walk_along_every_path(seed, density, layer, node):
    masks, weights = layers(seed, density)
    tiers = observables.hierarchy(masks, weights, layer, node)
    strength, edges = reference.paths_below(masks, weights, layer, node)
    assert [tier.layer for tier in tiers] == list(range(layer, 0, -1))
    found = {(t.layer, n): s for t in tiers for n, s in zip(t.nodes.tolist(), t.strength, strict=True)}
    assert found.keys() == strength.keys()
    assert all(found[key] == pytest.approx(strength[key]) for key in found)
    walked = {
        (tier.layer + 1, *edge)
        for tier in tiers
        for edge in zip(tier.parents.tolist(), tier.children.tolist(), tier.weights.tolist(), strict=True)
    }
    assert walked == edges
    for tier in tiers:
        assert (np.diff(tier.strength) <= 0).all()


def test_effective_masks_are_those_of_the_nodes():
    masks, weights = layers(1)
    for count in (False, True):
        for tier in observables.hierarchy(masks, weights, 3, 2, count=count):
            paths = count_paths(masks[: tier.layer])[tier.nodes]
            np.testing.assert_array_equal(tier.effective, paths if count else paths > 0)


def test_top_keeps_the_strongest_and_follows_only_those():
    masks = [np.ones((3, 4), bool), np.array([[1, 1, 1], [0, 0, 1]], bool), np.array([[1, 1]], bool)]
    weights = [
        np.ones((3, 4)),
        np.array([[1.0, -4.0, 2.0], [9.0, 9.0, 5.0]]),
        np.array([[-3.0, 1.0]]),
    ]
    top, middle, bottom = observables.hierarchy(masks, weights, 3, 0, top=1)
    assert (top.nodes.tolist(), middle.nodes.tolist(), bottom.nodes.tolist()) == ([0], [0], [1])
    assert (middle.strength.tolist(), bottom.strength.tolist()) == ([3.0], [12.0])
    assert (bottom.parents.tolist(), bottom.children.tolist(), bottom.weights.tolist()) == ([0], [1], [-4.0])
    *_, bottom = observables.hierarchy(masks, weights, 3, 0, top=2)
    assert bottom.nodes.tolist() == [1, 2]  # 12 and 2·3 + 5·1, not 3
    assert bottom.strength.tolist() == [12.0, 11.0]
    assert set(zip(bottom.parents.tolist(), bottom.children.tolist(), strict=True)) == {
        (0, 1),
        (0, 2),
        (1, 2),
    }


def test_a_dead_node_stands_on_nothing_and_dead_nodes_are_left_out():
    masks, weights = layers(2, density=1.0)
    masks[0][3] = False  # sends a constant
    masks[1][0] = False
    *_, bottom = observables.hierarchy(masks, weights, 2, 0)
    assert bottom.nodes.size == bottom.parents.size == 0
    assert bottom.effective.shape == (0, SIZES[0])
    *_, bottom = observables.hierarchy(masks, weights, 2, 1)
    assert sorted(bottom.nodes.tolist()) == [0, 1, 2, 4, 5]


@pytest.mark.parametrize(
    ("layer", "node", "top", "message"),
    [
        (0, 0, None, "no layer 0; hidden layers are 1 to 3"),
        (4, 0, None, "no layer 4"),
        (3, 4, None, "no node 4; layer 3 has nodes 0 to 3"),
        (3, 0, 0, "top must be 1 or more"),
    ],
)
def test_what_is_not_there_is_refused(layer, node, top, message):
    masks, weights = layers(0)
    with pytest.raises(InputError, match=message):
        observables.hierarchy(masks, weights, layer, node, top=top)


def test_weights_of_another_shape_are_refused():
    masks, weights = layers(0)
    with pytest.raises(InputError, match="weights of layer 2"):
        observables.hierarchy(masks, [weights[0], weights[2], weights[1]], 3, 0)
    with pytest.raises(InputError, match="needs the weights of 3 layers"):
        observables.hierarchy(masks, weights[:2], 3, 0)


@pytest.mark.parametrize("size", [1e200, 1e-200, np.inf])
def test_strengths_that_no_float_holds_are_refused(size):
    masks, weights = [np.ones((2, 2))] * 3, [np.full((2, 2), size)] * 3
    with pytest.raises(InputError, match="strengths of the paths to layer"):
        observables.hierarchy(masks, weights, 3, 0)
