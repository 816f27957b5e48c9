"""Which layers of two networks belong together: run with `pytest tests/layers/test_pairing.py`."""

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.layers.kinds import LayerForm, LayerMask
from prunescope.layers.pairing import bare_name, paired, resolved_chain
from prunescope.mask import Mask
from reference.overlaps import ragged


def layer(name, *shape):
    flat = shape[0], int(np.prod(shape[1:]))
    return LayerMask(
        name, ragged(*flat, 0.3), LayerForm("linear" if len(shape) == 2 else "convolution", shape)
    )


def names(pairs):
    return [pair.names for pair in pairs]


def test_names_decide_whichever_tensor_holds_the_mask():
    first = [layer("module.fc1.weight_mask", 6, 5), layer("module.fc2.weight_mask", 4, 6)]
    second = [layer("fc2.weight", 4, 6), layer("head.weight", 2, 4), layer("fc1.weight", 6, 5)]
    said = []
    pairs = paired(first, second, said.append)
    assert names(pairs) == [(a.name, b.name) for a, b in zip(first, (second[2], second[0]), strict=True)]
    assert said == ["without a partner in the first: head.weight"]
    assert pairs[0].beside(follows=False, matched=True).second == second[2].mask
    assert bare_name("_orig_mod.layers.0.mlp.kernel") == "layers.0.mlp"
    assert bare_name("mask") == "mask"


def test_without_common_names_the_order_decides_as_far_as_shapes_agree():
    first = [layer("a", 6, 5), layer("b", 4, 6), layer("c", 3, 4)]
    second = [layer("x", 6, 5), layer("y", 9, 9), layer("z", 3, 4)]
    said = []
    assert names(paired(first, second, said.append)) == [("a", "x"), ("c", "z")]
    assert said == [
        "layers have other names in the second: they are paired in their order",
        "without a partner in the second: b",
        "without a partner in the first: y",
    ]


def test_shapes_that_do_not_belong_together_are_refused_in_one_line():
    with pytest.raises(InputError, match=r"^fc\.weight is 6x5 in the first, 5x6 in the second$"):
        paired([layer("fc.weight", 6, 5)], [layer("fc.weight", 5, 6)], print)
    with pytest.raises(InputError, match=r"^no layers .* begins with a \(6x5\), the second with b \(5x6\)$"):
        paired([layer("a", 6, 5)], [layer("b", 5, 6)], print)


def pairs_of(*layers):
    return paired(layers, layers, print)


@pytest.mark.parametrize(
    ("layers", "of_run", "chain"),
    [
        ([("fc1", 6, 5), ("fc2", 4, 6), ("fc3", 3, 4)], False, "outputs"),
        ([("layer 1", 6, 5), ("layer 2", 4, 6)], True, "hidden"),
        ([("conv1", 6, 3, 3, 3), ("conv2", 8, 6, 3, 3), ("fc", 10, 8 * 4)], False, "outputs"),
        ([("fc1", 6, 5), ("fc2", 4, 7)], False, "none"),
        ([("fc1", 6, 5), ("fc2", 4, 12)], False, "none"),  # two inputs a unit, but no convolution
        ([("blocks.0.attn.q", 6, 6), ("blocks.0.attn.k", 6, 6)], False, "none"),
        ([("layer.0.query", 6, 6), ("layer.0.out", 6, 6)], False, "none"),
        ([("only", 6, 6)], False, "none"),
    ],
)
def test_what_is_taken_for_a_chain(layers, of_run, chain):
    pairs = pairs_of(*(layer(*one) for one in layers))
    assert resolved_chain(pairs, "auto", of_run=of_run) == chain
    assert resolved_chain(pairs, "none", of_run=of_run) == "none"


def test_a_chain_that_does_not_fit_is_refused():
    pairs = pairs_of(layer("fc1", 6, 5), layer("fc2", 4, 7))
    with pytest.raises(InputError, match=r"^fc2 does not take the units of the layer before it"):
        resolved_chain(pairs, "hidden", of_run=False)
    assert resolved_chain(pairs_of(layer("fc1", 6, 5)), "outputs", of_run=False) == "outputs"


def test_masks_are_held_packed():
    mask = Mask(np.eye(9, 11))
    pair = paired([LayerMask("a", mask, LayerForm("linear", (9, 11)))], [layer("a", 9, 11)], print)[0]
    assert len(pair.packed[0].bits) == 13
    assert pair.packed[0].mask == mask
