"""Files of named arrays: a state dict of torch, safetensors, NumPy's npz, and sparse matrices of SciPy in an npz."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from prunescope.export.exported import Exported
from prunescope.mask import BoolArray
from prunescope.model import Arrays, FloatArray
from prunescope.network.plain import AffineMap, Centre, NormLayer
from prunescope.runs.arrays import serialized


def pt_bytes(exported: Exported) -> bytes:
    """Return the state dict as torch.save writes it, which torch.load reads with weights_only."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(exported.module().state_dict()), buffer)
    return buffer.getvalue()


def safetensors_bytes(exported: Exported) -> bytes:
    """Return the state dict as safetensors, with sizes, epsilons of the norms and the origin in its metadata."""
    epsilons = {name: repr(value) for name, value in exported.epsilons.items()}
    return b"".join(serialized(exported.state(), {"format": "pt", **exported.notes, **epsilons}))


def npz_bytes(exported: Exported) -> bytes:
    """Return the state dict as an npz, with the names of the parts in their order and the epsilons of the norms."""
    return _npz(exported, exported.state())


def csr_bytes(exported: Exported) -> bytes:
    """Return an npz in which each matrix is four arrays: data, indices, indptr and shape of scipy.sparse.csr_array.

    A hidden matrix has an entry for each weight that is kept, also where that is 0.
    """
    arrays: Arrays = {}
    for name, part in exported.network.parts.items():
        if isinstance(part, AffineMap):
            matrix = _csr(part.weight, part.kept_weights)
            arrays |= {f"{name}.{field}": array for field, array in matrix.items()}
            arrays[f"{name}.bias"] = part.bias
        elif isinstance(part, NormLayer):
            arrays |= {
                f"{name}.weight": part.gain,
                f"{name}.bias": part.shift,
                f"{name}.running_mean": part.mean,
                f"{name}.running_var": part.variance,
            }
        elif isinstance(part, Centre):
            arrays[f"{name}.running_mean"] = part.mean
    return _npz(exported, arrays)


def _csr(weight: FloatArray, kept: BoolArray | None) -> Arrays:
    """Return a matrix in compressed sparse rows; without a mask, of all that is not 0."""
    chosen = weight != 0 if kept is None else kept
    counts = np.count_nonzero(chosen, axis=1)
    small = max(int(counts.sum()), weight.shape[1]) < 2**31
    index = np.int32 if small else np.int64
    return {
        "data": weight[chosen],
        "indices": np.nonzero(chosen)[1].astype(index),
        "indptr": np.concatenate([[0], np.cumsum(counts)]).astype(index),
        "shape": np.array(weight.shape, np.int64),
    }


def _npz(exported: Exported, arrays: Arrays) -> bytes:
    epsilons = {name: np.array(value) for name, value in exported.epsilons.items()}
    named: dict[str, Any] = {"parts": np.array(list(exported.network.parts)), **arrays, **epsilons}
    buffer = io.BytesIO()
    np.savez(buffer, **named)
    return buffer.getvalue()
