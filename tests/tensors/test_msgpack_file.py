"""prunescope.tensors.msgpack_file: run with `pytest tests/tensors/test_msgpack_file.py`.

flax needs jaxlib, which is too large to install for these tests alone. They write its layout by themselves, and compare
what they write with what flax writes where it is installed (it was the same in version 0.12.8).
"""

import struct

import numpy as np
import pytest

from prunescope.tensors import named_masks
from tensors.msgpack_writer import BFloat16, chunked, extension, packed
from tensors.reading import masks_in, refusal

RNG = np.random.default_rng(0)
DENSE = RNG.random((10, 6)) < 0.3  # [n_in, n_out]
CONVOLUTION = RNG.random((3, 2, 5, 4)) < 0.4  # [height, width, n_in, n_out]


def weights(kept):
    """Weights in float32 of which these are kept."""
    return np.where(kept, RNG.normal(size=kept.shape) + 3, 0).astype(np.float32)


def written(path, value):
    """A file of this value, or of these bytes."""
    path.write_bytes(value if isinstance(value, bytes) else packed(value))
    return path


def checkpoint():
    """Parameters as flax saves them, with the state of an optimiser, of which the zeros are no pruned weights."""
    return {
        "step": 300,
        "params": {
            "Conv_0": {"kernel": weights(CONVOLUTION), "bias": np.zeros(4, np.float32)},
            "Dense_0": {"kernel": BFloat16(weights(DENSE)), "bias": np.zeros(6, np.float32)},
        },
        "opt_state": {"0": {"count": np.int32(3), "mu": {"Dense_0": {"kernel": weights(DENSE)}}}, "1": None},
        "lr": 0.1,
        "z": 2 - 1j,
    }


def test_kernels_are_read_with_the_outputs_first(tmp_path):
    masks, said = masks_in(written(tmp_path / "m.msgpack", checkpoint()))
    assert list(masks) == ["params.Conv_0.kernel", "params.Dense_0.kernel"]
    np.testing.assert_array_equal(masks["params.Dense_0.kernel"], DENSE.T)
    np.testing.assert_array_equal(masks["params.Conv_0.kernel"], CONVOLUTION.transpose(3, 2, 0, 1))
    assert any("no parameters, as of an optimiser, are left out" in line for line in said)


def test_arrays_in_pieces_are_one(tmp_path):
    kernel = weights(DENSE)
    for size in (7, 59, 60):
        path = written(tmp_path / "m.msgpack", {"params": {"a": {"kernel": chunked(kernel, size)}}})
        np.testing.assert_array_equal(masks_in(path)[0]["params.a.kernel"], DENSE.T)


@pytest.mark.parametrize("is_packed", [False, True])
def test_masks_of_jaxpruner(tmp_path, is_packed):
    kept = {"Conv_0": CONVOLUTION, "Dense_0": DENSE}
    masks = {
        name: {"kernel": np.packbits(one) if is_packed else one.astype(np.uint8), "bias": None}
        for name, one in kept.items()
    }
    params = {name: {"kernel": np.ones(one.shape, np.float32)} for name, one in kept.items()}
    state = {"masks": masks, "inner_state": {"0": {"trace": params}}, "count": np.zeros((), np.int32)}
    path = written(tmp_path / "m.msgpack", {"opt_state": state, "params": params})
    found_masks, _ = masks_in(path)
    assert list(found_masks) == ["Conv_0.kernel", "Dense_0.kernel"]
    np.testing.assert_array_equal(found_masks["Dense_0.kernel"], DENSE.T)
    np.testing.assert_array_equal(found_masks["Conv_0.kernel"], CONVOLUTION.transpose(3, 2, 0, 1))


def test_kernels_of_attention_have_a_row_for_every_unit_of_every_head(tmp_path):
    heads, size, width = 3, 4, 5
    into = {name: RNG.random((width, heads, size)) < 0.5 for name in ("query", "key", "value")}
    out = RNG.random((heads, size, width)) < 0.5
    layers = {name: {"kernel": weights(kept)} for name, kept in {**into, "out": out}.items()}
    path = written(tmp_path / "m.msgpack", {"params": {"attention": layers}})
    masks = {mask.name.split(".")[-2]: mask for mask in named_masks(path)}
    for name, kept in into.items():
        np.testing.assert_array_equal(masks[name].array, kept.reshape(width, heads * size).T)
        assert masks[name].facts == {"heads": heads, "head_size": size}
    np.testing.assert_array_equal(masks["out"].array, out.reshape(heads * size, width).T)
    assert masks["out"].facts == {"heads": heads, "head_size": size}


