"""Which entries of a tensor are not 0, read a few rows at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prunescope.errors import InputError
from prunescope.mask import BoolArray
from prunescope.tensors.named_tensor import NOT_BINARY, NamedTensor, check_axes, quiet


@dataclass(frozen=True, eq=False)
class KeptEntries:
    """Which entries of a tensor are not 0, bool in the tensor's shape, and whether all of these are 1."""

    array: BoolArray
    only_ones: bool


def kept_entries(tensor: NamedTensor, *, others: bool = True) -> KeptEntries:
    """Return which entries of a tensor are not 0.

    Raises InputError for less than 2 axes, for a tensor without entries, for one whose mask does not fit into memory, and
    for values other than 0 and 1 unless ``others``.
    """
    check_axes(tensor.shape)
    kept: BoolArray = np.empty((tensor.shape[0], tensor.size // tensor.shape[0]), np.bool_)
    only_ones, top = True, 0
    with quiet():
        for part in tensor.parts():
            place = kept[top : top + len(part)]
            with np.errstate(invalid="ignore"):  # a signalling nan would warn
                np.not_equal(part, 0, out=place)
                only_ones = only_ones and bool((np.asarray(part == 1, np.bool_) | ~place).all())
            if not (only_ones or others):
                raise InputError(NOT_BINARY)
            top += len(part)
    return KeptEntries(kept.reshape(tensor.shape), only_ones)
