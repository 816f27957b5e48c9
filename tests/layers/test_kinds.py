"""prunescope.layers.kinds: run with `pytest tests/layers/test_kinds.py`."""

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.layers.beside import with_gates
from prunescope.layers.kinds import LayerHints, form_of
from prunescope.layers.layer_masks import as_first, as_layer
from prunescope.layers.layer_names import plain_name
from prunescope.tensors import NamedMask


def named(name, *shape, **facts):
    return NamedMask(name, np.ones(shape, bool), facts=facts)


NAMES = {
    "fc1.weight": ("linear", (10, 20)),
    "model.layers.0.mlp.gate_proj.weight": ("linear", (32, 16)),
    "transformer.h.0.mlp.c_proj.weight": ("linear", (16, 64)),
    "lm_head.weight": ("linear", (100, 16)),
    "mixer.in_proj.weight": ("linear", (64, 16)),  # of a state space model
    "block.0.layer.1.DenseReluDense.wo.weight": ("linear", (16, 64)),
    "embed_out.weight": ("linear", (100, 16)),
    "layer1.0.conv1.weight": ("convolution", (16, 8, 3, 3)),
    "encoder.conv.weight": ("convolution", (16, 8, 5)),
    "video.weight": ("convolution", (16, 8, 3, 3, 3)),
    "features.1.weight_mask": ("depthwise", (16, 1, 3, 3)),
    "conv_proj.weight": ("patches", (16, 3, 16, 16)),
    "patch_embed.proj.weight": ("patches", (16, 3, 4, 4)),
    "vit.embeddings.patch_embeddings.projection.weight": ("patches", (16, 3, 4, 4)),
    "to_patch_embedding.1.weight": ("patches", (16, 48)),
    "stem.weight": ("patches", (16, 3, 8, 8)),
    "blocks.0.mlp_tokens.fc1.weight": ("tokens", (30, 16)),
    "wte.weight": ("embedding", (100, 16)),
    "model.embed_tokens.weight": ("embedding", (100, 16)),
    "embeddings.word_embeddings.weight": ("embedding", (100, 16)),
    "Embed_0/embedding": ("linear", (100, 16)),  # the name of the parameter alone says nothing
    "model.layers.3.self_attn.q_proj.weight": ("attention", (16, 16)),
    "encoder.layer.0.attention.self.key.weight": ("attention", (16, 16)),
    "encoder.layer.0.attention.output.dense.weight": ("attention", (16, 16)),
    "encoder.layer.0.output.dense.weight": ("linear", (16, 64)),
    "layers.0.self_attn.in_proj_weight_mask": ("attention", (48, 16)),
    "blocks.0.attn.qkv.parametrizations.weight.0.mask": ("attention", (48, 16)),
    "blocks.0.attn.proj.weight": ("attention", (16, 16)),
    "layers.0.attention.wo.weight": ("attention", (16, 16)),
    "lstm.weight_ih_l0": ("recurrent", (64, 16)),
    "gru.weight_hh_l1_reverse_mask": ("recurrent", (48, 16)),
    "layers.0.experts.gate_up_proj": ("linear", (4, 32, 16)),
}


@pytest.mark.parametrize("name", NAMES)
def test_kinds_by_name_and_shape(name):
    kind, shape = NAMES[name]
    assert form_of(named(name, *shape)).kind == kind


FACTS = {
    "embedding": ("x", (100, 16), {"kind": "embedding"}),
    "linear": ("wte.weight", (16, 16), {"kind": "linear"}),
    "attention": ("in_proj_weight", (48, 16), {"kind": "attention", "heads": 4}),
    "convolution": ("patch_embed", (16, 3, 8, 8), {"kind": "conv2d", "stride": (4, 4)}),
    "patches": ("stem.0", (16, 3, 4, 4), {"kind": "conv2d", "stride": (4, 4)}),
    "depthwise": ("x", (16, 1, 3, 3), {"kind": "conv2d", "groups": 16}),
}


@pytest.mark.parametrize("kind", FACTS)
def test_what_a_module_says_comes_before_names(kind):
    name, shape, facts = FACTS[kind]
    assert form_of(named(name, *shape, **facts)).kind == kind


def test_a_bilinear_layer_of_a_module_has_no_kernel():
    mask = named("bilinear.weight", 6, 4, 12, kind="bilinear")
    assert form_of(mask).shape == (6, 48)
    layer = as_layer(mask, LayerHints(images=(3, 4, 4)), takes_images=True)
    assert (layer.form.kind, layer.form.inputs, layer.mask.array.shape) == ("linear", None, (6, 48))


def test_names_without_those_of_parameters():
    for name in (
        "a.b.weight",
        "a.b.weight_mask",
        "a/b/kernel",
        "a.b.parametrizations.weight.0.mask",
        "a.b.weight_orig",
    ):
        assert plain_name(name) == "a.b"
    assert plain_name("self_attn.in_proj_weight") == "self_attn.in_proj"
    assert plain_name("weight") == "weight"


