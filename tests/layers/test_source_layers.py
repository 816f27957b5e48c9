"""prunescope.layers.source_layers: run with `pytest tests/layers/test_source_layers.py`."""

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.layers.kinds import LayerHints
from prunescope.layers.source_layers import Selection, layers_of

RNG = np.random.default_rng(0)


def layers(tmp_path, wanted, **masks):
    np.savez(tmp_path / "masks.npz", **masks)
    said = []
    return list(layers_of(tmp_path / "masks.npz", wanted, said.append)), said


def random(*shape):
    return RNG.random(shape) < 0.4


def test_the_first_layer_that_fits_takes_the_images(tmp_path):
    masks = {"a": random(5, 7), "b": random(6, 48), "c": random(48, 48)}
    found, _ = layers(tmp_path, Selection(shape=(3, 4, 4)), **masks)
    assert [layer.form.inputs for layer in found] == [None, (3, 4, 4), None]
    [second], _ = layers(tmp_path, Selection(shape=(3, 4, 4), layer="b"), **masks)
    assert second.form.inputs == (3, 4, 4)
    [third], _ = layers(tmp_path, Selection(shape=(3, 4, 4), layer=3), **masks)
    assert third.form.inputs is None


def test_images_that_no_layer_fits_are_refused(tmp_path):
    with pytest.raises(InputError, match="a has 7 inputs; --shape 3x4x4 holds 48: give C, H, W"):
        layers(tmp_path, Selection(shape=(3, 4, 4)), a=random(5, 7))
    with pytest.raises(InputError, match="it may be transposed"):
        layers(tmp_path, Selection(shape=(3, 4, 4)), a=random(48, 7))


def test_hints_that_no_layer_takes_are_told(tmp_path):
    hints = LayerHints(heads=2, patch=4, tokens=(2, 5))
    _, said = layers(tmp_path, Selection(hints=hints), a=random(5, 7))
    assert [line.partition(" is given, but there is no ")[0] for line in said] == ["heads", "patch", "tokens"]
    _, said = layers(tmp_path, Selection(hints=LayerHints(patch=4)), a=random(5, 48))
    assert said == []
    _, [line] = layers(tmp_path, Selection(hints=LayerHints(pixels="hwc")), a=random(5, 48))
    assert line == "pixels is given, but there is no linear layer whose inputs are known to be pixels"
    for wanted in (
        Selection(shape=(3, 4, 4), hints=LayerHints(pixels="hwc")),
        Selection(hints=LayerHints(patch=4, pixels="hwc")),
    ):
        assert layers(tmp_path, wanted, a=random(5, 48))[1] == []


def test_a_first_convolution_of_other_channels_than_the_images_is_told(tmp_path):
    masks = {"conv": random(4, 3, 3, 3), "fc": random(5, 4)}
    unused = "shape is given, but there is no linear layer that takes such images"
    _, [first, line] = layers(tmp_path, Selection(shape=(1, 8, 8)), **masks)
    assert first == unused
    assert layers(tmp_path, Selection(shape=(3, 8, 8)), **masks)[1] == [unused]
    assert line == "conv: it takes 3 channels, and images of --shape 1x8x8 have 1"


def test_what_is_not_known_of_many_layers_is_told_once(tmp_path):
    masks = {f"{n}.self_attn.{part}_proj": random(8, 8) for n in (0, 1) for part in "qkv"}
    found, said = layers(tmp_path, None, **masks)
    assert [layer.form.kind for layer in found] == ["attention"] * 6
    assert said == ["0.self_attn.q_proj and 5 more: how many heads it has is not known: --heads N says it"]
    assert layers(tmp_path, Selection(hints=LayerHints(heads=2)), **masks)[1] == []


@pytest.mark.parametrize("order", [("ih", "hh"), ("hh", "ih")])
def test_gates_of_a_recurrent_layers_inputs_are_read_from_its_hidden_weights(tmp_path, order):
    sizes = {"ih": 5, "hh": 8}
    masks = {f"rnn.weight_{part}_l{n}": random(24, sizes[part]) for n in (0, 1) for part in order}
    found, said = layers(tmp_path, None, **masks, z=random(3, 8))
    assert [(layer.form.kind, layer.form.gates) for layer in found] == [("recurrent", 3)] * 4 + [
        ("linear", None)
    ]
    assert [layer.name for layer in found] == [*masks, "z"]
    assert said == []
