"""Which entries of a tensor are not 0, read a few rows at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import NOT_BINARY, BoolArray
from prunescope.tensors.named_tensor import NamedTensor, check_axes, quiet
from prunescope.tensors.zeros import ZeroCensus

# So many entries tell nearly every tensor of weights from a mask.
PROBE = 1 << 12


@dataclass(frozen=True, eq=False)
class KeptEntries:
    """Which entries of a tensor are not 0, bool in the tensor's shape, and how many of these are NaN or infinite."""

    array: BoolArray
    not_finite: int


def kept_entries(
    tensor: NamedTensor, *, others: bool = True, census: ZeroCensus | None = None
) -> KeptEntries:
    """Return which entries of a tensor are not 0.

    ``census``: counts its zeros too. Raises InputError for less than 2 axes, for a tensor without entries, for one whose
    mask does not fit into memory, and for values other than 0 and 1 unless ``others``.
    """
    check_axes(tensor.shape)
    kept: BoolArray = np.empty((tensor.shape[0], tensor.size // tensor.shape[0]), np.bool_)
    only_ones, not_finite, top = True, 0, 0
    with quiet():
        for part in tensor.parts():
            place = kept[top : top + len(part)]
            with np.errstate(invalid="ignore"):  # a signalling nan would warn
                np.not_equal(part, 0, out=place)
                only_ones = only_ones and _has_only_ones(part, place)
                if part.dtype.kind in "fc" and not only_ones:
                    not_finite += part.size - int(np.count_nonzero(np.isfinite(part)))
                if census is not None:
                    census.add(part, place)
            if not (only_ones or others):
                raise InputError(NOT_BINARY)
            top += len(part)
    return KeptEntries(kept.reshape(tensor.shape), not_finite)


def binary_values(tensor: NamedTensor) -> Literal["mixed", "whole", "other"]:
    """Return whether a tensor holds 0 and 1, one of them alone, or other values, of which it reads as few as tell."""
    check_axes(tensor.shape)
    zeros = ones = False
    with quiet(), np.errstate(invalid="ignore"):
        width = tensor.size // tensor.shape[0]
        first = tensor.read(0, min(tensor.shape[0], max(1, PROBE // width)))
        if not _has_only_ones(first, first != 0):
            return "other"
        for part in tensor.parts():
            kept = part != 0
            if not _has_only_ones(part, kept):
                return "other"
            ones = ones or bool(kept.any())
            zeros = zeros or not kept.all()
    return "mixed" if zeros and ones else "whole"


def _has_only_ones(part: NDArray[Any], kept: BoolArray) -> bool:
    """Return whether all entries that are not 0 are 1."""
    return bool((np.asarray(part == 1, np.bool_) | ~kept).all())
