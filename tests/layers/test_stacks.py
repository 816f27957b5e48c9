"""prunescope.layers.stacks: run with `pytest tests/layers/test_stacks.py`."""

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.layers.layer_masks import as_layer
from prunescope.layers.observing import measure_layer
from prunescope.layers.stacks import UNKNOWN_ORDER, FieldsOf, stack_of
from prunescope.observables import effective_receptive_fields
from prunescope.observables.effective_fields import field_shares, shuffled_stacks
from prunescope.randomness import generator
from prunescope.tensors import NamedMask


def network():
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, groups=2, dilation=(2, 1), padding="same"), nn.GELU()
        ),
        nn.Conv2d(8, 6, (1, 3), padding="valid"),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def layers_of(module, density=0.1):
    rng = generator(0, "test")
    for name, one in module.named_parameters():
        if one.ndim > 1:
            kind = {"kind": "conv2d", "groups": 8 // one.shape[1]} if name == "3.1.weight" else {}
            yield as_layer(NamedMask(name, rng.random(one.shape) < density, facts=kind))


def test_the_stack_of_a_sequential_has_its_convolutions_and_poolings_in_order():
    stack = stack_of(network())
    assert stack.names == ("0", "3.0", "3.1", "4")
    assert [one.kernel for one in stack.layers] == [(3, 3), (2, 2), (3, 3), (1, 3)]
    assert [one.stride for one in stack.layers] == [(2, 2), (2, 2), (1, 1), (1, 1)]
    assert [one.padding for one in stack.layers] == [(1, 1), (0, 0), (2, 1), (0, 0)]
    assert stack.layers[2].dilation == (2, 1)
    assert [one.inputs for one in stack.layers] == [2, None, 8, 8]


def test_the_field_of_the_stack_is_what_the_module_sees():
    module = network()[:5].double().eval()
    stack = stack_of(module)
    for one in module.parameters():
        nn.init.constant_(one, 0.5)
    image = torch.rand(1, 2, 48, 48, dtype=torch.float64, requires_grad=True)
    nn.Sequential(*[one for one in module.modules() if isinstance(one, nn.Conv2d)])(image)[
        0, 0, 5, 5
    ].backward()
    fields = effective_receptive_fields([one for one in stack.layers if one.mask is not None])
    assert fields.sizes[0] == torch.count_nonzero(image.grad).item()


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(3, 4),
        nn.ModuleDict({"a": nn.Conv2d(3, 4, 3), "b": nn.Sequential(nn.Conv2d(4, 4, 3))}),
        nn.Sequential(),
    ],
)
def test_no_stack_where_the_order_is_not_known(module):
    assert stack_of(module) is None


def test_a_kind_of_sequential_is_one_and_another_forward_is_none():
    class Block(nn.Sequential):
        pass

    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    assert stack_of(nn.Sequential(Block(nn.Conv2d(3, 4, 3)), nn.Conv2d(4, 4, 3))).names == ("0.0", "1")
    first = nn.Conv2d(3, 3, 3)
    assert stack_of(nn.Sequential(first, Residual(nn.Conv2d(3, 3, 3)), nn.Conv2d(3, 3, 3))).names == ("0",)


def test_observed_layers_of_a_stack_have_their_effective_fields():
    module = network()
    fields = FieldsOf(module)
    layers = list(fields.watching(layers_of(module)))
    said = []
    observed = fields.added_to(tuple(measure_layer(one) for one in layers), said.append)
    assert said == []
    masks = {one.name.removesuffix(".weight"): one.mask.array for one in layers}
    whole = stack_of(module).with_masks(masks)
    shares = field_shares(whole)
    null = np.array([field_shares(one) for one in shuffled_stacks(whole)])
    assert "effective_field" not in observed[0].scalars  # its field is its kernel
    for layer, number in ((observed[1], 2), (observed[2], 3)):
        found = layer.scalars["effective_field"]
        assert (found.value, found.null_mean) == pytest.approx((shares[number], null[:, number].mean()))
        assert found.shuffles == 50
        assert abs(found.z) < 4
    assert observed[0].arrays["effective_field"].shape == (3, 3)
    np.testing.assert_allclose(
        observed[2].arrays["effective_field"],
        effective_receptive_fields(whole).masks.any(axis=1).mean(axis=0),
    )
    assert "effective_field" not in observed[3].scalars


def test_columns_that_are_kept_alone_narrow_the_effective_field():
    module = nn.Sequential(nn.Conv2d(1, 16, 5), nn.ReLU(), nn.Conv2d(16, 16, 5))
    rng = generator(1, "test")
    masks = [NamedMask(f"{n}.weight", rng.random((16, c, 5, 5)) < 0.3) for n, c in ((0, 1), (2, 16))]
    for one in masks:
        one.array[..., 0] = one.array[..., 1] = False
    fields = FieldsOf(module)
    layers = [measure_layer(one) for one in fields.watching(as_layer(mask, None) for mask in masks)]
    [_, second] = fields.added_to(tuple(layers), print)
    assert second.scalars["effective_field"].z < -10
    assert not second.arrays["effective_field"][:, :4].any()


def test_an_order_that_is_not_known_is_told():
    module = nn.ModuleDict({"a": nn.Conv2d(3, 4, 3), "b": nn.Conv2d(4, 4, 3)})
    for source in (module, "file.pt"):
        fields, said = FieldsOf(source), []
        observed = tuple(measure_layer(one) for one in fields.watching(layers_of(module, 0.3)))
        assert fields.added_to(observed, said.append) == observed
        assert said == [UNKNOWN_ORDER]


def test_convolutions_after_the_stack_are_told_of():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Conv2d(4, 4, 3)

    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3), Residual())
    fields, said = FieldsOf(module), []
    observed = tuple(measure_layer(one) for one in fields.watching(layers_of(module, 0.3)))
    _, second, third = fields.added_to(observed, said.append)
    assert said == [f"{UNKNOWN_ORDER}; those after 1 are not"]
    assert "effective_field" in second.scalars
    assert "effective_field" not in third.scalars
