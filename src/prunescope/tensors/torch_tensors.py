"""Tensors of torch, of any layout, device and type, as named tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from numpy.typing import NDArray

from prunescope.mask import dense_tensor, is_lazy, read_torch, to_numpy, why_unread
from prunescope.tensors.named_tensor import Facts, NamedTensor, Order, Rows, check_axes
from prunescope.tensors.ties import place_of_tensor

# What the names of weights end with in state dicts, and those of their masks by torch.nn.utils.
OF_STATE_DICTS = re.compile(
    r"(^|[._])weight(_mask|_orig|_[ih]h(_l[0-9]+)?(_reverse)?(_mask|_orig)?)?$|\.parametrizations\."
)


def is_state_dict(value: object, tensors: Sequence[NamedTensor]) -> bool:
    """Return whether a mapping is a state dict, as far as the names tell of those of its tensors that have axes."""
    names = [tensor.name for tensor in tensors if len(tensor.shape) > 1]
    return isinstance(value, Mapping) and bool(names) and all(map(OF_STATE_DICTS.search, names))


def named_tensor_of(name: str, tensor: Any, order: Order = "auto", facts: Facts | None = None) -> NamedTensor:
    """Return a tensor of torch as a named tensor."""
    shape = () if is_lazy(tensor) or tensor.is_nested else tuple(tensor.shape)
    dtype = str(tensor.dtype).removeprefix("torch.")
    begin = partial(tensor_rows, tensor)
    if why := why_unread(tensor):
        return NamedTensor(name, shape, dtype, begin, order, facts or {}, place=id(tensor), unread=why)
    if not tensor.is_nested and str(tensor.layout) != "torch.strided":
        # What a sparse tensor does not store is pruned.
        return NamedTensor(name, shape, dtype, begin, order, facts or {}, is_sparse=True)
    return NamedTensor(name, shape, dtype, begin, order, facts or {}, place=place_of_tensor(tensor))


def tensor_rows(tensor: Any) -> Rows:
    """Return what gives the rows of a tensor.

    Raises InputError for a tensor of less than 2 axes, and for one whose values are not there or cannot be read.
    """
    values = dense_tensor(tensor, check_axes)
    width = math.prod(values.shape[1:])

    def rows(start: int, stop: int) -> NDArray[Any]:
        return to_numpy(read_torch(lambda: values[start:stop])).reshape(stop - start, width)

    return rows