def test_flax_writes_the_same_bytes(monkeypatch):
    serialization = pytest.importorskip("flax.serialization")
    from jax import numpy as jnp

    ours = checkpoint()
    theirs = checkpoint()
    kernel = ours["params"]["Dense_0"]["kernel"].array
    theirs["params"]["Dense_0"]["kernel"] = jnp.asarray(kernel).astype(jnp.bfloat16)
    ours["params"]["Dense_0"]["kernel"] = BFloat16(
        np.asarray(theirs["params"]["Dense_0"]["kernel"], np.float32)
    )
    for value in (ours, theirs):
        value["params"]["Conv_0"]["kernel"] = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        value["opt_state"]["0"]["mu"] = {"a": [np.arange(3, dtype=np.uint8), -70000, "x" * 40, b"y", 2**40]}
    assert packed(_sorted(ours)) == serialization.msgpack_serialize(_sorted(theirs))
    monkeypatch.setattr("flax.serialization.MAX_CHUNK_SIZE", 28)
    array = np.arange(30, dtype=np.float32).reshape(5, 6)
    assert packed({"a": chunked(array, 7)}) == serialization.msgpack_serialize({"a": array})


def _sorted(value):
    """Dicts in the order of their keys, in which flax writes them."""
    return {key: _sorted(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def test_other_extensions_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "m.msgpack"
    good = packed({"a": {"kernel": weights(DENSE)}})
    array = packed([[2, 2], "uint8", bytes(4)])
    for data, why in (
        (b"", "it ends before its last value"),
        (good[:-1], "it ends before its last value"),
        (good + b"\0", "it goes on after its end"),
        (packed({"a": 1})[:-1] + b"\xc1", "begins with byte 0xc1"),
        (packed({"a": 1})[:1] + b"\xc0\x01", ""),
        (extension(7, b"run me"), "extension 7 is none of flax"),
        (extension(-1 % 256, bytes(8)), "extension -1 is none of flax"),
        (extension(1, array + b"\0"), "a shape or a length that is none"),
        (extension(1, packed([[2, 2], "uint8"])), "an array is not of shape, type and numbers"),
        (extension(1, packed([{"2": 2}, "uint8", bytes(4)])), "the shape of an array is no list"),
        (extension(1, packed([[2, -2], "uint8", bytes(4)])), "a shape or a length that is none"),
        (extension(1, packed([[2, 2], "uint8", bytes(3)])), "not as many bytes as its shape"),
        (extension(1, packed([[2**40, 2**40], "uint8", bytes(4)])), "not as many bytes as its shape"),
        (extension(1, packed([[1] * 100, "uint8", bytes(1)])), "the shape of an array is no list"),
        (b"\xdb\xff\xff\xff\xff", "it ends before its last value"),
        (b"\xdd\xff\xff\xff\xff", "it ends before its last value"),
        (b"\xdf\xff\xff\xff\xff", "it ends before its last value"),
        (b"\xc9\xff\xff\xff\xff\x01", "it ends before its last value"),
        (b"\x91" * 100_000, "nested without end"),
        (b"\x81\xa1a" * 100_000, "nested without end"),
        (b"\x82\xa1a\xc0\xa1a\xc0", "a is there twice"),
        (b"\x81" + b"\xdb" + struct.pack(">I", 1 << 17) + bytes(1 << 17) + b"\xc0", "a name of 131072 bytes"),
    ):
        written(path, data)
        assert why in refusal(path), data[:40]


def test_pieces_that_do_not_belong_together_are_refused(tmp_path):
    path = tmp_path / "m.msgpack"
    good = chunked(weights(DENSE), 7)
    for change, why in (
        ({"chunks": {}}, "has no pieces"),
        ({"chunks": {"1": np.zeros(3, np.float32)}}, "not numbered from 0"),
        ({"chunks": {"0": np.zeros(3, np.float32)}}, "not as many bytes as its shape"),
        ({"chunks": {"0": np.zeros(30, np.float32), "1": np.zeros(30, np.int32)}}, "pieces of several types"),
        ({"shape": {"0": -10, "1": -6}}, "has no pieces"),
        ({"shape": {"0": 10, "2": 6}}, "not numbered from 0"),
    ):
        written(path, {"a": {"kernel": {**good, **change}}})
        assert why in refusal(path), change


def test_types_that_are_not_read_are_named(tmp_path):
    path = written(tmp_path / "m.msgpack", extension(1, packed([[4, 2], "int4", bytes(4)])))
    assert "numbers of the type int4 are not read" in refusal(path)
