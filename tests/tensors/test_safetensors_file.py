"""prunescope.tensors.safetensors_file: run with `pytest tests/tensors/test_safetensors_file.py`."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from prunescope.tensors import named_masks, stored_arrays
from tensors.reading import masks_in, refusal

KEPT = np.random.default_rng(0).random((6, 10)) < 0.3


def written(path, header, data=b""):
    """A file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def tensor(shape, start, end, kind="U8"):
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "dtype",
    [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2],
)
def test_weights_of_each_type_that_the_library_writes(tmp_path, dtype):
    values = torch.tensor(np.where(KEPT, np.random.default_rng(1).normal(size=KEPT.shape) + 3, 0)).to(dtype)
    save_tensors({"fc.weight": values}, tmp_path / "m.safetensors")
    masks, _ = masks_in(tmp_path / "m.safetensors")
    assert list(masks) == ["fc.weight"]
    np.testing.assert_array_equal(masks["fc.weight"], KEPT)


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int8, torch.int64, torch.bfloat16, torch.float8_e5m2]
)
def test_masks_of_each_type_that_the_library_writes(tmp_path, dtype):
    save_tensors({"fc.weight_mask": torch.tensor(KEPT).to(dtype)}, tmp_path / "m.safetensors")
    np.testing.assert_array_equal(masks_in(tmp_path / "m.safetensors")[0]["fc.weight_mask"], KEPT)


def test_only_a_few_rows_are_read_at_a_time(tmp_path, monkeypatch):
    kept = np.random.default_rng(0).random((40, 50)) < 0.5
    save_file(
        {"b.weight_mask": kept.astype(np.float32), "a.weight_mask": kept[:8]}, tmp_path / "m.safetensors"
    )
    monkeypatch.setattr("prunescope.tensors.named_tensor.TILE_ENTRIES", 100)
    counts = []
    read = stored_arrays.StoredArray.read

    def counted(self, first, count):
        counts.append(count)
        return read(self, first, count)

    monkeypatch.setattr(stored_arrays.StoredArray, "read", counted)
    masks = named_masks(tmp_path / "m.safetensors")
    assert next(masks).array.tolist() == kept[:8].tolist()
    assert sum(counts) == 8 * 50  # nothing of the tensor after it
    assert next(masks).array.tolist() == kept.tolist()
    assert max(counts) == 100
    assert sum(counts) == 48 * 50


def test_headers_that_lie_are_refused_as_the_library_does(tmp_path):
    path = tmp_path / "m.safetensors"
    one = tensor([2, 2], 0, 4)
    lies = [
        ({"a": one, "b": tensor([2, 2], 2, 6)}, "b begins at byte 2, the tensor before it ends at 4"),
        ({"a": one, "b": tensor([2, 2], 5, 9)}, "b begins at byte 5, the tensor before it ends at 4"),
        ({"a": tensor([2, 2], 4, 8)}, "a begins at byte 4, the tensor before it ends at 0"),
        ({"a": tensor([2, 3], 0, 4)}, "a of 2x3 U8 has 4 bytes"),
        ({"a": tensor([2**40, 2**40], 0, 4)}, "U8 has 4 bytes"),
        ({"a": tensor([2, -2], 0, 4)}, "the shape of a is no list of numbers"),
        ({"a": tensor([2.0, 2], 0, 4)}, "the shape of a is no list of numbers"),
        ({"a": tensor([True, 2], 0, 4)}, "the shape of a is no list of numbers"),
        ({"a": tensor([1] * 100, 0, 1)}, "the shape of a is no list of numbers"),
        ({"a": tensor([2, 2], 4, 0)}, "the offsets of a are not where"),
        ({"a": {**one, "data_offsets": [0, 4, 4]}}, "the offsets of a are not where"),
        ({"a": {**one, "dtype": "F1"}}, "a has a type that is not known, F1"),
        ({"a": {**one, "dtype": None}}, "a has a type that is not known"),
        ({"a": 3}, "a has no facts"),
        ({"a": one, "__metadata__": {"a": 3}}, "its metadata are no texts"),
        ({"__metadata__": [], "a": one}, "its metadata are no texts"),
        ([], "it is no JSON object"),
        (b"{", "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (
            b'{"a": {"dtype": "U8", "dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}',
            "dtype is there twice",
        ),
    ]
    for header, why in lies:
        written(path, header, bytes(8 if "before" in why else 4))
        assert why in refusal(path), header
        with pytest.raises(SafetensorError), safe_open(path, "numpy") as opened:
            opened.keys()
    written(path, {"a": one}, bytes(5))
    assert "its tensors end at byte" in refusal(path)
    written(path, {"a": one}, bytes(3))
    assert "its tensors end at byte" in refusal(path)


def test_headers_of_absurd_sizes_are_refused_before_they_are_read(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    assert "its header would have 9223372036854775808 bytes, the file has 10" in refusal(path)
    path.write_bytes(b"\0" * 7)
    assert "damaged" in refusal(path)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 1 << 30))
        file.truncate(1 << 31)  # a file with a hole takes no disk
    assert "its header of 1,074 MB is larger than any model's" in refusal(path)


def test_types_of_less_than_a_byte_are_left_out_by_name(tmp_path):
    path = tmp_path / "m.safetensors"
    header = {"a.weight": tensor([2, 4], 0, 4, "F4"), "b.weight_mask": tensor([2, 2], 4, 8)}
    written(path, header, bytes([1, 2, 3, 4, 1, 0, 0, 1]))
    assert masks_in(path)[0]["b.weight_mask"].tolist() == [[True, False], [False, True]]
    written(path, {"a.weight": tensor([2, 4], 0, 4, "F4")}, bytes(4))
    assert "numbers of the type F4 are not read" in refusal(path)
