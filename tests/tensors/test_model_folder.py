"""prunescope.tensors.model_folder: run with `pytest tests/tensors/test_model_folder.py`."""

import gc
import json
import os
import tracemalloc
import weakref

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from prunescope.tensors import named_masks
from tensors.reading import refusal

RNG = np.random.default_rng(3)
FIRST = np.random.default_rng(0).random((6, 10)) < 0.3
SECOND = np.random.default_rng(1).random((4, 6)) < 0.5
NAMES = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = "model.safetensors.index.json"


def found(path):
    """The masks of a source by their names, as lists."""
    return {mask.name: mask.array.tolist() for mask in named_masks(path)}


@pytest.fixture
def sharded(tmp_path):
    """A folder of two shards: layer2 in the first, layer1 and layer10 in the second."""
    save_file({"layer2.weight_mask": SECOND}, tmp_path / NAMES[0])
    save_file({"layer10.weight_mask": SECOND, "layer1.weight_mask": FIRST}, tmp_path / NAMES[1])
    index(tmp_path, {"layer2": 0, "layer10": 1, "layer1": 1})
    return tmp_path


def index(folder, places):
    """Write the index of layers in files: numbers of NAMES, or other names."""
    files = {
        f"{name}.weight_mask": NAMES[one] if isinstance(one, int) else one for name, one in places.items()
    }
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 3}, "weight_map": files}))


def test_shards_are_one_model_in_the_order_of_layers(sharded):
    expected = {"layer1.weight_mask": FIRST, "layer2.weight_mask": SECOND, "layer10.weight_mask": SECOND}
    for source in (sharded, sharded / INDEX, str(sharded)):
        assert found(source) == {name: mask.tolist() for name, mask in expected.items()}
        assert list(found(source)) == list(expected)


def test_shards_of_torch(tmp_path):
    names = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
    torch.save({"a.weight_mask": torch.tensor(FIRST)}, tmp_path / names[0])
    torch.save({"b.weight_mask": torch.tensor(SECOND)}, tmp_path / names[1])
    places = {"a.weight_mask": names[0], "b.weight_mask": names[1]}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    assert found(tmp_path) == {"a.weight_mask": FIRST.tolist(), "b.weight_mask": SECOND.tolist()}


def test_a_folder_with_one_file(tmp_path):
    save_file({"a.weight_mask": FIRST}, tmp_path / "mine.safetensors")
    (tmp_path / "README.md").write_text("of a model")
    assert found(tmp_path) == {"a.weight_mask": FIRST.tolist()}
    save_file({"a.weight_mask": FIRST}, tmp_path / "other.safetensors")
    assert "several files that may be its model (mine.safetensors, other.safetensors)" in refusal(tmp_path)
    save_file({"b.weight_mask": SECOND}, tmp_path / "model.safetensors")
    assert found(tmp_path) == {"b.weight_mask": SECOND.tolist()}


def test_a_folder_without_a_model(tmp_path):
    (tmp_path / "README.md").write_text("of nothing")
    assert refusal(tmp_path).startswith("is a directory, not a file, and holds no model")


def test_what_is_missing_is_named(sharded):
    index(sharded, {"layer2": 0, "layer3": 0, "layer1": 1})
    assert f"{NAMES[0]} has no layer3.weight_mask, which the index says is there" in refusal(sharded)
    (sharded / NAMES[1]).unlink()
    index(sharded, {"layer2": 0, "layer1": 1})
    assert refusal(sharded) == f"{sharded / INDEX}: {NAMES[1]}, which it names, is missing beside it"
    (sharded / NAMES[1]).write_bytes(b"\0" * 20)
    assert refusal(sharded).startswith(f"{sharded / NAMES[1]}: damaged")


def test_tensors_that_the_index_does_not_name_are_left_out(sharded):
    index(sharded, {"layer2": 0, "layer1": 1})
    assert list(found(sharded)) == ["layer1.weight_mask", "layer2.weight_mask"]


def test_an_index_that_leads_elsewhere_is_refused(tmp_path):
    inner = tmp_path / "model"
    inner.mkdir()
    save_file({"a.weight_mask": FIRST}, tmp_path / "outside.safetensors")
    for name in (
        "../outside.safetensors",
        str(tmp_path / "outside.safetensors"),
        "..",
        "",
        "a/../b",
        "C:\\x",
        "a\0",
    ):
        index(inner, {"a": name})
        assert refusal(inner).startswith(f"{inner / INDEX}: refused, it names ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "damaged (it is no JSON)"),
        ("[]", "damaged (it is no JSON object)"),
        ("{}", "no weight_map"),
        ('{"weight_map": []}', "no weight_map"),
        ('{"weight_map": {"a": 3}}', "no weight_map"),
        ('{"weight_map": {}}', "it names 0 files"),
        ('{"weight_map": {"a": "x", "a": "y"}}', "a is there twice"),
        ("[" * 100_000, "damaged (it is no JSON)"),
        (
            json.dumps({"weight_map": {str(n): f"{n}.safetensors" for n in range(1001)}}),
            "it names 1001 files",
        ),
        (json.dumps({"weight_map": {"a": INDEX}}), "refused, it names"),
    ],
)
def test_a_damaged_index_is_refused(tmp_path, text, why):
    (tmp_path / INDEX).write_text(text)
    assert why in refusal(tmp_path)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / INDEX)
    assert refusal(tmp_path).endswith("is a pipe, not a file")
    (tmp_path / INDEX).unlink()
    os.mkfifo(tmp_path / NAMES[0])
    index(tmp_path, {"a": 0})
    assert refusal(tmp_path).endswith("is a pipe, not a file")


def test_one_mask_is_in_memory_at_a_time(tmp_path):
    kept = RNG.random((64, 64)) < 0.5
    places = {}
    for shard in range(4):
        names = [f"layer{number}.weight" for number in range(5 * shard, 5 * shard + 5)]
        file = f"model-{shard + 1:05}-of-00004.safetensors"
        save_file({name: kept * RNG.normal(2, 1, kept.shape) for name in names}, tmp_path / file)
        places.update(dict.fromkeys(names, file))
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places}))
    references = []
    masks = named_masks(tmp_path)
    for mask in masks:
        assert mask.array.tolist() == kept.tolist()
        references.append(weakref.ref(mask.array))
        del mask
        gc.collect()
        assert sum(reference() is not None for reference in references) <= 1
    assert len(references) == 20


def test_no_more_of_a_tensor_is_read_at_once_than_a_part(tmp_path, monkeypatch):
    kept = RNG.random((2048, 512)) < 0.5  # 1 MB as a mask, 8 MB as float64
    save_file({"a.weight": kept * RNG.normal(2, 1, kept.shape)}, tmp_path / "model.safetensors")
    monkeypatch.setattr("prunescope.tensors.named_tensor.TILE_ENTRIES", 1 << 15)
    monkeypatch.setattr("prunescope.tensors.zeros.SAMPLE", 1 << 12)
    list(named_masks(tmp_path))  # what is imported or cached once
    tracemalloc.start()
    try:
        (mask,) = named_masks(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert mask.array.tolist() == kept.tolist()
    assert peak < 2.5 * kept.size  # the mask, and a few parts
