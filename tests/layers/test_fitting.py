"""What fits each kind of layer: run with `pytest tests/layers/test_fitting.py`."""

from dataclasses import replace

import numpy as np
import pytest

from prunescope.layers.fitting import fitting
from prunescope.layers.kinds import LayerHints
from prunescope.layers.layer_masks import as_layer
from prunescope.layers.quantities import QUANTITIES, quantity
from prunescope.observables import measure
from prunescope.randomness import generator
from prunescope.tensors import NamedMask

RNG = generator(2, "test")


def fit(name, array, hints=None, **facts):
    return fitting(as_layer(NamedMask(name, array, facts=facts), hints, takes_images=True))


def random(*shape, density=0.2):
    return RNG.random(shape) < density


HINTS = LayerHints(heads=4, images=(3, 6, 6))
EVERY_KIND = {
    "linear": ("fc", random(20, 108)),
    "patches": ("patch_embed.proj", random(40, 3, 6, 6)),
    "tokens": ("mlp_tokens.fc1", random(20, 36)),
    "outputs": ("mlp_tokens.fc2", random(36, 20)),
    "convolution": ("conv", random(20, 8, 3, 3)),
    "long kernel": ("conv", random(20, 8, 5, 5)),
    "depthwise": ("conv", random(40, 1, 3, 3)),
    "series": ("conv", random(20, 8, 5)),
    "attention": ("attn.qkv", random(96, 32)),
    "out": ("attn.proj", random(32, 32)),
    "embedding": ("wte", random(100, 32)),
    "recurrent": ("weight_hh_l0", random(128, 32)),
}


@pytest.mark.parametrize("case", EVERY_KIND)
def test_random_masks_of_every_kind_lie_near_their_nulls_and_every_scalar_has_words(case):
    scalars, _ = fit(*EVERY_KIND[case], HINTS)
    for name, scalar in scalars.items():
        assert not abs(scalar.z) > 5, name  # there are hundreds of them, and variances have long tails
        assert quantity(name).meaning, name
        assert scalar.shuffles is None or quantity(name).null, name


def test_words_name_what_units_and_inputs_are():
    assert quantity("dead_units", "embedding").title == "dead tokens"
    assert quantity("dead_units").title == "dead units"
    assert "filter" in quantity("dead_kernels", "convolution").meaning
    assert quantity("of_a_plugin").title == "of a plugin"
    assert all(words.meaning.endswith(".") for words in QUANTITIES.values())


def test_a_linear_layer_on_images_has_the_numbers_of_measure():
    mask = random(30, 108)
    scalars, _ = fit("fc", mask, LayerHints(images=(3, 6, 6)))
    found = measure(mask, (3, 6, 6))
    for name in ("locality", "half_width", "anisotropy", "radius_of_gyration", "fan_in_variance_ratio"):
        one, other = scalars[name], getattr(found, name)
        assert (one.value, one.null_mean, one.null_sd) == pytest.approx(
            (other.value, other.null_mean, other.null_sd), nan_ok=True
        )


def test_scalars_of_locality_do_not_depend_on_the_order_of_pixels():
    images = random(30, 3, 6, 6)
    first, _ = fit("fc", images.reshape(30, -1), LayerHints(images=(3, 6, 6)))
    last = images.transpose(0, 2, 3, 1).reshape(30, -1).copy()
    second, _ = fit("fc", last, LayerHints(images=(3, 6, 6), pixels="hwc"))
    for name in ("locality", "half_width", "anisotropy", "radius_of_gyration", "fan_in_variance_ratio"):
        one, other = first[name], second[name]
        assert (one.value, one.null_mean, one.null_sd) == pytest.approx(
            (other.value, other.null_mean, other.null_sd), nan_ok=True
        )
    patches, _ = fit("fc", last, LayerHints(images=(3, 32, 32), patch=6, pixels="hwc"))
    assert patches["locality"] == first["locality"]


def test_a_patch_embedding_is_local_as_a_linear_layer_and_as_a_convolution():
    images = np.zeros((40, 3, 8, 8), bool)
    for unit, image in enumerate(images):
        y, x = np.divmod(unit % 36, 6)
        image[:, y : y + 2, x : x + 2] = True
    convolution, arrays = fit("patch_embed.proj", images)
    linear, _ = fit("fc", images.reshape(40, -1), LayerHints(patch=8))
    assert convolution["locality"] == linear["locality"]
    assert convolution["locality"].z > 20
    np.testing.assert_allclose(arrays["kernel_positions"], images.mean(axis=(0, 1)))


def test_token_mixing_is_local_in_inputs_and_in_outputs():
    mask = np.zeros((36, 6, 6), bool)
    for unit, image in enumerate(mask):
        y, x = np.divmod(unit, 6)
        image[y : y + 2, x : x + 2] = True
    into, _ = fit("mlp_tokens.fc1", mask.reshape(36, 36)[:20].copy(), LayerHints(tokens=(6, 6)))
    out, _ = fit("mlp_tokens.fc2", mask.reshape(36, 36)[:20].T.copy(), LayerHints(tokens=(6, 6)))
    assert into["locality"].z > 10
    assert out["output_locality"] == into["locality"]
    assert "locality" not in out


