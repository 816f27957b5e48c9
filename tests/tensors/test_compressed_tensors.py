"""prunescope.tensors.compressed_tensors: run with `pytest tests/tensors/test_compressed_tensors.py`.

The files that compressed-tensors itself makes need requirements-layouts.lock, which `make test` installs.
"""

import base64
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from layouts import library
from prunescope.errors import InputError
from prunescope.tensors.compressed_tensors import kept_of_metadata
from tensors.reading import masks_in

RNG = np.random.default_rng(0)


def two_of_four(n_out, n_in, rng=RNG):
    """A mask that keeps two of each four weights, at random places."""
    order = rng.random((n_out, n_in // 4, 4)).argsort(axis=2)
    return (order < 2).reshape(n_out, n_in)


def weights(kept):
    """Weights in float16 of which these are kept."""
    return torch.tensor(np.where(kept, RNG.normal(size=kept.shape) + 5, 0), dtype=torch.float16)


def bits(kept):
    return torch.tensor(np.packbits(kept, axis=-1, bitorder="little"))


# What compressed-tensors 0.12.2 makes of the mask below: sparse_semi_structured_from_dense_cutlass, int16 [64, 2].
METADATA = (
    "lM7p3phIjUScSNyE7oyJ7M7tTe2YTtmO1M3N3OTNzM1NjsyZjtTISETo6MjchMye1OjN1EhE7JlERJmNzMyYlNjcyNzkjI3E"
    "2Zzs2d3OiESO3szohOyM1JRJ2enZzpyM1OnJRESd7JzZ2MnO6O5I7ezZiOTtjemIScmdmEjMlISYTu5Mns6MxEnMzpRO3olI"
    "ydmZREzY7pzOSZnczOhI6E2N2YTJzu5I1EjO7o6ZnpTdzZ7pie2UyE7pxIiEyd2ElMTZnNTMhETYzs7s6NjZzE3Y3s7Z7tTY"
    "lEzMzIiZSIyeyESURIjY3OyEndhIye7ezZiITMTt3O2O3Yzo6dyOTA=="
)


def test_metadata_are_places_of_kept_weights():
    kept = two_of_four(64, 32, np.random.default_rng(24))
    words = np.frombuffer(base64.b64decode(METADATA), np.int16)
    np.testing.assert_array_equal(kept_of_metadata(words, (64, 32)), kept)


def test_metadata_of_other_shapes_are_refused():
    with pytest.raises(InputError, match="not 60x32"):
        kept_of_metadata(np.zeros(120, np.int16), (60, 32))
    with pytest.raises(InputError, match="not 64x32"):
        kept_of_metadata(np.zeros(120, np.int16), (64, 32))


def test_bits_of_any_number_of_columns(tmp_path):
    kept = {
        "a": RNG.random((5, 11)) < 0.4,
        "b": RNG.random((3, 16)) < 0.4,
        "c": RNG.random((4, 3, 3, 5)) < 0.5,
    }
    state = {"norm.weight": torch.ones(5), "head.weight": torch.ones(4, 3)}
    for name, one in kept.items():
        state[f"{name}.compressed"] = weights(one)[torch.tensor(one)]
        state[f"{name}.bitmask"] = bits(one)
        state[f"{name}.shape"] = torch.tensor(one.shape)
        state[f"{name}.row_offsets"] = torch.zeros(5, dtype=torch.int64)
    save_file(state, tmp_path / "m.safetensors")
    masks, _ = masks_in(tmp_path / "m.safetensors")
    assert list(masks) == ["a.weight", "b.weight", "c.weight"]
    for name, one in kept.items():
        np.testing.assert_array_equal(masks[f"{name}.weight"], one)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ([5, 20], "of 5x2 does not hold the bits of a weight of 5x20"),
        ([6, 11], "does not hold the bits of a weight of 6x11"),
        ([5, -11], "does not hold the bits of a weight"),
        ([0, 11], "does not hold the bits of a weight"),
        ([10**12, 10**12], "does not hold the bits of a weight"),
        ([], "does not hold the bits of a weight"),
    ],
)
def test_shapes_that_lie_are_refused(tmp_path, shape, why):
    kept = RNG.random((5, 11)) < 0.4
    state = {"a.compressed": weights(kept)[torch.tensor(kept)], "a.bitmask": bits(kept)}
    save_file({**state, "a.shape": torch.tensor(shape, dtype=torch.int64)}, tmp_path / "m.safetensors")
    with pytest.raises(InputError, match=rf"m\.safetensors: a\.bitmask.*{why}"):
        masks_in(tmp_path / "m.safetensors")


def test_the_library_writes_what_is_read(tmp_path):
    compressors = library("compressed_tensors.compressors")
    for form, kept in (
        ("sparse-24-bitmask", two_of_four(8, 16)),
        ("sparse-bitmask", RNG.random((6, 13)) < 0.3),
    ):
        config = _config(form)
        compressor = compressors.BaseCompressor.load_from_registry(form, config=config)
        state = {"model.q_proj.weight": weights(kept), "model.norm.weight": torch.ones(3)}
        compressed = compressor.compress(state, compression_targets={"model.q_proj"})
        assert "model.q_proj.bitmask" in compressed
        save_file(compressed, tmp_path / "model.safetensors")
        masks, _ = masks_in(tmp_path / "model.safetensors")
        assert list(masks) == ["model.q_proj.weight"]
        np.testing.assert_array_equal(masks["model.q_proj.weight"], kept)


def _config(form):
    configs = library("compressed_tensors.config")
    kind = configs.Sparse24BitMaskConfig if "24" in form else configs.BitmaskConfig
    return kind(sparsity_structure="2:4" if "24" in form else "unstructured")


def test_the_library_writes_marlin_24_as_it_is_read(tmp_path):
    compressors = library("compressed_tensors.compressors")
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    kept = two_of_four(64, 128)
    state = {"q_proj.weight": weights(kept), "q_proj.weight_scale": torch.full((64, 1), 0.02)}
    state["q_proj.weight_zero_point"] = torch.zeros(64, 1, dtype=torch.int8)
    arguments = QuantizationArgs(num_bits=4, strategy="channel", symmetric=True)
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments)
    compressor = compressors.BaseCompressor.load_from_registry("marlin-24")
    compressed = compressor.compress(state, {"q_proj": scheme})
    save_file(
        {name: tensor.contiguous() for name, tensor in compressed.items()}, tmp_path / "model.safetensors"
    )
    masks, _ = masks_in(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(masks["q_proj.weight"], kept)


def test_packed_integers_are_left_out_by_the_name_of_their_format(tmp_path):
    state = {"q_proj.weight_packed": torch.zeros(4, 2, dtype=torch.int32), "fc.weight_mask": torch.eye(3)}
    save_file(state, tmp_path / "model.safetensors")
    quantisation = {"quant_method": "compressed-tensors", "format": "pack-quantized"}
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": quantisation}))
    _, said = masks_in(tmp_path)
    assert said == [
        "1 weights are packed integers of pack-quantized, which are not read: save the model dense"
    ]
