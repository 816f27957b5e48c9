"""Networks some of whose tensors are not there, or not read: lazy, on no device, fake, packed, of other classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.tensors import named_masks

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning"),
]
LAZY = "it has no values yet, as in a lazy layer: give the network its first batch before"
META = "a tensor on the device meta has no values: load or compute them on another device first"
QUANTIZED = "quantized weights are not read: give the network as it was before"


class Foreign(torch.Tensor):
    """A tensor whose operations raise what no tensor of torch raises."""

    @staticmethod
    def __new__(cls) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, (3, 4), dtype=torch.float32)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise KeyError("nothing here")


def _pruned() -> nn.Linear:
    layer = nn.Linear(10, 5)
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer


def _on_meta() -> nn.Module:
    with torch.device("meta"):
        return nn.Linear(4, 10)


def _fake() -> nn.Module:
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode():
        return nn.Linear(4, 10)


def _quantized() -> nn.Module:
    return nn.Sequential(
        torch.ao.nn.quantized.dynamic.Linear(4, 10), torch.ao.nn.quantized.dynamic.LSTM(10, 3)
    )


UNREAD: list[tuple[Callable[[], nn.Module], str]] = [
    (lambda: nn.LazyLinear(10), f"0.weight: {LAZY}"),
    (lambda: nn.LazyConv2d(10, 3), f"0.weight: {LAZY}"),
    (_on_meta, f"0.weight: {META}"),
    (_fake, "0.weight: a fake tensor has no values"),
    (_quantized, f"0.0.weight, 0.1._all_weight_values.0: {QUANTIZED}"),
    (lambda: torch.ao.nn.quantized.Conv2d(3, 4, 3), f"0.weight: {QUANTIZED}"),
]


@pytest.mark.parametrize(("make", "line"), UNREAD)
def test_layers_that_are_not_read_are_left_out_with_a_note(make, line):
    pruned, notes = _pruned(), []
    [found] = named_masks(nn.Sequential(make(), pruned), say=notes.append)
    np.testing.assert_array_equal(found.array, pruned.weight_mask.numpy() == 1)
    assert line in notes


@pytest.mark.parametrize(("make", "line"), UNREAD)
def test_they_are_left_out_beside_weights_of_0_and_beside_masks(make, line):
    network, notes = nn.Sequential(make(), nn.Linear(10, 6)), []
    with torch.no_grad():
        network[1].weight[::2] = 0
    [found] = named_masks(network, say=notes.append)
    assert (found.name, line in notes) == ("1.weight", True)
    kept, notes = torch.eye(4) == 1, []
    holder = nn.Sequential(make())
    holder.register_buffer("kept", kept)
    [found] = named_masks(holder, say=notes.append)
    assert (found.name, line in notes) == ("kept", True)


@pytest.mark.parametrize(("make", "line"), UNREAD)
def test_a_network_of_nothing_else_is_refused(make, line):
    with pytest.raises(InputError) as caught:
        list(named_masks(nn.Sequential(make())))
    assert str(caught.value).startswith(f"no mask inside ({line}; ")


def test_tensors_of_other_classes_are_refused_by_name():
    why = "the tensor cannot be read as numbers ('nothing here')"
    with pytest.raises(InputError) as caught:
        Mask.of(Foreign())
    assert str(caught.value) == why
    notes: list[str] = []
    [found] = named_masks({"a": Foreign(), "b": torch.eye(4)}, say=notes.append)
    assert (found.name, notes) == ("b", [f"a: {why}"])
    with pytest.raises(InputError, match="no values yet"):
        Mask.of(nn.LazyLinear(3).weight)


def test_what_has_parts_on_several_devices_is_not_taken_for_its_part():
    class Parts(torch.Tensor):
        def full_tensor(self) -> torch.Tensor:
            return torch.ones(8, 4)

    notes: list[str] = []
    [found] = named_masks({"a": torch.eye(4).as_subclass(Parts), "b": torch.eye(4)}, say=notes.append)
    assert found.name == "b"
    assert notes == ["a: a distributed tensor is not read: give tensor.full_tensor()"]


@pytest.mark.parametrize("compiled", ["scripted", "traced"])
def test_scripted_and_traced_layers_are_read_as_they_were(compiled):
    convolution = nn.ConvTranspose2d(4, 6, 3)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), convolution)
    for place in (0, 2):
        prune.random_unstructured(plain[place], "weight", 0.3)
    # A module with hooks, as those that prune leaves, is not scripted.
    loose = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 6, 3))
    for place in (0, 2):
        loose[place].weight.data = plain[place].weight.detach().clone()
    if compiled == "scripted":
        made, expected = torch.jit.script(loose), loose
    else:
        made, expected = torch.jit.trace(plain, torch.zeros(1, 3, 8, 8)), plain
    before, after = list(named_masks(expected)), list(named_masks(made))
    assert [one.name for one in after] == [one.name for one in before]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(other.array, one.array)
        assert other.facts["kind"] == one.facts["kind"]
    assert after[1].array.shape == (6, 4, 3, 3)
    if compiled == "scripted":
        assert [one.facts for one in after] == [one.facts for one in before]


def test_one_scripted_layer_does_not_hide_the_others():
    pruned = _pruned()
    network = nn.Sequential(pruned, torch.jit.script(nn.Linear(5, 3)))
    [found] = named_masks(network)
    assert found.name == "0.weight_mask"
