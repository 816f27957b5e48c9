"""prunescope.tensors.modules: run with `pytest tests/tensors/test_modules.py`."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from layouts import library
from prunescope.errors import InputError
from prunescope.tensors import named_masks

KEPT = torch.rand(5, 6, generator=torch.Generator().manual_seed(0)) < 0.5


class Masked(nn.Module):
    """A parametrization with a mask."""

    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight):
        return weight * self.mask


class Thresholded(nn.Module):
    """A parametrization that makes small weights 0."""

    def forward(self, weight):
        return torch.where(weight.abs() > 0.2, weight, 0)


class OwnLinear(nn.Linear):
    """A layer with a mask that is neither a parameter nor a buffer."""

    def __init__(self):
        super().__init__(6, 5)
        self.mask = KEPT


class Attention(nn.Module):
    """A block that says how many heads it has."""

    def __init__(self):
        super().__init__()
        self.num_heads, self.num_key_value_heads = 4, 2
        self.query = prune.random_unstructured(nn.Linear(8, 8), "weight", 0.5)


def masks(module):
    """The masks of a module by name."""
    return {named.name: named for named in named_masks(module)}


@pytest.mark.parametrize("scope", ["l1", "random", "global", "custom"])
def test_torch_nn_utils_prune(scope):
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    if scope == "global":
        places = [(network[0], "weight"), (network[2], "weight")]
        prune.global_unstructured(places, prune.L1Unstructured, amount=0.4)
    elif scope == "custom":
        prune.custom_from_mask(network[0], "weight", KEPT)
    else:
        getattr(prune, f"{scope}_unstructured")(network[0], "weight", 0.4)
    found = masks(network)
    assert found["0.weight_mask"].origin == "mask"
    np.testing.assert_array_equal(found["0.weight_mask"].array, network[0].weight_mask.numpy() == 1)
    assert ("2.weight_mask" in found) == (scope == "global")
    # The state dict gives the same names.
    assert list(masks(network.state_dict())) == list(found)


def test_weights_after_prune_remove():
    network = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))
    prune.custom_from_mask(network[0], "weight", KEPT)
    prune.remove(network[0], "weight")
    said = []
    [found] = named_masks(network, say=said.append)
    assert (found.name, found.origin) == ("0.weight", "zeros")
    np.testing.assert_array_equal(found.array, KEPT.numpy())
    assert said[1] == "1 weight is left out, no more zeros than chance: 1.weight"


def test_a_parametrization_with_a_mask():
    layer = nn.Sequential(nn.Linear(6, 5))
    parametrize.register_parametrization(layer[0], "weight", Masked(KEPT.float()))
    for source in (layer, layer.state_dict()):
        [found] = named_masks(source)
        assert found.name == "0.parametrizations.weight.0.mask"
        assert found.origin == "mask"
        np.testing.assert_array_equal(found.array, KEPT.numpy())
    assert masks(layer)["0.parametrizations.weight.0.mask"].facts["kind"] == "linear"


def test_a_parametrization_that_computes_zeros():
    layer = nn.Sequential(nn.Linear(6, 5), nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)))
    parametrize.register_parametrization(layer[0], "weight", Thresholded())
    [found] = named_masks(layer)
    assert (found.name, found.origin) == ("0.weight", "zeros")
    np.testing.assert_array_equal(found.array, layer[0].weight.detach().numpy() != 0)


def test_sparsifiers_of_torch():
    from torch.ao.pruning import WeightNormSparsifier

    network = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    sparsifier = WeightNormSparsifier(sparsity_level=0.5, sparse_block_shape=(1, 4))
    sparsifier.prepare(network, [{"tensor_fqn": "0.weight"}])
    sparsifier.step()
    expected = network[0].parametrizations.weight[0].mask.numpy() == 1
    [found] = named_masks(network)
    np.testing.assert_array_equal(found.array, expected)
    assert found.array.mean() == 0.5
    sparsifier.squash_mask()
    [found] = named_masks(network)
    assert (found.name, found.origin) == ("0.weight", "zeros")
    np.testing.assert_array_equal(found.array, expected)


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning")
def test_sparsifiers_of_torchao():
    library("torchao")
    from torchao.sparsity import WandaSparsifier

    network = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    sparsifier = WandaSparsifier(sparsity_level=0.5)
    sparsifier.prepare(network, None)
    network(torch.randn(32, 16))
    sparsifier.step()
    found = masks(network)
    assert list(found) == ["0.parametrizations.weight.0.mask", "2.parametrizations.weight.0.mask"]
    for place, named in zip((0, 2), found.values(), strict=True):
        expected = network[place].parametrizations.weight[0].mask.numpy() != 0
        np.testing.assert_array_equal(named.array, expected)
        assert named.array.mean() == 0.5


def test_a_mask_that_is_an_attribute():
    [found] = named_masks(nn.Sequential(OwnLinear()))
    assert found.name == "0.mask"
    np.testing.assert_array_equal(found.array, KEPT.numpy())


def test_what_layers_say_of_themselves():
    network = nn.ModuleDict(
        {
            "conv": nn.Conv2d(4, 8, 3, stride=2, padding=1, dilation=(1, 2), groups=2),
            "line": nn.Conv1d(4, 8, 5, padding="same"),
            "volume": nn.Conv3d(1, 8, 3),
            "embed": nn.Embedding(10, 8, padding_idx=0),
            "rnn": nn.GRU(6, 5),
            "attention": nn.MultiheadAttention(8, 2),
            "block": Attention(),
        }
    )
    for name in ("conv", "line", "volume", "embed"):
        prune.random_unstructured(network[name], "weight", 0.5)
    prune.random_unstructured(network["rnn"], "weight_hh_l0", 0.5)
    prune.random_unstructured(network["attention"], "in_proj_weight", 0.5)
    found = masks(network)
    assert {name: (named.array.shape, dict(named.facts)) for name, named in found.items()} == {
        "conv.weight_mask": (
            (8, 2, 3, 3),
            {"kind": "conv2d", "stride": (2, 2), "padding": (1, 1), "dilation": (1, 2), "groups": 2},
        ),
        "line.weight_mask": (
            (8, 4, 5),
            {"kind": "conv1d", "stride": (1,), "padding": "same", "dilation": (1,), "groups": 1},
        ),
        "volume.weight_mask": (
            (8, 1, 3, 3, 3),
            {
                "kind": "conv3d",
                "stride": (1, 1, 1),
                "padding": (0, 0, 0),
                "dilation": (1, 1, 1),
                "groups": 1,
            },
        ),
        "embed.weight_mask": ((10, 8), {"kind": "embedding"}),
        "rnn.weight_hh_l0_mask": ((15, 5), {"kind": "gru", "gates": 3}),
        "attention.in_proj_weight_mask": ((24, 8), {"kind": "attention", "heads": 2, "head_size": 4}),
        "block.query.weight_mask": ((8, 8), {"kind": "linear", "heads": 4, "kv_heads": 2}),
    }


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_are_brought_to_outputs_first(groups):
    layer = prune.random_unstructured(nn.ConvTranspose2d(4, 6, (3, 2), groups=groups), "weight", 0.5)
    [found] = named_masks(layer)
    assert found.array.shape == (6, 4 // groups, 3, 2)
    mask = layer.weight_mask.numpy()
    for unit in range(6):
        group, within = divmod(unit, 6 // groups)
        for i in range(4 // groups):
            expected = mask[group * (4 // groups) + i, within] == 1
            np.testing.assert_array_equal(found.array[unit, i], expected)


def test_a_weight_that_two_layers_share_is_read_once():
    first, second = nn.Linear(6, 5), nn.Linear(6, 5)
    with torch.no_grad():
        first.weight *= KEPT
    second.weight = first.weight
    assert list(masks(nn.Sequential(first, second))) == ["0.weight"]


def test_a_module_without_a_mask_says_what_it_holds():
    with pytest.raises(InputError, match=r"^no mask inside \(0.weight: .*5x6 of float32 with no zeros"):
        list(named_masks(nn.Sequential(nn.Linear(6, 5))))
    with pytest.raises(InputError, match="holds no array or tensor"):
        list(named_masks(nn.ReLU()))


def test_layers_of_transformers_that_have_inputs_first():
    transformers = library("transformers")
    config = transformers.GPT2Config(n_embd=8, n_layer=1, n_head=2, n_positions=16, vocab_size=20)
    network = transformers.GPT2Model(config)
    attention = network.h[0].attn.c_attn
    prune.random_unstructured(attention, "weight", 0.5)
    [found] = named_masks(network)
    assert found.array.shape == (24, 8)
    np.testing.assert_array_equal(found.array, attention.weight_mask.numpy().T == 1)
    assert (found.facts["kind"], found.facts["heads"]) == ("linear", 2)


def test_a_network_of_torchvision():
    torchvision = library("torchvision")
    network = torchvision.models.vit_b_16(num_classes=3).encoder.layers[0]
    prune.l1_unstructured(network.self_attention, "in_proj_weight", 0.9)
    prune.l1_unstructured(network.mlp[0], "weight", 0.9)
    found = masks(network)
    assert list(found) == ["self_attention.in_proj_weight_mask", "mlp.0.weight_mask"]
    assert found["self_attention.in_proj_weight_mask"].facts["heads"] == 12
