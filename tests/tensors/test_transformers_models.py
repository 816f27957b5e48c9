"""Models that transformers saves, read by prunescope.tensors: run with `pytest tests/tensors/test_transformers_models.py`.

It needs requirements-layouts.lock, which `make test` installs.
"""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from layouts import library
from prunescope.tensors import named_masks

transformers = library("transformers")


def pruned(model):
    """Set half of the weights of each projection to 0 at random; return which are kept, by the names of the weights."""
    generator = torch.Generator().manual_seed(0)
    kept = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "emb" not in name and "wte" not in name and "wpe" not in name:
                mask = torch.rand(parameter.shape, generator=generator) < 0.5
                parameter[:] = torch.where(mask, parameter + torch.sign(parameter) * 0.1, 0)
                kept[name] = (parameter != 0).numpy().copy()
    return kept


def test_a_llama_in_shards(tmp_path):
    config = transformers.LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).bfloat16()
    kept = pruned(model)
    model.save_pretrained(tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    masks = {mask.name: mask for mask in named_masks(tmp_path)}
    assert set(masks) == set(kept)
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask.array, kept[name], name)
    facts = masks["model.layers.1.self_attn.k_proj.weight"].facts
    assert facts["model_type"] == "llama"
    assert (facts["heads"], facts["kv_heads"]) == (4, 2)


@pytest.mark.parametrize("with_config", [True, False])
def test_the_weights_of_gpt2_have_the_inputs_first(tmp_path, with_config):
    config = transformers.GPT2Config(vocab_size=40, n_embd=12, n_layer=1, n_head=3, n_positions=8)
    model = transformers.GPT2LMHeadModel(config)
    kept = pruned(model)
    model.save_pretrained(tmp_path)
    if not with_config:
        (tmp_path / "config.json").write_text("{}")
    masks = {mask.name: mask.array for mask in named_masks(tmp_path)}
    assert set(masks) == set(kept)
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, kept[name].T, name)
    assert masks["transformer.h.0.mlp.c_fc.weight"].shape == (48, 12)


def test_a_vit_in_a_folder(tmp_path):
    config = transformers.ViTConfig(
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=3,
        intermediate_size=24,
        image_size=8,
        patch_size=4,
    )
    model = transformers.ViTForImageClassification(config)
    kept = pruned(model)
    model.save_pretrained(tmp_path)
    masks = {mask.name: mask for mask in named_masks(tmp_path)}
    # The library gives some weights other names in files than in modules.
    in_file = {
        name: tensor.numpy() != 0 for name, tensor in load_file(tmp_path / "model.safetensors").items()
    }
    assert len(masks) == len(kept)
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask.array, in_file[name], name)
    facts = next(iter(masks.values())).facts
    assert facts["heads"] == 3
