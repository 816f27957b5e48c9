"""What tensors beside a mask say: run with `pytest tests/layers/test_beside.py`."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import prunescope as ps
from prunescope.layers.source_layers import layers_of

RNG = np.random.default_rng(0)


def half(*shape):
    return torch.from_numpy(RNG.standard_normal(shape) * (RNG.random(shape) < 0.5))


def forms(source, **hints):
    said = []
    found = ps.observe(source, say=said.append, **hints)
    return {layer.name: layer.form for layer in found}, said


@pytest.mark.parametrize("as_state", [False, True])
def test_keys_and_values_of_other_inputs_have_the_heads_of_queries(as_state):
    attention = nn.MultiheadAttention(32, 4, kdim=16, vdim=24)
    for part in "qkv":
        prune.random_unstructured(attention, f"{part}_proj_weight", 0.5)
    found, said = forms(attention.state_dict(), heads=4) if as_state else forms(attention)
    assert {(form.attention.heads, form.attention.size) for form in found.values()} == {((4,), 8)}
    assert len(found) == 3
    assert not [line for line in said if "heads" in line]


def test_cross_attention_of_a_file_has_the_heads_of_its_dense_queries():
    state = {
        "attn2.to_q.weight": torch.randn(320, 320),
        "attn2.to_k.weight": half(320, 1280),
        "attn2.to_v.weight": half(320, 1280),
        "other.to_k.weight": half(320, 1280),
    }
    found, said = forms(state, heads=8)
    assert [(one.attention.heads, one.attention.size) for one in found.values()] == [
        ((8,), 40),
        ((8,), 40),
        ((2,), 160),
    ]
    assert (
        said[-1]
        == "other.to_k.weight: taken as 2 heads of 160, as of 1280 outputs of queries, which are not known"
    )


def test_grouped_keys_beside_queries_that_are_no_square():
    state = {
        "self_attn.q_proj.weight": half(96, 32),
        "self_attn.k_proj.weight": half(24, 32),
        "self_attn.v_proj.weight": half(24, 32),
        "self_attn.o_proj.weight": torch.randn(32, 96),
    }
    found, _ = forms(state, heads=8)
    assert [(one.attention.heads, one.attention.size) for one in found.values()] == [((8,), 12)] + [
        ((2,), 12)
    ] * 2
    transposed, _ = forms({name: one.T.contiguous() for name, one in state.items()}, heads=8, order="io")
    assert transposed == found


def test_a_packed_projection_has_the_heads_that_its_output_projection_takes():
    state = {"attn.qkv.weight": half(96, 64), "attn.proj.weight": torch.randn(64, 32)}
    [form] = forms(state, heads=2)[0].values()
    assert (form.attention.heads, form.attention.size) == ((2, 2, 2), 16)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_gates_are_read_from_hidden_weights_that_are_dense(kind, tmp_path):
    layer = kind(20, 32)
    prune.random_unstructured(layer, "weight_ih_l0", 0.5)
    torch.save(layer.state_dict(), tmp_path / "a.pt")
    prune.remove(layer, "weight_ih_l0")
    torch.save(layer.state_dict(), tmp_path / "b.pt")
    for name in "ab":
        said = []
        [found] = layers_of(tmp_path / f"{name}.pt", say=said.append)
        assert found.form.gates == {nn.LSTM: 4, nn.GRU: 3}[kind]
        assert not [line for line in said if "gates" in line]
