"""Units of several rows: run with `pytest tests/layers/test_packed_units.py`."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import prunescope as ps
from prunescope.layers.heads import AttentionShape
from prunescope.layers.kinds import LayerForm
from prunescope.layers.packed_units import unit_rows


def attention(heads, size, **more):
    parts = tuple(count * size for count in heads)
    return LayerForm(
        "attention", (sum(parts), 5), attention=AttentionShape("qkv", heads, size, parts, **more)
    )


def test_rows_of_units():
    assert unit_rows(LayerForm("recurrent", (12, 5), gates=4)).tolist() == [
        [0, 3, 6, 9],
        [1, 4, 7, 10],
        [2, 5, 8, 11],
    ]
    assert unit_rows(attention((2, 2, 2), 2)).tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]
    mixed = attention((2, 2, 2), 2, interleaved=True)
    assert unit_rows(mixed).tolist() == [[0, 2, 4], [1, 3, 5], [6, 8, 10], [7, 9, 11]]
    # Four heads of queries, of which two share a head of keys and values.
    grouped = unit_rows(attention((4, 2, 2), 2))
    assert grouped.tolist() == [[0, 2, 8, 12], [1, 3, 9, 13], [4, 6, 10, 14], [5, 7, 11, 15]]
    for form in (
        LayerForm("linear", (12, 5)),
        LayerForm("recurrent", (12, 5), gates=1),
        LayerForm("recurrent", (12, 5)),
        LayerForm("attention", (12, 5), attention=AttentionShape("q", (2,), 6, (12,))),
        attention((4, 3, 3), 2),
    ):
        assert unit_rows(form) is None


@pytest.mark.parametrize(("kind", "parts"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_units_of_recurrent_layers_are_found_again_with_all_their_gates(kind, parts):
    torch.manual_seed(0)
    first, second = kind(20, 12), kind(20, 12)
    prune.random_unstructured(first, "weight_ih_l0", 0.6)
    order = torch.randperm(12)
    rows = torch.arange(parts * 12).reshape(parts, 12)[:, order].ravel()
    prune.custom_from_mask(second, "weight_ih_l0", first.weight_ih_l0_mask[rows])
    [layer] = ps.overlap(first, second)
    assert layer.matched.order.tolist() == torch.argsort(order).tolist()
    assert layer.matched.shared == layer.stored.kept[0]
    assert layer.moved == int((order != torch.arange(12)).sum())


def test_rows_of_a_unit_do_not_part():
    """Each gate in an order of its own is another layer."""
    rng = np.random.default_rng(3)
    mask = rng.random((4, 16, 20)) < 0.3
    other = np.stack([gate[rng.permutation(16)] for gate in mask])
    a, b = (
        {"weight_ih_l0": one.reshape(64, 20), "weight_hh_l0": np.ones((64, 16), bool)}
        for one in (mask, other)
    )
    layer = ps.overlap(a, b)[0]
    assert layer.matched.shared < 0.6 * layer.stored.kept[0]
    assert len(layer.matched.order) == 16
    # The best matching of whole units, by trying each pair of them.
    from scipy.optimize import linear_sum_assignment

    shared = [[int((mask[:, i] & other[:, j]).sum()) for j in range(16)] for i in range(16)]
    best = linear_sum_assignment(shared, maximize=True)
    assert layer.matched.shared == np.array(shared)[best].sum()


def test_independent_packed_layers_share_what_chance_does():
    rng = np.random.default_rng(4)
    a, b = (
        {"weight_ih_l0": rng.random((96, 20)) < 0.3, "weight_hh_l0": rng.random((96, 24)) < 0.3}
        for _ in range(2)
    )
    for layer in ps.overlap(a, b):
        assert abs(layer.matched.share.z) < 4


def test_units_of_queries_keys_and_values_go_together():
    torch.manual_seed(1)
    first, second = nn.MultiheadAttention(16, 4), nn.MultiheadAttention(16, 4)
    prune.random_unstructured(first, "in_proj_weight", 0.6)
    rows = torch.arange(48).reshape(3, 16)[:, torch.randperm(16)].ravel()
    prune.custom_from_mask(second, "in_proj_weight", first.in_proj_weight_mask[rows])
    [layer] = ps.overlap(first, second)
    assert layer.matched.shared == layer.stored.kept[0]
    assert len(layer.matched.order) == 16


def test_hidden_weights_take_the_units_of_those_of_inputs_where_a_chain_is_told():
    rng = np.random.default_rng(5)
    inputs, hidden = rng.random((4, 12, 20)) < 0.4, rng.random((4, 12, 12)) < 0.4
    order = rng.permutation(12)
    a = {"weight_ih_l0": inputs.reshape(48, 20), "weight_hh_l0": hidden.reshape(48, 12)}
    b = {
        "weight_ih_l0": inputs[:, order].reshape(48, 20),
        "weight_hh_l0": hidden[:, order][:, :, order].reshape(48, 12),
    }
    assert ps.overlap(a, b).chain == "none"
    layers = ps.overlap(a, b, chain="hidden")
    assert [one.matched.shared for one in layers] == [one.stored.kept[0] for one in layers]
