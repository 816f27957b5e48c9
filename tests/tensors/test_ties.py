"""prunescope.tensors.ties: run with `pytest tests/tensors/test_ties.py`."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn
from torch.nn.utils import prune

from prunescope.observables import load_masks
from prunescope.tensors import ReadingOptions, named_masks

KEPT = {
    name: torch.rand(shape, generator=torch.Generator().manual_seed(len(name))) < 0.5
    for name, shape in (("wte", (40, 16)), ("fc1", (16, 16)), ("fc2", (16, 16)))
}
ONE = "taken once, because they are one tensor: "


class Language(nn.Module):
    """A language model whose output layer is tied to its embedding, pruned by zeros."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(40, 16)
        self.fc1, self.fc2 = nn.Linear(16, 16), nn.Linear(16, 16)
        self.lm_head = nn.Linear(16, 40, bias=False)
        self.lm_head.weight = self.wte.weight
        with torch.no_grad():
            for name, kept in KEPT.items():
                getattr(self, name).weight *= kept


def read(source, **options):
    """The masks of a source by name, and what is said of the rest."""
    said = []
    found = list(named_masks(source, ReadingOptions(**options), said.append))
    return {named.name: named for named in found}, said


def saved(path, values, **options):
    """The path of a file of torch, once it is written."""
    torch.save(values, path, **options)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda model, path: model,
        lambda model, path: model.state_dict(),
        lambda model, path: {"model": dict(model.named_parameters(remove_duplicate=False))},
        lambda model, path: {name: value.numpy() for name, value in model.state_dict().items()},
        lambda model, path: saved(path / "a.pt", model.state_dict()),
        lambda model, path: saved(path / "a.pt", model.state_dict(), _use_new_zipfile_serialization=False),
    ],
)
def test_tied_weights_are_taken_once(tmp_path, make):
    found, said = read(make(Language(), tmp_path))
    first = next(name for name in found if name.endswith("wte.weight"))
    around = first.removesuffix("wte.weight")
    assert list(found) == [f"{around}{name}.weight" for name in KEPT]
    for name, kept in KEPT.items():
        np.testing.assert_array_equal(found[f"{around}{name}.weight"].array, kept)
    assert said == [
        "no mask inside: the weights that are not 0 are taken as kept, of " + ", ".join(found),
        f"{ONE}{first} = {around}lm_head.weight",
    ]


def test_parameters_that_share_their_values_alone_are_one():
    model = Language()
    model.lm_head.weight = nn.Parameter(model.wte.weight.data)
    found, said = read(model)
    assert list(found) == ["wte.weight", "fc1.weight", "fc2.weight"]
    assert said[1] == f"{ONE}wte.weight = lm_head.weight"


def test_what_has_equal_values_elsewhere_is_another():
    state = {name: value.clone() for name, value in Language().state_dict().items()}
    found, said = read(state)
    assert list(found) == ["wte.weight", "fc1.weight", "fc2.weight", "lm_head.weight"]
    assert not any(ONE in line for line in said)


def test_other_shapes_and_parts_of_one_memory_are_others():
    whole = torch.where(KEPT["wte"], 1.0 + torch.arange(40 * 16).reshape(40, 16), 0)
    parts = {
        "all": whole,
        "turned": whole.T,
        "top": whole[:20],
        "rest": whole[20:],
        "flat": whole.view(20, 32),
    }
    found, said = read(parts)
    assert list(found) == list(parts)
    assert not any(ONE in line for line in said)


def test_many_names_of_one_tensor_are_counted():
    weight = Language().fc1.weight.detach()
    found, said = read({f"layers.{number}.weight": weight for number in range(12)})
    assert list(found) == ["layers.0.weight"]
    assert said[1] == (
        f"{ONE}layers.0.weight = layers.1.weight = layers.2.weight = layers.3.weight and 8 more"
    )


def test_of_tied_weights_that_are_not_taken_nothing_is_said():
    model = Language()
    with torch.no_grad():
        model.wte.weight[:] = 1.5
    found, said = read(model)
    assert list(found) == ["fc1.weight", "fc2.weight"]
    assert not any(ONE in line for line in said)


def test_masks_of_several_names_are_several_but_for_those_of_one_module():
    mask = KEPT["fc1"]
    assert list(read({"fc1": mask, "fc2": mask})[0]) == ["fc1", "fc2"]
    first = prune.custom_from_mask(nn.Linear(16, 16), "weight", mask)
    second = nn.Linear(16, 16)
    second.weight_mask = first.weight_mask
    found, said = read(nn.Sequential(first, second))
    assert list(found) == ["0.weight_mask"]
    assert said == [f"{ONE}0.weight_mask = 1.weight_mask"]


def test_masks_for_another_network_are_read_under_each_name(tmp_path):
    weight = Language().fc1.weight.detach()
    path = saved(tmp_path / "a.pt", {"fc1.weight": weight, "fc2.weight": weight})
    assert [name for name, _ in load_masks(path)] == ["fc1.weight", "fc2.weight"]
    assert list(read(path, each_name=True)[0]) == ["fc1.weight", "fc2.weight"]
    assert list(read(path)[0]) == ["fc1.weight"]


def test_names_that_safetensors_left_out_are_said(tmp_path):
    save_model(Language(), str(tmp_path / "a.safetensors"))
    found, said = read(tmp_path / "a.safetensors")
    [first] = found.keys() & {"wte.weight", "lm_head.weight"}
    [other] = {"wte.weight", "lm_head.weight"} - {first}
    assert said[1] == f"{ONE}{first} = {other}"


@pytest.mark.parametrize(
    ("config", "change", "taken"),
    [
        ({"tie_word_embeddings": True}, 0, ["fc1", "fc2", "lm_head"]),
        (
            {"tie_word_embeddings": True},
            1,
            ["fc1", "fc2", "lm_head", "wte"],
        ),  # they are not, whatever it says
        ({"tie_word_embeddings": False}, 0, ["fc1", "fc2", "lm_head", "wte"]),
        ({"tie_word_embeddings": "yes"}, 0, ["fc1", "fc2", "lm_head", "wte"]),
        ({}, 0, ["fc1", "fc2", "lm_head", "wte"]),
    ],
)
def test_weights_that_a_configuration_ties(tmp_path, config, change, taken):
    state = {name: value.clone() for name, value in Language().state_dict().items()}
    state["wte.weight"][-1, -1] += change
    save_file(state, str(tmp_path / "model.safetensors"))
    (tmp_path / "config.json").write_text(json.dumps(config))
    found, said = read(tmp_path)
    assert list(found) == [f"{name}.weight" for name in taken]
    assert (f"{ONE}lm_head.weight = wte.weight" in said) == (len(taken) == 3)
