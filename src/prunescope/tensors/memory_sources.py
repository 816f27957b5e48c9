"""Sources in memory: modules, nested containers, and single arrays, tensors and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from prunescope.mask import Mask, as_numbers
from prunescope.tensors.containers import is_tensor, leaves
from prunescope.tensors.layouts import in_its_layout
from prunescope.tensors.model_config import ModelConfig
from prunescope.tensors.modules import is_module, module_source
from prunescope.tensors.named_tensor import (
    NamedTensor,
    Rows,
    TensorSource,
    array_rows,
    check_axes,
    check_numbers,
)
from prunescope.tensors.ties import place_of_array
from prunescope.tensors.torch_tensors import is_state_dict, named_tensor_of

ALONE = "mask"  # the name of what has none


def source_in_memory(value: object) -> TensorSource:
    """Return the tensors of a module, of nested dicts and lists, or of one array, tensor, sparse matrix or Mask."""
    if is_module(value):
        return module_source(value)
    if isinstance(value, Mapping) or (isinstance(value, Sequence) and not is_matrix(value)):
        named = list(leaves("", value, is_array))
        found = [_named(name, leaf) for name, leaf in named]
        of_torch = all(is_tensor(leaf) for _, leaf in named) and is_state_dict(value, found)
        return in_its_layout(TensorSource("", found, of_torch=of_torch), ModelConfig())
    own = getattr(value, "weight_mask", value)
    return TensorSource("", [_named(ALONE, own if is_array(own) else as_numbers(own))])


def is_array(value: object) -> bool:
    """Return whether a value is an array of any library, a tensor, a sparse matrix or a Mask."""
    if isinstance(value, Mask | np.ndarray) or is_tensor(value) or is_sparse_matrix(value):
        return True
    return hasattr(value, "__array__") and hasattr(value, "shape") and not isinstance(value, np.generic)


def is_sparse_matrix(value: object) -> bool:
    """Return whether a value is a sparse matrix of SciPy, which need not be imported for it."""
    return hasattr(value, "tocsr") and hasattr(value, "nnz")


def is_matrix(value: object) -> bool:
    """Return whether nested sequences are rows of numbers."""
    for _ in range(64):
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            return isinstance(value, bool | int | float | np.generic)
        value = value[0]
    return False


def _named(name: str, value: Any) -> NamedTensor:
    if isinstance(value, Mask):
        return NamedTensor(name, value.array.shape, "bool", partial(_array_rows, value.array))
    if is_tensor(value):
        return named_tensor_of(name, value)
    if is_sparse_matrix(value):
        begin = partial(_sparse_rows, value)
        return NamedTensor(name, tuple(value.shape), str(value.dtype), begin, is_sparse=True)
    value = np.asarray(value)  # as of JAX
    rows, place = partial(_array_rows, value), place_of_array(value)
    return NamedTensor(name, value.shape, value.dtype.name, rows, place=place)


def _array_rows(array: Any) -> Rows:
    check_axes(array.shape)
    check_numbers(array.dtype)
    return array_rows(array)


def _sparse_rows(matrix: Any) -> Rows:
    """Return what gives the rows of a sparse matrix, with 0 in place of what is not stored."""
    check_axes(tuple(matrix.shape))
    rows = matrix.tocsr()
    return lambda start, stop: rows[start:stop].toarray()