@pytest.mark.parametrize(("part", "axis"), [("q_proj", 0), ("o_proj", 1)])
def test_a_sparse_head_is_found_in_rows_and_columns(part, axis):
    mask = random(64, 64, density=0.3)
    head = [slice(None), slice(None)]
    head[axis] = slice(24, 32)
    mask[tuple(head)] &= random(64, 64)[tuple(head)]
    scalars, arrays = fit(f"self_attn.{part}.weight", mask, LayerHints(heads=8))
    assert scalars["head_ratio"].z > 10
    assert scalars["head_ratio_given_lines"].z > 5
    assert arrays["heads"].argmin() == 3
    np.testing.assert_allclose(arrays["heads"][3], mask[tuple(head)].mean())
    mask[tuple(head)] = False
    dead = fit(f"self_attn.{part}.weight", mask, LayerHints(heads=8))[0]["dead_heads"]
    assert (dead.value, dead.z) == pytest.approx((1 / 8, 1.0), abs=1e-6)


def test_parts_of_packed_projections_are_told_apart():
    q, k, v = (random(32, 32, density=density) for density in (0.1, 0.3, 0.3))
    apart, arrays = fit("attn.in_proj_weight", np.concatenate([q, k, v]), LayerHints(heads=4))
    assert apart["part_ratio"].z > 10
    assert abs(apart["head_ratio"].z) < 4  # heads are compared within their part
    np.testing.assert_allclose(arrays["parts"], [q.mean(), k.mean(), v.mean()])
    by_head = np.stack([one.reshape(4, 8, 32) for one in (q, k, v)], axis=1).reshape(96, 32)
    mixed, again = fit("attention.query_key_value", by_head, LayerHints(heads=4))
    np.testing.assert_allclose(again["parts"], arrays["parts"])
    np.testing.assert_allclose(again["heads"], arrays["heads"])
    for name in ("part_ratio", "head_ratio", "head_ratio_given_lines", "dead_heads"):
        assert mixed[name] == apart[name]
    unknown, arrays = fit("attn.in_proj_weight", np.concatenate([q, k, v]))
    assert unknown["part_ratio"] == apart["part_ratio"]
    assert "heads" not in arrays


def test_grouped_heads_of_keys_and_values_are_left_to_their_own():
    mask = random(48, 32)
    scalars, arrays = fit("attn.qkv_proj", mask, heads=8, kv_heads=2)
    assert arrays["heads"].shape == (12,)
    assert abs(scalars["head_ratio"].z) < 4
    np.testing.assert_allclose(arrays["parts"], [mask[:32].mean(), mask[32:40].mean(), mask[40:].mean()])
    alone, _ = fit("attn.q_proj", mask[:32].copy(), heads=8)
    assert scalars["head_ratio"] == alone["head_ratio"]


def test_a_sparse_gate_is_found():
    mask = random(128, 32, density=0.3)
    mask[32:64] &= random(32, 32, density=0.5)
    scalars, arrays = fit("lstm.weight_hh_l0", mask)
    assert scalars["gate_ratio"].z > 10
    assert scalars["gate_ratio_given_lines"].z > 5
    np.testing.assert_allclose(arrays["gates"], mask.reshape(4, 32, 32).mean(axis=(1, 2)))


def test_the_order_of_tokens_is_their_rank_correlation_with_what_is_kept_of_them():
    chance = np.linspace(0.9, 0.1, 200)[:, np.newaxis]
    scalars, _ = fit("wte", RNG.random((200, 30)) < chance)
    assert scalars["token_order"].value < -0.9
    assert scalars["token_order"].z < -10


def test_dead_kernels_are_found_in_groups():
    mask = random(32, 8, 3, 3)
    layer = as_layer(NamedMask("conv", mask, facts={"groups": 4}))
    _, arrays = fitting(layer)
    expected = [[mask[8 * g : 8 * g + 8, c].any(axis=(1, 2)).sum() for c in range(8)] for g in range(4)]
    assert arrays["channel_fan_out"].tolist() == np.ravel(expected).tolist()
    assert arrays["channel_fan_in"].tolist() == mask.any(axis=(2, 3)).sum(axis=1).tolist()
    planted = mask.copy()
    planted[:, :4][random(32, 4, density=0.5)] = False
    found = fitting(replace(layer, mask=as_layer(NamedMask("conv", planted)).mask))[0]
    assert found["dead_kernels"].z > 5


def test_deviations_of_heads_of_q_and_of_k_do_not_cancel():
    densities = {"q": (0.64, 0.08, 0.40, 0.39), "k": (0.11, 0.69, 0.42, 0.51), "v": (0.40,) * 4}
    packed = [random(8, 32, density=density) for part in densities.values() for density in part]
    scalars, _ = fit("attn.in_proj_weight", np.concatenate(packed), LayerHints(heads=4))
    assert scalars["head_ratio"].z > 20
