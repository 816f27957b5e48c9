"""Models in several files, or in formats of other libraries than torch, as the package tensors reads them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fuzz.targets import Target
from fuzz.tree import Tree

INDEX = "model.safetensors.index.json"


def _seeds(folder: Path) -> dict[str, Tree]:
    import scipy.sparse
    from safetensors.numpy import save

    from tensors.msgpack_writer import chunked, packed

    rng = np.random.default_rng(0)
    kept = rng.random((8, 12)) < 0.4
    weight = (rng.normal(size=kept.shape) * kept).astype(np.float32)
    shards = {f"model-0000{n}-of-00002.safetensors": {f"layer{n}.weight": weight} for n in (1, 2)}
    index = {"weight_map": {name: shard for shard, tensors in shards.items() for name in tensors}}
    config = {"model_type": "llama", "num_attention_heads": 2, "text_config": {"hidden_size": 4}}
    parameters = {
        "Dense_0": {"kernel": weight, "bias": np.zeros(12, np.float32)},
        "b": {"kernel": chunked(weight, 50)},
    }
    state = {"masks": {"Dense_0": {"kernel": np.packbits(kept), "bias": None}}, "count": np.int32(3)}
    bits: dict[str, NDArray[Any]] = {
        "a.compressed": weight[kept],
        "a.bitmask": np.packbits(kept, axis=1, bitorder="little"),
        "a.shape": np.array(kept.shape),
    }
    marlin: dict[str, NDArray[Any]] = {
        "b.weight_packed": np.zeros((2, 8), np.int32),
        "b.meta": np.zeros((1, 128), np.int16),
        "b.scale_packed": np.ones((1, 64), np.float16),
    }
    files: Tree = {name: save(tensors) for name, tensors in shards.items()}
    return {
        "shards": {**files, INDEX: json.dumps(index).encode(), "config.json": json.dumps(config).encode()},
        "flax": {"m.msgpack": packed({"params": parameters, "step": 3, "z": [0.5, "text", 1j, -70000]})},
        "jaxpruner": {"m.msgpack": packed({"params": parameters, "opt_state": state})},
        "compressed": {"m.safetensors": save(bits | marlin)},
        **{
            form: {"m.npz": _sparse(getattr(scipy.sparse, f"{form}_array")(weight))}
            for form in ("csr", "coo", "bsr")
        },
    }


def _sparse(matrix: object) -> bytes:
    import scipy.sparse

    stream = io.BytesIO()
    scipy.sparse.save_npz(stream, matrix)
    return stream.getvalue()


def _read(folder: Path, out: Path) -> None:
    from prunescope.tensors import named_masks

    for _ in named_masks(folder):
        pass


TARGETS = (Target("models", _seeds, _read),)