@pytest.mark.parametrize(
    ("name", "shape", "facts", "expected"),
    [
        ("q_proj", (32, 64), {"heads": 8}, ((8,), 4)),
        ("o_proj", (64, 32), {"heads": 8}, ((8,), 4)),
        ("k_proj", (16, 64), {"heads": 8}, ((2,), 8)),
        ("k_proj", (16, 64), {"heads": 8, "kv_heads": 4, "head_size": 4}, ((4,), 4)),
        ("v_proj", (64, 64), {"heads": 8}, ((8,), 8)),
        ("qkv_proj", (192, 64), {"heads": 8}, ((8, 8, 8), 8)),
        ("qkv_proj", (96, 64), {"heads": 8, "kv_heads": 2}, ((8, 2, 2), 8)),
        ("qkv_proj", (96, 64), {"heads": 8}, ((8, 2, 2), 8)),
        ("kv_proj", (32, 64), {"heads": 8}, ((2, 2), 8)),
        ("k_proj", (16, 64), {"heads": 8, "kv_heads": 4}, ((4,), 4)),
        ("k_proj", (32, 16), {"heads": 4, "head_size": 8}, ((4,), 8)),
        ("k_proj", (32, 16), {"heads": 4, "query_lines": 32}, ((4,), 8)),
        ("v_proj", (320, 768), {"heads": 8, "query_lines": 320}, ((8,), 40)),
        ("v_proj", (320, 768), {"heads": 8}, ((8,), 40)),
        ("v_proj", (16, 96), {"heads": 4, "query_lines": 32}, ((2,), 8)),
        ("kv_proj", (64, 96), {"heads": 4, "query_lines": 32}, ((4, 4), 8)),
        ("qkv_proj", (96, 48), {"heads": 4, "query_lines": 32}, ((4, 4, 4), 8)),
        ("qkv_proj", (96, 40), {"heads": 4}, ((4, 4, 4), 8)),
    ],
)
def test_heads_of_projections(name, shape, facts, expected):
    attention = form_of(named(f"layers.0.self_attn.{name}.weight", *shape, **facts)).attention
    assert (attention.heads, attention.size) == expected


def test_heads_that_do_not_fit_or_are_not_known_are_told():
    def told(mask, **hints):
        lines = []
        form_of(mask, LayerHints(**hints), lines.append)
        return lines

    q = named("attn.q_proj.weight", 64, 64)
    assert told(q) == ["how many heads it has is not known: --heads N says it"]
    assert told(q, heads=8) == []
    assert told(named("attn.k_proj.weight", 16, 64), heads=8) == [
        "taken as 2 heads of 8, as of 64 outputs of queries, which are not known"
    ]
    assert told(named("attn.k_proj.weight", 16, 64, query_lines=64), heads=8) == []
    assert told(named("attn.k_proj.weight", 64, 24), heads=8) == []
    assert told(q, heads=7) == ["its 64 outputs do not belong to 7 equal heads"]
    assert told(named("h.0.attn.c_attn.weight", 64, 192), heads=8)[0].startswith(
        "it has 64 outputs and 192 inputs: it may be transposed"
    )
    assert told(named("rnn.weight_hh_l0", 66, 16, kind="lstm")) == ["its 66 outputs are not 4 gates"]
    assert told(named("x.weight_ih_l0", 66, 16)) == ["how many gates it has is not known"]
    assert told(named("conv_proj.weight", 8, 3, 4, 4), patch=8) == ["its patches are 4x4 pixels, not 8"]
    assert told(named("to_patch_embedding.1", 8, 48), patch=8) == [
        "its 48 inputs are no patches of 8x8 pixels"
    ]
    assert told(named("conv", 6, 2, 3, 3, groups=4)) == [
        "4 groups do not share 6 filters: taken as one group"
    ]
    assert told(named("mlp_tokens.fc1", 7, 11)) == [
        "the grid of its tokens is not known: --tokens HxW says it"
    ]


def test_gates_of_inputs_are_those_of_the_hidden_weights():
    inputs, hidden = named("a.weight_ih_l0", 48, 7), named("a.weight_hh_l0", 48, 16)
    assert form_of(with_gates(inputs, (48, 16))).gates == 3
    assert form_of(hidden).gates == 3
    assert form_of(with_gates(inputs, (44, 16))).gates is None


def test_one_channel_of_a_first_layer_is_a_grey_image():
    mask = named("conv1.weight", 6, 1, 5, 5)
    assert form_of(mask).kind == "depthwise"
    assert (form_of(as_first(mask)).kind, form_of(as_first(mask)).groups) == ("convolution", 1)


def test_a_linear_layer_takes_images_patches_or_tokens():
    mask = named("fc.weight", 5, 48)
    assert as_layer(mask, LayerHints(images=(3, 4, 4)), takes_images=True).form.inputs == (3, 4, 4)
    assert as_layer(mask, LayerHints(images=(3, 4, 4))).form.inputs is None
    patches = as_layer(mask, LayerHints(images=(3, 32, 32), patch=4), takes_images=True).form
    assert (patches.kind, patches.inputs) == ("patches", (3, 4, 4))
    tokens = as_layer(mask, LayerHints(tokens=(6, 8))).form
    assert (tokens.kind, tokens.inputs, tokens.outputs) == ("tokens", (1, 6, 8), None)
    out = as_layer(named("block.mlp_tokens.fc2", 48, 20), LayerHints(tokens=(6, 8))).form
    assert (out.kind, out.inputs, out.outputs) == ("tokens", None, (1, 6, 8))
    assert as_layer(named("block.mlp_channels.fc1", 20, 48), LayerHints(tokens=(6, 8))).form.kind == "linear"


def test_inputs_in_the_order_of_rows_columns_channels_are_put_in_order():
    images = np.random.default_rng(0).random((5, 3, 4, 6)) < 0.4
    last = NamedMask("fc", images.transpose(0, 2, 3, 1).reshape(5, -1).copy())
    layer = as_layer(last, LayerHints(images=(3, 4, 6), pixels="hwc"), takes_images=True)
    np.testing.assert_array_equal(layer.mask.array, images.reshape(5, -1))


@pytest.mark.parametrize("wrong", [{"heads": 0}, {"patch": -1}, {"tokens": (4, 0)}, {"pixels": "cwh"}])
def test_hints_that_are_nothing_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        LayerHints(**wrong)
